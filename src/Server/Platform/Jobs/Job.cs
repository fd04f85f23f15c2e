using Atoll.Platform.Database;

namespace Atoll.Platform.Jobs;

/// <summary>Durable work. It is done by whoever holds its lease, and again by somebody else when that one dies.</summary>
internal sealed class Job : ITenantOwned, IRevised
{
    public required string Id { get; set; }

    public string TenantId { get; set; } = "";

    /// <summary>Names the handler: <c>training.run</c>.</summary>
    public required string Kind { get; set; }

    /// <summary>Jobs of one lane share slots: training does not wait for imports.</summary>
    public required string Lane { get; set; }

    /// <summary>The row that the job works on, such as a run's id.</summary>
    public required string Subject { get; set; }

    public required JobState State { get; set; }

    /// <summary>Higher goes first among the jobs of one tenant; it gives nothing against other tenants.</summary>
    public int Priority { get; set; }

    /// <summary>Tries begun so far.</summary>
    public int Attempt { get; set; }

    public required int AttemptsMax { get; set; }

    public required DateTime CreatedUtc { get; set; }

    /// <summary>Not before this moment; backoff after a failed attempt.</summary>
    public required DateTime NotBeforeUtc { get; set; }

    public DateTime? StartedUtc { get; set; }

    public DateTime? EndedUtc { get; set; }

    /// <summary>Process that works on it.</summary>
    public string? LeaseOwner { get; set; }

    public DateTime? LeaseUntilUtc { get; set; }

    public bool CancelRequested { get; set; }

    /// <summary>Why the last attempt failed, or why the job was parked.</summary>
    public string? Error { get; set; }

    public int Revision { get; set; }
}

/// <summary>Where a job stands.</summary>
internal enum JobState
{
    Queued,
    Running,
    Succeeded,

    /// <summary>Refused for a reason that another attempt would not change.</summary>
    Failed,
    Cancelled,

    /// <summary>Every attempt broke; a person must look at <see cref="Job.Error"/>.</summary>
    Parked,
}

/// <summary>Seconds that a tenant's jobs took lately, for fair share; halves every ten minutes.</summary>
internal sealed class JobUsage : ITenantOwned
{
    public string TenantId { get; set; } = "";

    public required string Lane { get; set; }

    public double Seconds { get; set; }

    public required DateTime UpdatedUtc { get; set; }
}
