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
