namespace Atoll.Contracts;

/// <summary>The log of an endpoint's predictions.</summary>
public sealed record PredictionLogResponse
{
    public required string Endpoint { get; init; }

    /// <summary>Share of the predictions that is kept: 0 for none, 1 for all.</summary>
    public required double Rate { get; init; }

    /// <summary>Days for which they are kept.</summary>
    public required int Days { get; init; }

    /// <summary>What there is, the oldest day first.</summary>
    public required IReadOnlyList<PredictionLogDay> Files { get; init; }
}

/// <summary>A day of a log of predictions.</summary>
public sealed record PredictionLogDay
{
    /// <summary>The day in UTC, such as 2026-01-31.</summary>
    public required string Day { get; init; }

    public required long Bytes { get; init; }
}

/// <summary>Says which share of an endpoint's predictions is kept.</summary>
public sealed record PutPredictionLogRequest
{
    /// <summary>Share of the predictions: 0 for none, 1 for all.</summary>
    public required double Rate { get; init; }

    /// <summary>Days for which they are kept; as before when it is not given.</summary>
    public int? Days { get; init; }
}
