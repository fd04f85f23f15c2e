using Atoll.Contracts;
using Atoll.Platform.Database;

namespace Atoll.Promotion;

/// <summary>The record of one attempt to move an environment's alias. Never changed, never deleted but with its model.</summary>
internal sealed class PromotionRecord : ITenantOwned
{
    public required string Id { get; set; }

    public string TenantId { get; set; } = "";

    public required string ModelId { get; set; }

    public required int Version { get; set; }

    /// <summary>The alias: <c>staging</c> or <c>production</c>.</summary>
    public required string To { get; set; }

    /// <summary>Version that the alias named before.</summary>
    public int? Replaced { get; set; }

    /// <summary>Every gate held, and the alias was moved.</summary>
    public required bool Promoted { get; set; }

    public required List<GateResult> Gates { get; set; }

    /// <summary>Name of the principal.</summary>
    public required string By { get; set; }

    public required DateTime AtUtc { get; set; }
}
