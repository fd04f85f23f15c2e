using Atoll.Contracts;
using Atoll.Platform.Limits;
using Atoll.Platform.Http;

namespace Atoll.Tenancy;

/// <summary>Every refusal of this module.</summary>
internal static class TenancyProblems
{
    public static Problem TenantNotFound(string tenant) => HttpProblems.NotFound("tenant", tenant, "List them with: atoll tenants list.");

    public static Problem TenantExists(string tenant) => HttpProblems.AlreadyExists("tenant", tenant, "Choose another name.");

    public static Problem TenantLimitNotFound(string limit) =>
        HttpProblems.NotFound("limit", limit, $"Use one of: {string.Join(", ", TenantLimits.Names)}.");

    public static Problem PlatformTenantStays() =>
        new(409, ProblemCodes.PlatformTenant, "The platform tenant cannot be deleted.", "To end everything, stop the server and delete its data folder.");

    public static Problem PrincipalNotFound(string principal) =>
        HttpProblems.NotFound("principal", principal, "List them with: atoll principals list.");

    public static Problem PrincipalExists(string principal) => HttpProblems.AlreadyExists("principal", principal, "Choose another name.");

    public static Problem EmailExists(string email) =>
        HttpProblems.AlreadyExists("principal with the e-mail address", email, "Assertions name a principal by it, so leave it out or use another.") with { Field = "email" };

    public static Problem PermissionUnknown(string permission, string tenantId) => HttpProblems.InvalidField(
        "permission", $"names no permission: '{permission}'",
        $"Use one of: {string.Join(", ", tenantId == Tenant.PlatformId ? Permissions.All : Permissions.OfTenant)}.");

    public static Problem PermissionOfPlatform(string permission) => HttpProblems.InvalidField(
        "permission", $"is '{permission}', which only principals of the platform tenant can have",
        $"Use one of: {string.Join(", ", Permissions.OfTenant)}.");

    public static Problem GrantNotFound(string permission, string principal) =>
        HttpProblems.NotFound("grant", permission, $"List what it has with: atoll grants list {principal}.");

    public static Problem LastAdministrator(string permission) =>
        new(409, ProblemCodes.LastAdministrator, $"Nobody with a credential that works would have '{permission}' any more.",
            "Give it to another principal that has a key first.");

    public static Problem ApiKeyNotFound(string key, string principal) =>
        HttpProblems.NotFound("key", key, $"List them with: atoll keys list {principal}.");

    public static Problem TooManyKeys(string principal, int keysMax) =>
        new(409, ProblemCodes.TooLarge, $"The principal '{principal}' has {keysMax} keys already.", "Delete those that are not used any more.");

    public static Problem RefreshTokenNotFound(string token, string principal) =>
        HttpProblems.NotFound("refresh token", token, $"List them with: GET /api/v1/principals/{principal}/refresh-tokens.");

    public static Problem PublicKeyNotFound(string principal) => HttpProblems.NotFound(
        "public key of principal", principal, $"Make a pair with: POST /api/v1/principals/{principal}/key-pair.");

    public static Problem PublicKeyInvalid() => HttpProblems.InvalidField(
        "publicKeyPem", "holds no public key that can be used", "Send an RSA key of 2048 to 8192 bits or a P-256 key in PEM, '-----BEGIN PUBLIC KEY-----'.");

    public static Problem ProofInvalid(string why) => HttpProblems.InvalidField(
        "proof", $"does not prove that you have the private key: {why.TrimEnd('.')}",
        "Sign a JWT with it (RS256 or ES256) whose 'sub' is the principal's id, 'aud' this server's token address and 'exp' soon.");

    public static Problem TooManyFailedCredentials(TimeSpan wait) =>
        new(429, ProblemCodes.TooManyFailedCredentials, "Too many wrong credentials came from this address.",
            $"Try again in {Math.Ceiling(wait.TotalSeconds)} seconds. An operator may raise Tenancy:FailedCredentialsPerMinuteMax.") { RetryAfter = wait };
}
