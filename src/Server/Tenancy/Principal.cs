using Atoll.Platform.Database;

namespace Atoll.Tenancy;

/// <summary>Somebody or something that acts for a tenant.</summary>
internal sealed class Principal : ITenantOwned, IRevised
{
    public required string Id { get; set; }

    public string TenantId { get; set; } = "";

    /// <summary>Unique in the tenant.</summary>
    public required string Name { get; set; }

    /// <summary>Address by which JWT assertions may name the principal; unique in the tenant.</summary>
    public string? Email { get; set; }

    /// <summary>Public key (SubjectPublicKeyInfo, PEM) that verifies the principal's JWT assertions.</summary>
    public string? PublicKeyPem { get; set; }

    public required DateTime CreatedUtc { get; set; }

    public int Revision { get; set; }
}

/// <summary>One permission that a principal was given.</summary>
internal sealed class Grant : ITenantOwned
{
    public string TenantId { get; set; } = "";

    public required string PrincipalId { get; set; }

    /// <summary>One of <see cref="Contracts.Permissions"/>.</summary>
    public required string Permission { get; set; }
}

/// <summary>A secret by which a principal authenticates. The secret itself is shown once and never stored.</summary>
internal sealed class ApiKey : ITenantOwned
{
    public required string Id { get; set; }

    public string TenantId { get; set; } = "";

    public required string PrincipalId { get; set; }

    /// <summary>SHA-256 of the key in hexadecimal. The key has 160 random bits, so a slow hash would add nothing.</summary>
    public required string Hash { get; set; }

    /// <summary>The key's first characters, to tell keys apart.</summary>
    public required string Prefix { get; set; }

    public string? Note { get; set; }

    public required DateTime CreatedUtc { get; set; }

    /// <summary>When the key stops to work; null never.</summary>
    public DateTime? ExpiresUtc { get; set; }
}
