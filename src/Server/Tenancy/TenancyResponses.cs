using Atoll.Contracts;
using Atoll.Platform.Limits;

namespace Atoll.Tenancy;

/// <summary>Entities as they are shown on the wire.</summary>
internal static class TenancyResponses
{
    public static TenantResponse ToResponse(this Tenant tenant) => new() { Id = tenant.Id, Name = tenant.Name, CreatedUtc = tenant.CreatedUtc };

    public static TenantLimitResponse ToResponse(this TenantLimits limits, string name, TenantLimits defaults) =>
        new() { Name = name, Value = limits.ValueOf(name), Default = defaults.ValueOf(name) };

    public static PrincipalResponse ToResponse(this Principal principal, IEnumerable<string> permissions) => new()
    {
        Id = principal.Id,
        Name = principal.Name,
        Email = principal.Email,
        PublicKeyId = principal.PublicKeyPem is { } pem ? PublicKeys.IdOf(pem) : null,
        CreatedUtc = principal.CreatedUtc,
        Permissions = [.. permissions.Order(StringComparer.Ordinal)],
    };

    public static ApiKeyResponse ToResponse(this ApiKey key) => new()
    {
        Id = key.Id,
        Prefix = key.Prefix,
        Note = key.Note,
        CreatedUtc = key.CreatedUtc,
        ExpiresUtc = key.ExpiresUtc,
    };
}
