using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Lists a principal's refresh tokens, oldest first, without their secrets.</summary>
internal static class ListRefreshTokens
{
    public static async Task<Results<Ok<Page<RefreshTokenResponse>>, ProblemHttpResult>> HandleAsync(
        string principal, [AsParameters] Paging paging, PlatformDb db, CancellationToken cancellationToken)
    {
        if (paging.Check() is { } invalid) return invalid.ToResult();
        var found = await db.Principals().AsNoTracking().SingleOrDefaultAsync(row => row.Name == principal, cancellationToken);
        if (found is null) return TenancyProblems.PrincipalNotFound(principal).ToResult();
        var after = paging.After ?? "";
        var tokens = db.RefreshTokens().AsNoTracking().Where(token => token.PrincipalId == found.Id && string.Compare(token.Id, after) > 0)
            .OrderBy(token => token.Id);
        return TypedResults.Ok(await paging.ReadAsync(tokens, token => token.Id, token => new RefreshTokenResponse
        {
            Id = token.Id,
            CreatedUtc = token.CreatedUtc,
            UsedUtc = token.UsedUtc,
        }, cancellationToken));
    }
}
