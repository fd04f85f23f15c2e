namespace Atoll.Training;

/// <summary>What a person may choose about a training; everything has a default that works.</summary>
internal sealed record TrainingSettings
{
    /// <summary>Same seed, same data, same settings, same machine type: the same model bit for bit.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>How long the trainer may take, as wall time; it stops with the best model so far. Null: as long as it needs.</summary>
    /// <remarks>A run that a time limit cut short is the one exception to repeatability.</remarks>
    public TimeSpan? TimeLimit { get; init; }

    /// <summary>Threads that the trainer may use; the model does not depend on it.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>Trainer parameters by name, as text; a trainer refuses a name it does not know.</summary>
    public IReadOnlyDictionary<string, string> Parameters { get; init; } = new Dictionary<string, string>();
}
