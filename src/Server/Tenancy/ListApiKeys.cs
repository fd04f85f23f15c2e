using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Lists a principal's API keys, oldest first, without their secrets.</summary>
internal static class ListApiKeys
{
    public static async Task<Results<Ok<Page<ApiKeyResponse>>, ProblemHttpResult>> HandleAsync(
        string principal, [AsParameters] Paging paging, PlatformDb db, CancellationToken cancellationToken)
    {
        if (paging.Check() is { } invalid) return invalid.ToResult();
        var found = await db.Principals().AsNoTracking().SingleOrDefaultAsync(row => row.Name == principal, cancellationToken);
        if (found is null) return TenancyProblems.PrincipalNotFound(principal).ToResult();
        var after = paging.After ?? "";
        var keys = db.ApiKeys().AsNoTracking().Where(key => key.PrincipalId == found.Id && string.Compare(key.Id, after) > 0).OrderBy(key => key.Id);
        return TypedResults.Ok(await paging.ReadAsync(keys, key => key.Id, key => key.ToResponse(), cancellationToken));
    }
}
