using Atoll.Platform.Database;
using Atoll.Platform.Security;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Revokes an API key; it and the access tokens that it bought stop to work at once.</summary>
internal static partial class DeleteApiKey
{
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        string principal, string key, Caller caller, PlatformDb db, CallerDirectory callers, TimeProvider clock, ILogger<Principal> logger,
        CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var found = await db.Principals().AsNoTracking().SingleOrDefaultAsync(row => row.Name == principal, cancellationToken);
        if (found is null) return TenancyProblems.PrincipalNotFound(principal).ToResult();
        var deleted = await db.ApiKeys().Where(row => row.PrincipalId == found.Id && row.Id == key).ExecuteDeleteAsync(cancellationToken);
        if (deleted == 0) return TenancyProblems.ApiKeyNotFound(key, principal).ToResult();
        if (await LastAdministrator.CheckAsync(db, found.TenantId, clock, cancellationToken) is { } refused) return refused.ToResult();
        await transaction.CommitAsync(cancellationToken);
        callers.Forget();
        Log.Revoked(logger, caller.TenantName, key, principal);
        return TypedResults.NoContent();
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "{Tenant} revoked key {KeyId} of {Principal}.")]
        public static partial void Revoked(ILogger logger, string tenant, string keyId, string principal);
    }
}
