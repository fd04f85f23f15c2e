using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Database;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Makes an administrator key for a tenant whose administrators have lost theirs.</summary>
/// <remarks>The key belongs to a principal of its own, so that the tenant sees in its lists that it was made.</remarks>
internal static partial class CreateTenantKey
{
    public const string PrincipalName = "recovery";

    public static async Task<Results<Created<CreatedApiKeyResponse>, ProblemHttpResult>> HandleAsync(
        string tenant, PlatformDb db, IServiceScopeFactory scopes, CallerDirectory callers, TimeProvider clock, ILogger<Tenant> logger,
        CancellationToken cancellationToken)
    {
        var found = await db.Tenants().AsNoTracking().SingleOrDefaultAsync(row => row.Name == tenant, cancellationToken);
        if (found is null) return TenancyProblems.TenantNotFound(tenant).ToResult();

        var created = await RunAsync(found.Id, [Permissions.TenantAdminister], "made by the platform's administrator", scopes, clock, cancellationToken);
        callers.Forget();
        Log.Recovered(logger, tenant);
        return TypedResults.Created($"/api/v1/principals/{PrincipalName}/keys/{created.Id}", created);
    }

    /// <summary>The same for <c>atoll recover</c>, which works without a server.</summary>
    public static async Task<CreatedApiKeyResponse> RunAsync(
        string tenantId, IReadOnlyList<string> permissions, string note, IServiceScopeFactory scopes, TimeProvider clock, CancellationToken cancellationToken)
    {
        // The rows belong to that tenant, not to the caller's, so they are written in a scope of their own.
        await using var scope = scopes.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenantId);
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        var principal = await db.Principals().SingleOrDefaultAsync(row => row.Name == PrincipalName, cancellationToken);
        if (principal is null)
        {
            principal = new Principal { Id = Ids.New("prn", clock), Name = PrincipalName, CreatedUtc = clock.GetUtcNow().UtcDateTime };
            db.Principals().Add(principal);
        }
        var granted = await db.Grants().Where(grant => grant.PrincipalId == principal.Id).Select(grant => grant.Permission).ToListAsync(cancellationToken);
        db.Grants().AddRange(permissions.Except(granted).Select(permission => new Grant { PrincipalId = principal.Id, Permission = permission }));
        var (secret, key) = ApiKeys.Create(principal.Id, note, null, clock);
        db.ApiKeys().Add(key);
        await db.SaveChangesAsync(cancellationToken);
        return new CreatedApiKeyResponse { Id = key.Id, Principal = PrincipalName, Secret = secret };
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "A recovery administrator key was made for tenant {Tenant}.")]
        public static partial void Recovered(ILogger logger, string tenant);
    }
}
