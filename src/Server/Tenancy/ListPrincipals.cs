using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Lists the tenant's principals by name.</summary>
internal static class ListPrincipals
{
    public static async Task<Results<Ok<Page<PrincipalResponse>>, ProblemHttpResult>> HandleAsync(
        [AsParameters] Paging paging, PlatformDb db, CancellationToken cancellationToken)
    {
        if (paging.Check() is { } invalid) return invalid.ToResult();
        var after = paging.After ?? "";
        var principals = db.Principals().AsNoTracking().Where(row => string.Compare(row.Name, after) > 0).OrderBy(row => row.Name)
            .Select(row => new { Row = row, Permissions = db.Grants().Where(grant => grant.PrincipalId == row.Id).Select(grant => grant.Permission).ToList() });
        return TypedResults.Ok(await paging.ReadAsync(principals, found => found.Row.Name, found => found.Row.ToResponse(found.Permissions), cancellationToken));
    }
}
