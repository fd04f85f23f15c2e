using System.Globalization;
using Atoll.Contracts;

namespace Atoll.Training.Audio;

/// <summary>What a person may choose about a training on sounds; null or <c>auto</c> is chosen from the data.</summary>
internal sealed record SoundParameters
{
    /// <summary>What may be chosen, as a person writes it.</summary>
    public static ParameterTable Table { get; } = new(DatasetTypes.Audio,
    [
        new TrainerParameter.Choice("rate", ["8000", "16000", "32000"], "8000 where nine of ten sounds have at most 11025, else 16000", "samples a second that the model reads; sounds of other rates are brought to it"),
        new TrainerParameter.Number("seconds", 0.1, 60, "as long as 19 of 20 sounds, from 0.25 to 10", "how much of a sound the model sees: the loudest stretch of longer ones"),
        new TrainerParameter.Whole("epochs", 1, 10_000, "from the data", "how often each sound is heard"),
        new TrainerParameter.Whole("batch", 2, 1024, "from the data", "sounds a step"),
        new TrainerParameter.Number("learning-rate", 1e-6, 1, "0.004", "the highest rate; it climbs there and falls to zero"),
        new TrainerParameter.Flag("augment", "true", "learn from sounds that are moved, stretched, tuned, drowned in noise and partly hidden"),
        new TrainerParameter.Flag("balance", "true", "let rare labels weigh more, by the root of how rare they are"),
        new TrainerParameter.Number("validation", 0, 0.5, "0.1", "share of the sounds kept aside, where the dataset has no validation split"),
    ]);

    public int? Rate { get; init; }

    public double? Seconds { get; init; }

    public int? Epochs { get; init; }

    /// <summary>Sounds per step.</summary>
    public int? Batch { get; init; }

    /// <summary>The peak of the learning rate.</summary>
    public float LearningRate { get; init; } = 4e-3f;

    public bool Augment { get; init; } = true;

    public bool Balance { get; init; } = true;

    /// <summary>Share of the sounds that is kept aside to measure each epoch and choose the best.</summary>
    public double Validation { get; init; } = 0.1;

    public static SoundParameters Parse(IReadOnlyDictionary<string, string> parameters)
    {
        var values = Table.Read(parameters);
        var defaults = new SoundParameters();
        return new SoundParameters
        {
            Rate = values.Choice("rate") is { } rate ? int.Parse(rate, CultureInfo.InvariantCulture) : null,
            Seconds = values.Number("seconds"),
            Epochs = values.Whole("epochs"),
            Batch = values.Whole("batch"),
            LearningRate = (float)(values.Number("learning-rate") ?? defaults.LearningRate),
            Augment = values.Flag("augment") ?? defaults.Augment,
            Balance = values.Flag("balance") ?? defaults.Balance,
            Validation = values.Number("validation") ?? defaults.Validation,
        };
    }
}
