using Atoll.Contracts;

namespace Atoll.Training.Text;

/// <summary>What can be chosen about a text training.</summary>
internal sealed record TextOptions
{
    /// <summary>What may be chosen where a text has one label.</summary>
    public static ParameterTable Table { get; } = TableOf("hinge", "logistic", "softmax");

    /// <summary>What may be chosen where a text has several labels.</summary>
    public static ParameterTable MultiLabelTable { get; } = TableOf("hinge", "logistic");

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
        var values = (multiLabel ? MultiLabelTable : Table).Read(settings.Parameters);
        var defaults = new TextOptions();
        return new TextOptions
        {
            Losses = values.Choice("loss") is { } loss ? [LossOf(loss)] : multiLabel ? [LinearLoss.SquaredHinge] : [LinearLoss.SquaredHinge, LinearLoss.Softmax],
            Strength = (float?)values.Number("strength"),
            LongestRun = values.Whole("longest-run") ?? defaults.LongestRun,
            MinTexts = values.Whole("min-texts") ?? defaults.MinTexts,
            WeightsFromLabels = values.Flag("label-weights") ?? defaults.WeightsFromLabels,
            EpochsMax = values.Whole("epochs") ?? defaults.EpochsMax,
        };
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

    private static LinearLoss LossOf(string name) => name switch
    {
        "hinge" => LinearLoss.SquaredHinge,
        "logistic" => LinearLoss.Logistic,
        _ => LinearLoss.Softmax,
    };

    private static ParameterTable TableOf(params IReadOnlyList<string> losses) => new(DatasetTypes.Text,
    [
        new TrainerParameter.Choice("loss", losses, "hinge, together with softmax for one label per text", "loss function; softmax is only for one label per text"),
        new TrainerParameter.Number("strength", 1e-4, 1e4, "the best of several", "how much a mistake weighs against large weights"),
        new TrainerParameter.Whole("longest-run", 2, 5, "4", "characters in the longest run that is a feature"),
        new TrainerParameter.Whole("min-texts", 1, 1_000_000, "1", "texts that a word or run must occur in to be a feature"),
        new TrainerParameter.Flag("label-weights", "true", "features that tell more about the labels count more"),
        new TrainerParameter.Whole("epochs", 1, 1_000, "12", "most passes over the texts at one strength"),
    ]);
}
