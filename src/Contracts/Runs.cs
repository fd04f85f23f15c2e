namespace Atoll.Contracts;

/// <summary>Asks for a model to be trained.</summary>
public sealed record CreateRunRequest
{
    /// <summary>Name of the dataset to learn from.</summary>
    public required string Dataset { get; init; }

    /// <summary>Version of the dataset; the newest when left out.</summary>
    public int? DatasetVersion { get; init; }

    /// <summary>Model that gets the result as its next version; made when it does not exist. The dataset's name when left out.</summary>
    public string? Model { get; init; }

    /// <summary>Column to learn, for tables. The dataset's label column when left out.</summary>
    public string? Target { get; init; }

    /// <summary>Experiment in which the run is grouped.</summary>
    public string? Experiment { get; init; }

    /// <summary>Same seed, same data, same parameters: the same model.</summary>
    public int Seed { get; set; } = 1;

    /// <summary>Longest training time, at most the operator's <c>Training:MinutesMax</c>; the best model until then is kept.</summary>
    public double? MinutesMax { get; init; }

    /// <summary>Higher goes first among the tenant's own runs.</summary>
    public int Priority { get; init; }

    /// <summary>Trainer parameters by name.</summary>
    public IReadOnlyDictionary<string, string>? Parameters { get; init; }
}

/// <summary>A kind of training.</summary>
/// <param name="SampleType">What it learns from; one of <see cref="DatasetTypes"/>.</param>
/// <param name="Parameters">What may be chosen about it, in <see cref="CreateRunRequest.Parameters"/>.</param>
public sealed record TrainerResponse(string SampleType, IReadOnlyList<TrainerParameterResponse> Parameters);

/// <summary>Something that may be chosen about a training.</summary>
/// <param name="Name">Key in <see cref="CreateRunRequest.Parameters"/>.</param>
/// <param name="Expected">Which values it takes, in words. Every parameter also takes <c>auto</c>, which is as if it were left out.</param>
/// <param name="Default">What holds without it, in words.</param>
/// <param name="Meaning">What it does, in words.</param>
public sealed record TrainerParameterResponse(string Name, string Expected, string Default, string Meaning);

/// <summary>States of a run.</summary>
public static class RunStates
{
    public const string Queued = "queued";
    public const string Running = "running";
    public const string Succeeded = "succeeded";
    public const string Failed = "failed";
    public const string Cancelled = "cancelled";

    public static bool IsEnded(string state) => state is Succeeded or Failed or Cancelled;
}

/// <summary>One training execution.</summary>
public sealed record RunResponse
{
    public required string Id { get; init; }

    public required string Experiment { get; init; }

    /// <summary>One of <see cref="RunStates"/>.</summary>
    public required string State { get; init; }

    public required string Dataset { get; init; }

    public required int DatasetVersion { get; init; }

    public required string Model { get; init; }

    /// <summary>Version of the model that came out; once succeeded.</summary>
    public int? ModelVersion { get; init; }

    public string? Target { get; init; }

    public required int Seed { get; init; }

    public IReadOnlyDictionary<string, string>? Parameters { get; init; }

    /// <summary>What is being done: <c>reading data</c>, <c>training</c>, <c>evaluating</c> ...</summary>
    public string? Stage { get; init; }

    /// <summary>Fraction done of the stage, 0 to 1.</summary>
    public double Progress { get; init; }

    public required int Attempt { get; init; }

    public required DateTime CreatedUtc { get; init; }

    public DateTime? StartedUtc { get; init; }

    public DateTime? EndedUtc { get; init; }

    /// <summary>Why it failed, in words for the tenant.</summary>
    public string? Error { get; init; }

    /// <summary>Scores on the held-out samples; once succeeded.</summary>
    public IReadOnlyDictionary<string, double>? Metrics { get; init; }
}

/// <summary>A point of a learning curve.</summary>
public sealed record RunMetricResponse(string Name, int Step, double Value);

/// <summary>A line of a run's log.</summary>
public sealed record RunLogResponse(long Number, DateTime AtUtc, string Message);

/// <summary>What a follower of a run receives, as server-sent events named <c>run</c>: the run whenever it changed, with what is new.</summary>
public sealed record RunEvent
{
    public required RunResponse Run { get; init; }

    public IReadOnlyList<RunMetricResponse>? Metrics { get; init; }

    public IReadOnlyList<RunLogResponse>? Logs { get; init; }
}
