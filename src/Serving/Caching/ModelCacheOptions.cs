using System.Diagnostics.Metrics;

namespace Atoll.Serving;

/// <summary>Bounds of a <see cref="ModelCache"/>.</summary>
internal sealed record ModelCacheOptions
{
    /// <summary>Native memory that loaded models may take together.</summary>
    public long CacheBytesMax { get; init; } = 1L << 30;

    /// <summary>After so many bytes of evicted models the allocator is asked to give free memory back to the system.</summary>
    public long TrimBytes { get; init; } = 64L << 20;

    /// <summary>Models that are read and created at the same time.</summary>
    public int LoadsMax { get; init; } = 4;

    /// <summary>Loads that may wait for their turn; one more is refused at once.</summary>
    public int LoadsWaitingMax { get; init; } = 1024;

    /// <summary>What each tenant may load.</summary>
    public Func<string, TenantLoads> LoadsOf { get; init; } = static _ => TenantLoads.Any;

    /// <summary>Share of the memory that pinned models may take together.</summary>
    public double PinnedShareMax { get; init; } = 0.5;

    /// <summary>How long a failed load is told again without another attempt.</summary>
    public TimeSpan FailureMemory { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Failed loads that are remembered at the same time.</summary>
    public int FailuresMax { get; init; } = 1024;

    /// <summary>Where the seconds of each load that went well are recorded, the wait for its turn included.</summary>
    public Histogram<double>? LoadDuration { get; init; }
}
