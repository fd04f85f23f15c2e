using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Security;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Grants a permission to a principal; granting it again changes nothing.</summary>
internal static partial class PutGrant
{
    public static async Task<Results<Ok<GrantResponse>, ProblemHttpResult>> HandleAsync(
        string principal, string permission, Caller caller, PlatformDb db, CallerDirectory callers, ILogger<Principal> logger, CancellationToken cancellationToken)
    {
        if (Grants.Check(permission, caller.TenantId) is { } refused) return refused.ToResult();
        var found = await db.Principals().AsNoTracking().SingleOrDefaultAsync(row => row.Name == principal, cancellationToken);
        if (found is null) return TenancyProblems.PrincipalNotFound(principal).ToResult();
        if (!await db.Grants().AnyAsync(grant => grant.PrincipalId == found.Id && grant.Permission == permission, cancellationToken))
        {
            db.Grants().Add(new Grant { PrincipalId = found.Id, Permission = permission });
            await db.SaveChangesAsync(cancellationToken);
            callers.Forget();
            Log.Granted(logger, caller.TenantName, permission, principal);
        }
        return TypedResults.Ok(new GrantResponse { Permission = permission });
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "{Tenant} granted {Permission} to {Principal}.")]
        public static partial void Granted(ILogger logger, string tenant, string permission, string principal);
    }
}
