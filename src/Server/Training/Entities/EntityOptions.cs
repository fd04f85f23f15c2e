using Atoll.Contracts;

namespace Atoll.Training.Entities;

/// <summary>What can be chosen about a training on entities.</summary>
internal sealed record EntityOptions
{
    public static ParameterTable Table { get; } = new(DatasetTypes.Entities,
    [
        new TrainerParameter.Whole("epochs", 1, 500, "the best of 30", "passes over the texts; when given, exactly so many"),
        new TrainerParameter.Number("dropout", 0, 0.9, "0.3", "share of what is known of a word that is hidden at random while learning"),
        new TrainerParameter.Number("learning-rate", 1e-4, 2, "0.1", "size of the first steps"),
        new TrainerParameter.Number("decay", 0, 0.1, "0.00001", "pull of the weights towards zero"),
        new TrainerParameter.Whole("min-words", 1, 1_000, "2", "times that a word or a part of one must occur to be known"),
    ]);

    /// <summary>Exactly so many passes; null for as many as held-out texts tell, up to <see cref="EpochsMost"/>.</summary>
    public int? Epochs { get; init; }

    public int EpochsMost { get; init; } = 30;

    /// <summary>Passes without a better score that end the search.</summary>
    public int Patience { get; init; } = 6;

    public float Dropout { get; init; } = 0.3f;

    public float LearningRate { get; init; } = 0.1f;

    public float Decay { get; init; } = 1e-5f;

    public int MinWords { get; init; } = 2;

    public static EntityOptions Read(TrainingSettings settings)
    {
        var values = Table.Read(settings.Parameters);
        var defaults = new EntityOptions();
        return new EntityOptions
        {
            Epochs = values.Whole("epochs"),
            Dropout = (float?)values.Number("dropout") ?? defaults.Dropout,
            LearningRate = (float?)values.Number("learning-rate") ?? defaults.LearningRate,
            Decay = (float?)values.Number("decay") ?? defaults.Decay,
            MinWords = values.Whole("min-words") ?? defaults.MinWords,
        };
    }
}
