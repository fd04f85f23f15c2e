using Atoll.Platform.Database;

namespace Atoll.Deployments;

/// <summary>A stable address that clients call; it serves what its model's aliases name.</summary>
internal sealed class Endpoint : ITenantOwned
{
    public required string Id { get; set; }

    public string TenantId { get; set; } = "";

    public required string Name { get; set; }

    public required string ModelId { get; set; }

    /// <summary>What it serves stays in memory.</summary>
    public bool IsPinned { get; set; }

    /// <summary>Share of the predictions that is kept in the endpoint's log.</summary>
    public double LogRate { get; set; }

    /// <summary>Days for which they are kept.</summary>
    public int LogDays { get; set; } = 30;
}
