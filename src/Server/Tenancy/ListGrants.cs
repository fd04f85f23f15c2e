using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Lists what a principal may do.</summary>
internal static class ListGrants
{
    public static async Task<Results<Ok<Page<GrantResponse>>, ProblemHttpResult>> HandleAsync(
        string principal, [AsParameters] Paging paging, PlatformDb db, CancellationToken cancellationToken)
    {
        if (paging.Check() is { } invalid) return invalid.ToResult();
        var found = await db.Principals().AsNoTracking().SingleOrDefaultAsync(row => row.Name == principal, cancellationToken);
        if (found is null) return TenancyProblems.PrincipalNotFound(principal).ToResult();
        var after = paging.After ?? "";
        var grants = db.Grants().AsNoTracking().Where(grant => grant.PrincipalId == found.Id && string.Compare(grant.Permission, after) > 0)
            .OrderBy(grant => grant.Permission);
        return TypedResults.Ok(await paging.ReadAsync(
            grants, grant => grant.Permission, grant => new GrantResponse { Permission = grant.Permission }, cancellationToken));
    }
}
