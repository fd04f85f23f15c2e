using Atoll.Contracts;

namespace Atoll.Training.Images;

/// <summary>What a person may choose about an image training; null or <c>auto</c> is chosen from the data.</summary>
internal sealed record ImageTrainerParameters
{
    /// <summary>What may be chosen, as a person writes it.</summary>
    public static ParameterTable Table { get; } = new(DatasetTypes.Image,
    [
        new TrainerParameter.Whole("size", 8, 512, "from the data", "longest side of the network's input in pixels"),
        new TrainerParameter.Whole("epochs", 1, 10_000, "from the data", "how often each image is seen"),
        new TrainerParameter.Whole("batch", 2, 1024, "from the data", "images a step"),
        new TrainerParameter.Number("learning-rate", 1e-6, 1, "0.004", "the highest rate; it climbs there and falls to zero"),
        new TrainerParameter.Flag("flip", "per label, from the data", "learn from mirrored images"),
        new TrainerParameter.Flag("augment", "true", "learn from shifted, cropped and recoloured images"),
        new TrainerParameter.Number("validation", 0, 0.5, "0.1", "share of the images kept aside, where the dataset has no validation split"),
    ]);

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

    public static ImageTrainerParameters Parse(IReadOnlyDictionary<string, string> parameters)
    {
        var values = Table.Read(parameters);
        var defaults = new ImageTrainerParameters();
        return new ImageTrainerParameters
        {
            Size = values.Whole("size"),
            Epochs = values.Whole("epochs"),
            Batch = values.Whole("batch"),
            LearningRate = (float)(values.Number("learning-rate") ?? defaults.LearningRate),
            Flip = values.Flag("flip"),
            Augment = values.Flag("augment") ?? defaults.Augment,
            Validation = values.Number("validation") ?? defaults.Validation,
        };
    }
}
