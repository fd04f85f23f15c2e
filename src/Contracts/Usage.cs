namespace Atoll.Contracts;

/// <summary>What a tenant used on a day.</summary>
public sealed record UsageResponse
{
    /// <summary>Name of the tenant, in the list of all tenants only.</summary>
    public string? Tenant { get; init; }

    /// <summary>The day in UTC, such as 2026-01-31.</summary>
    public required string Day { get; init; }

    /// <summary>Predictions that ran, also those that failed.</summary>
    public required long Requests { get; init; }

    /// <summary>Samples that they asked about.</summary>
    public required long Samples { get; init; }

    /// <summary>How long they held a place to run, in milliseconds.</summary>
    public required double ExecutionMs { get; init; }

    /// <summary>The most bytes that the tenant's models in memory took.</summary>
    public required long ResidentBytesMax { get; init; }

    /// <summary>Predictions that were refused: they came too often or too late, or there was no room.</summary>
    public required long Refusals { get; init; }

    /// <summary>Models that were brought into memory.</summary>
    public required long ModelLoads { get; init; }
}
