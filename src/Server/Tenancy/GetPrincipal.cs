using Atoll.Contracts;
using Atoll.Platform.Database;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Shows one principal with what it may do.</summary>
internal static class GetPrincipal
{
    public static async Task<Results<Ok<PrincipalResponse>, ProblemHttpResult>> HandleAsync(
        string principal, PlatformDb db, CancellationToken cancellationToken)
    {
        var found = await db.Principals().AsNoTracking().SingleOrDefaultAsync(row => row.Name == principal, cancellationToken);
        if (found is null) return TenancyProblems.PrincipalNotFound(principal).ToResult();
        var permissions = await db.Grants().Where(grant => grant.PrincipalId == found.Id).Select(grant => grant.Permission).ToListAsync(cancellationToken);
        return TypedResults.Ok(found.ToResponse(permissions));
    }
}
