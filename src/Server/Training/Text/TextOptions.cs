using System.Globalization;

namespace Atoll.Training.Text;

/// <summary>What can be chosen about a text training.</summary>
internal sealed record TextOptions
{
    /// <summary>
    /// Parameter <c>loss</c>: <c>hinge</c>, <c>logistic</c>, or <c>softmax</c> for one label per text. Default: hinge, for one
    /// label per text together with softmax; the two make different mistakes, and their sum is still one linear model.
    /// </summary>
    public IReadOnlyList<LinearLoss> Losses { get; init; } = [LinearLoss.SquaredHinge];

    /// <summary>Parameter <c>strength</c>: how much a mistake weighs against large weights. Null: the best of <see cref="StrengthsOf"/>.</summary>
    public float? Strength { get; init; }

    /// <summary>Parameter <c>longest-run</c>: characters in the longest run that is a feature, 2 to 5.</summary>
    public int LongestRun { get; init; } = 4;

    /// <summary>Parameter <c>min-texts</c>: texts that a word or run must occur in to be a feature.</summary>
    public int MinTexts { get; init; } = 1;

    /// <summary>Parameter <c>label-weights</c>: features that tell more about the labels count more.</summary>
    public bool WeightsFromLabels { get; init; } = true;

    /// <summary>Parameter <c>epochs</c>: most passes over the texts at one strength.</summary>
    public int EpochsMax { get; init; } = 12;

    /// <summary>What is tried: from the middle to the strongest, then from the middle to the weakest. The loss functions differ in scale.</summary>
    public (float[] Stronger, float[] Weaker) StrengthsOf(LinearLoss loss) =>
        Strength is { } one ? ([one], [])
        : loss == LinearLoss.SquaredHinge ? ([0.4f, 1.2f, 3.5f], [0.12f, 0.04f, 0.013f])
        : ([1.5f, 5f, 12f], [0.5f, 0.15f]);

    public static TextOptions Read(TrainingSettings settings, bool multiLabel)
    {
        var options = new TextOptions { Losses = multiLabel ? [LinearLoss.SquaredHinge] : [LinearLoss.SquaredHinge, LinearLoss.Softmax] };
        foreach (var (name, value) in settings.Parameters)
        {
            options = name switch
            {
                "loss" => options with { Losses = [LossOf(value, multiLabel)] },
                "strength" => options with { Strength = Number(name, value, 1e-4f, 1e4f) },
                "longest-run" => options with { LongestRun = (int)Number(name, value, 2, 5) },
                "min-texts" => options with { MinTexts = (int)Number(name, value, 1, 1_000_000) },
                "label-weights" => options with
                {
                    WeightsFromLabels = bool.TryParse(value, out var on) ? on : throw Refuse(name, value, "true or false"),
                },
                "epochs" => options with { EpochsMax = (int)Number(name, value, 1, 1_000) },
                _ => throw new TrainingRefusedException(
                    $"Text training has no parameter '{name}'. It has loss, strength, longest-run, min-texts, label-weights and epochs."),
            };
        }
        return options;
    }

    public static string NameOf(LinearLoss loss) => loss switch
    {
        LinearLoss.SquaredHinge => "squared hinge",
        LinearLoss.Softmax => "softmax",
        _ => "logistic",
    };

    /// <summary>Name of a loss function's learning curve on the texts it learns from.</summary>
    public static string CurveOf(LinearLoss loss) => loss switch
    {
        LinearLoss.SquaredHinge => "train/hinge-loss",
        LinearLoss.Softmax => "train/softmax-loss",
        _ => "train/logistic-loss",
    };

    private static LinearLoss LossOf(string value, bool multiLabel) => value switch
    {
        "hinge" => LinearLoss.SquaredHinge,
        "logistic" => LinearLoss.Logistic,
        "softmax" when !multiLabel => LinearLoss.Softmax,
        _ => throw Refuse("loss", value, multiLabel ? "hinge or logistic" : "hinge, logistic or softmax"),
    };

    private static float Number(string name, string value, float least, float most) =>
        float.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : throw Refuse(name, value, string.Create(CultureInfo.InvariantCulture, $"a number from {least} to {most}"));

    private static TrainingRefusedException Refuse(string name, string value, string expected) =>
        new($"Parameter '{name}' is '{value}'; it should be {expected}.");
}
