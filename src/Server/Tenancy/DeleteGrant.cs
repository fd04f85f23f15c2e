using Atoll.Platform.Database;
using Atoll.Platform.Security;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Takes a permission back.</summary>
internal static partial class DeleteGrant
{
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        string principal, string permission, Caller caller, PlatformDb db, CallerDirectory callers, TimeProvider clock, ILogger<Principal> logger,
        CancellationToken cancellationToken)
    {
        if (Grants.Check(permission, caller.TenantId) is { } unknown) return unknown.ToResult();
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var found = await db.Principals().AsNoTracking().SingleOrDefaultAsync(row => row.Name == principal, cancellationToken);
        if (found is null) return TenancyProblems.PrincipalNotFound(principal).ToResult();
        var deleted = await db.Grants().Where(grant => grant.PrincipalId == found.Id && grant.Permission == permission).ExecuteDeleteAsync(cancellationToken);
        if (deleted == 0) return TenancyProblems.GrantNotFound(permission, principal).ToResult();
        if (await LastAdministrator.CheckAsync(db, found.TenantId, clock, cancellationToken) is { } refused) return refused.ToResult();
        await transaction.CommitAsync(cancellationToken);
        callers.Forget();
        Log.Revoked(logger, caller.TenantName, permission, principal);
        return TypedResults.NoContent();
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "{Tenant} took {Permission} from {Principal}.")]
        public static partial void Revoked(ILogger logger, string tenant, string permission, string principal);
    }
}
