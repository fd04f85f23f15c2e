using Atoll.Contracts;

namespace Atoll.Training;

/// <summary>What a training process is told to do: <c>order.json</c> in its folder.</summary>
internal sealed record TrainingOrder
{
    /// <summary>Files of the dataset version.</summary>
    public required string ManifestPath { get; init; }

    public required string DataPath { get; init; }

    public required string IndexPath { get; init; }

    /// <summary>Column to learn, for tables.</summary>
    public string? Target { get; init; }

    public required int Seed { get; init; }

    /// <summary>How long the trainer itself may take; it ends with its best model so far.</summary>
    public double? MinutesMax { get; init; }

    /// <summary>Rows that are read at the most.</summary>
    public required int RowsMax { get; init; }

    public required IReadOnlyDictionary<string, string> Parameters { get; init; }
}

/// <summary>What a training process leaves in its folder: <c>result.json</c>, beside <c>model.onnx</c>.</summary>
internal sealed record TrainingResult
{
    /// <summary>Names the graph that the model shares with others; null when it has a session of its own.</summary>
    public string? GraphDigest { get; init; }

    /// <summary>Why it has a session of its own; null when it has none.</summary>
    public string? OwnSessionReason { get; init; }

    public required string Algorithm { get; init; }

    public required ModelSignature Signature { get; init; }

    public required ModelReportResponse Report { get; init; }
}
