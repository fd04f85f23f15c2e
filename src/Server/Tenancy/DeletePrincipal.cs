using Atoll.Platform.Database;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Deletes a principal; its keys and tokens stop to work at once.</summary>
internal static class DeletePrincipal
{
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        string principal, PlatformDb db, CallerDirectory callers, TimeProvider clock, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var found = await db.Principals().SingleOrDefaultAsync(row => row.Name == principal, cancellationToken);
        if (found is null) return TenancyProblems.PrincipalNotFound(principal).ToResult();
        db.Principals().Remove(found);
        await db.SaveChangesAsync(cancellationToken);
        if (await LastAdministrator.CheckAsync(db, found.TenantId, clock, cancellationToken) is { } refused) return refused.ToResult();
        await transaction.CommitAsync(cancellationToken);
        callers.Forget();
        return TypedResults.NoContent();
    }
}
