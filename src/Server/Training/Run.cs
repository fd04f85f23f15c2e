using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Jobs;

namespace Atoll.Training;

/// <summary>One training execution.</summary>
internal sealed class Run : ITenantOwned, IRevised, IJobSubject
{
    public required string Id { get; set; }

    public string TenantId { get; set; } = "";

    public required string Experiment { get; set; }

    /// <summary>One of <see cref="RunStates"/>.</summary>
    public required string State { get; set; }

    public required string Dataset { get; set; }

    public required int DatasetVersion { get; set; }

    /// <summary>Name of the model that gets the result.</summary>
    public required string Model { get; set; }

    /// <summary>The result, once succeeded.</summary>
    public int? ModelVersion { get; set; }

    public string? Target { get; set; }

    /// <summary>Name of the principal that asked for it.</summary>
    public string? By { get; set; }

    public required int Seed { get; set; }

    public double? MinutesMax { get; set; }

    public required Dictionary<string, string> Parameters { get; set; }

    public string? Stage { get; set; }

    public double Progress { get; set; }

    public int Attempt { get; set; }

    public required DateTime CreatedUtc { get; set; }

    public DateTime? StartedUtc { get; set; }

    public DateTime? EndedUtc { get; set; }

    public string? Error { get; set; }

    public Dictionary<string, double>? Metrics { get; set; }

    public int Revision { get; set; }

    public bool IsEnded => RunStates.IsEnded(State);

    public void Cancel(DateTime nowUtc)
    {
        State = RunStates.Cancelled;
        EndedUtc = nowUtc;
    }
}

/// <summary>A point of a run's learning curve.</summary>
internal sealed class RunMetric : ITenantOwned
{
    public string TenantId { get; set; } = "";

    public required string RunId { get; set; }

    public required string Name { get; set; }

    public required int Step { get; set; }

    public required double Value { get; set; }
}

/// <summary>A line of a run's log.</summary>
internal sealed class RunLog : ITenantOwned
{
    public string TenantId { get; set; } = "";

    public required string RunId { get; set; }

    /// <summary>From 1, in the order in which the lines were written.</summary>
    public required long Number { get; set; }

    public required DateTime AtUtc { get; set; }

    public required string Message { get; set; }
}
