namespace Atoll.Contracts;

/// <summary>Asks for a new tenant.</summary>
public sealed record CreateTenantRequest
{
    public required string Name { get; init; }
}

/// <summary>A customer's isolated space.</summary>
public sealed record TenantResponse
{
    public required string Id { get; init; }

    public required string Name { get; init; }

    public required DateTime CreatedUtc { get; init; }

    /// <summary>What it may take of the platform; not in lists.</summary>
    public IReadOnlyList<TenantLimitResponse>? Limits { get; init; }
}

/// <summary>What a tenant may take of the platform in one respect.</summary>
public sealed record TenantLimitResponse
{
    /// <summary>Such as <c>diskBytesMax</c>; all are in the settings, section <c>TenantLimits</c>.</summary>
    public required string Name { get; init; }

    public required double Value { get; init; }

    /// <summary>What holds for tenants without a value of their own.</summary>
    public required double Default { get; init; }
}

/// <summary>Gives a tenant a limit of its own.</summary>
public sealed record PutTenantLimitRequest
{
    public required double Value { get; init; }
}

/// <summary>A new tenant with the key of its first administrator, which is shown only here.</summary>
public sealed record CreatedTenantResponse
{
    public required TenantResponse Tenant { get; init; }

    public required CreatedApiKeyResponse AdministratorKey { get; init; }
}

/// <summary>A new API key; the secret is shown only here.</summary>
public sealed record CreatedApiKeyResponse
{
    public required string Id { get; init; }

    public required string Principal { get; init; }

    /// <summary>Send it as <c>Authorization: Bearer ...</c>.</summary>
    public required string Secret { get; init; }
}

/// <summary>Who the server takes the caller for.</summary>
public sealed record CallerResponse
{
    public required string Tenant { get; init; }

    public required string Principal { get; init; }

    public required string PrincipalId { get; init; }

    public required IReadOnlyList<string> Permissions { get; init; }
}

/// <summary>Asks for a new principal.</summary>
public sealed record CreatePrincipalRequest
{
    public required string Name { get; init; }

    /// <summary>Address by which JWT assertions may name the principal; no other of the tenant may have it.</summary>
    public string? Email { get; init; }

    /// <summary>What it may do from the start; more can be granted later.</summary>
    public IReadOnlyList<string>? Permissions { get; init; }
}

/// <summary>Somebody or something that acts for a tenant.</summary>
public sealed record PrincipalResponse
{
    public required string Id { get; init; }

    public required string Name { get; init; }

    public string? Email { get; init; }

    /// <summary>Id of the public key that verifies its JWT assertions, if it has one.</summary>
    public string? PublicKeyId { get; init; }

    public required DateTime CreatedUtc { get; init; }

    public required IReadOnlyList<string> Permissions { get; init; }
}

/// <summary>One permission that a principal has.</summary>
public sealed record GrantResponse
{
    public required string Permission { get; init; }
}

/// <summary>Asks for a new API key of a principal.</summary>
public sealed record CreateApiKeyRequest
{
    /// <summary>What the key is for.</summary>
    public string? Note { get; init; }

    /// <summary>When the key stops to work; without it, never.</summary>
    public DateTimeOffset? Expires { get; init; }
}

/// <summary>An API key without its secret.</summary>
public sealed record ApiKeyResponse
{
    public required string Id { get; init; }

    /// <summary>The key's first characters, to tell keys apart.</summary>
    public required string Prefix { get; init; }

    public string? Note { get; init; }

    public required DateTime CreatedUtc { get; init; }

    public DateTime? ExpiresUtc { get; init; }
}

/// <summary>A new key pair of a principal; the private key is shown only here and not kept.</summary>
public sealed record CreatedKeyPairResponse
{
    public required string Principal { get; init; }

    /// <summary>Id of the public key, the first 16 hexadecimal digits of its SHA-256.</summary>
    public required string PublicKeyId { get; init; }

    /// <summary>RSA private key, PKCS#1 in PEM.</summary>
    public required string PrivateKeyPem { get; init; }
}

/// <summary>Registers the public key of a pair that was made elsewhere.</summary>
public sealed record SetPublicKeyRequest
{
    /// <summary>RSA (2048 bits or more) or P-256 public key in PEM.</summary>
    public required string PublicKeyPem { get; init; }

    /// <summary>
    /// A JWT assertion signed with the private key, whose <c>sub</c> is the principal's id. It proves that the caller has the private key.
    /// </summary>
    public required string Proof { get; init; }
}

/// <summary>A refresh token without its secret.</summary>
public sealed record RefreshTokenResponse
{
    public required string Id { get; init; }

    public required DateTime CreatedUtc { get; init; }

    public DateTime? UsedUtc { get; init; }
}
