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

        // The rows belong to that tenant, not to the caller's, so they are written in a scope of their own.
        await using var scope = scopes.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(found.Id);
        var theirs = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        var principal = await theirs.Principals().SingleOrDefaultAsync(row => row.Name == PrincipalName, cancellationToken);
        if (principal is null)
        {
            principal = new Principal { Id = Ids.New("prn", clock), Name = PrincipalName, CreatedUtc = clock.GetUtcNow().UtcDateTime };
            theirs.Principals().Add(principal);
        }
        if (!await theirs.Grants().AnyAsync(grant => grant.PrincipalId == principal.Id && grant.Permission == Permissions.TenantAdminister, cancellationToken))
            theirs.Grants().Add(new Grant { PrincipalId = principal.Id, Permission = Permissions.TenantAdminister });
        var (secret, key) = ApiKeys.Create(principal.Id, "made by the platform's administrator", null, clock);
        theirs.ApiKeys().Add(key);
        await theirs.SaveChangesAsync(cancellationToken);
        callers.Forget();
        Log.Recovered(logger, tenant);
        var created = new CreatedApiKeyResponse { Id = key.Id, Principal = PrincipalName, Secret = secret };
        return TypedResults.Created($"/api/v1/principals/{PrincipalName}/keys/{key.Id}", created);
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "A recovery administrator key was made for tenant {Tenant}.")]
        public static partial void Recovered(ILogger logger, string tenant);
    }
}
