using Atoll.Platform.Database;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Revokes a refresh token by its id; it and the access tokens that it bought stop to work at once.</summary>
internal static class DeleteRefreshToken
{
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        string principal, string token, PlatformDb db, CallerDirectory callers, CancellationToken cancellationToken)
    {
        var found = await db.Principals().AsNoTracking().SingleOrDefaultAsync(row => row.Name == principal, cancellationToken);
        if (found is null) return TenancyProblems.PrincipalNotFound(principal).ToResult();
        var deleted = await db.RefreshTokens().Where(row => row.PrincipalId == found.Id && row.Id == token).ExecuteDeleteAsync(cancellationToken);
        if (deleted == 0) return TenancyProblems.RefreshTokenNotFound(token, principal).ToResult();
        callers.Forget();
        return TypedResults.NoContent();
    }
}
