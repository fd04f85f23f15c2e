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
}
