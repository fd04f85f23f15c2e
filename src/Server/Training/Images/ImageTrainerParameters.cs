using System.Globalization;

namespace Atoll.Training.Images;

/// <summary>What a person may choose about an image training; null or <c>auto</c> is chosen from the data.</summary>
internal sealed record ImageTrainerParameters
{
    /// <summary>The names, as a person writes them.</summary>
    public static readonly IReadOnlyList<string> Known = ["size", "epochs", "batch", "learning-rate", "flip", "augment", "validation", "shards"];

    /// <summary>Longest side of the images that the network sees, in pixels.</summary>
    public int? Size { get; init; }

    public int? Epochs { get; init; }

    /// <summary>Images per step.</summary>
    public int? Batch { get; init; }

    /// <summary>The peak of the learning rate.</summary>
    public float LearningRate { get; init; } = 4e-3f;

    /// <summary>
    /// Whether images are mirrored at random for learning. By default those of a label are unless they plainly differ from their
    /// mirror image, as digits, letters and arrows do: see <see cref="MirrorCheck"/>. Set it to false where left and right matter.
    /// </summary>
    public bool? Flip { get; init; }

    /// <summary>Whether images are shifted, zoomed and recoloured at random for learning.</summary>
    public bool Augment { get; init; } = true;

    /// <summary>Share of the images that is kept aside to measure each epoch and choose the best.</summary>
    public double Validation { get; init; } = 0.1;

    /// <summary>Parts of a batch that are computed at the same time. The result depends on it, the number of cores has no influence.</summary>
    public int Shards { get; init; } = 2;

    public static ImageTrainerParameters Parse(IReadOnlyDictionary<string, string> parameters)
    {
        foreach (var name in parameters.Keys)
        {
            if (!Known.Contains(name))
                throw new TrainingRefusedException($"An image training has no parameter '{name}'. It has: {string.Join(", ", Known)}.");
        }
        var defaults = new ImageTrainerParameters();
        return new ImageTrainerParameters
        {
            Size = Whole("size", 8, 512),
            Epochs = Whole("epochs", 1, 10_000),
            Batch = Whole("batch", 2, 1024),
            LearningRate = (float)(Number("learning-rate", 1e-6, 1) ?? defaults.LearningRate),
            Flip = Choice("flip"),
            Augment = Choice("augment") ?? defaults.Augment,
            Validation = Number("validation", 0, 0.5) ?? defaults.Validation,
            Shards = Whole("shards", 1, 16) ?? defaults.Shards,
        };

        string? Text(string name) => parameters.TryGetValue(name, out var text) && text is not ("" or "auto") ? text : null;

        double? Number(string name, double least, double most)
        {
            if (Text(name) is not { } text) return null;
            return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
                ? number
                : throw Refuse(name, text, string.Create(CultureInfo.InvariantCulture, $"a number from {least} to {most}"));
        }

        int? Whole(string name, int least, int most)
        {
            if (Text(name) is not { } text) return null;
            return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
                ? number
                : throw Refuse(name, text, string.Create(CultureInfo.InvariantCulture, $"a whole number from {least} to {most}"));
        }

        bool? Choice(string name) => Text(name) switch
        {
            null => null,
            "true" => true,
            "false" => false,
            var text => throw Refuse(name, text, "true, false or auto"),
        };

        static TrainingRefusedException Refuse(string name, string text, string expected) =>
            new($"Parameter '{name}' is '{text}'; expected {expected}.");
    }
}
