using Atoll.Platform.Database;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Removes a principal's public key; assertions, and the tokens bought with them, stop to work at once.</summary>
internal static class DeletePublicKey
{
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        string principal, PlatformDb db, CallerDirectory callers, TimeProvider clock, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var found = await db.Principals().SingleOrDefaultAsync(row => row.Name == principal, cancellationToken);
        if (found is null) return TenancyProblems.PrincipalNotFound(principal).ToResult();
        if (found.PublicKeyPem is null) return TenancyProblems.PublicKeyNotFound(principal).ToResult();
        found.PublicKeyPem = null;
        await PublicKeys.ReplaceAsync(db, found, callers, cancellationToken);
        if (await LastAdministrator.CheckAsync(db, found.TenantId, clock, cancellationToken) is { } refused) return refused.ToResult();
        await transaction.CommitAsync(cancellationToken);
        callers.Forget();
        return TypedResults.NoContent();
    }
}
