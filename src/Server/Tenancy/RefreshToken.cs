using Atoll.Platform.Database;

namespace Atoll.Tenancy;

/// <summary>A secret that never expires and only buys access tokens. The secret itself is shown once and never stored.</summary>
internal sealed class RefreshToken : ITenantOwned
{
    public required string Id { get; set; }

    public string TenantId { get; set; } = "";

    public required string PrincipalId { get; set; }

    /// <summary>SHA-256 of the token in hexadecimal.</summary>
    public required string Hash { get; set; }

    public required DateTime CreatedUtc { get; set; }

    /// <summary>When it last bought an access token.</summary>
    public DateTime? UsedUtc { get; set; }
}
