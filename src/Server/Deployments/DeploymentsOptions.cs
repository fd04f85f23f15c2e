using System.ComponentModel.DataAnnotations;

namespace Atoll.Deployments;

/// <summary>Bounds of the models in memory, section <c>Deployments</c>.</summary>
internal sealed class DeploymentsOptions
{
    /// <summary>Memory that loaded models may take together.</summary>
    [Range(1L << 20, long.MaxValue)]
    public long CacheBytesMax { get; set; } = 1L << 30;

    /// <summary>Models that are loaded at the same time.</summary>
    [Range(1, 256)]
    public int LoadsMax { get; set; } = 4;

    /// <summary>Share of CacheBytesMax that the pinned models of all tenants may take together.</summary>
    [Range(0.0, 1.0)]
    public double PinnedShareMax { get; set; } = 0.5;

    /// <summary>Share of a processor from which on a model is hot, and tried with an optimised session of its own; 0 for never.</summary>
    [Range(0.0, 1024.0)]
    public double HotModelShare { get; set; } = 0.05;

    /// <summary>Seconds that a start may take to load pinned and recently used models before it says that it is ready; 0 to load none.</summary>
    [Range(0, 3600)]
    public int WarmUpSecondsMax { get; set; } = 10;
}
