using Atoll.Contracts;
using Atoll.Platform.Database;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Revokes a refresh token for whoever has it (RFC 7009). An unknown one is as good as revoked.</summary>
internal static class RevokeToken
{
    public static async Task<Results<Ok, JsonHttpResult<OAuthErrorResponse>>> HandleAsync(
        HttpContext context, PlatformDb db, CallerDirectory callers, CancellationToken cancellationToken)
    {
        var (form, refusal) = await IssueToken.ReadFormAsync(context.Request, cancellationToken);
        if (form is null) return refusal!.ToResult(context.Response);
        if (!form.TryGetValue("token", out var token)) return OAuthRefusal.InvalidRequest("The field 'token' is missing.").ToResult(context.Response);
        if (token.StartsWith(ApiKeys.Marker, StringComparison.Ordinal) || token.Contains('.')) return OAuthRefusal.UnsupportedTokenType().ToResult(context.Response);

        var hash = ApiKeys.HashOf(token);

        // Anybody may ask; only who has a token may take the database's one write lock.
        var tokens = db.RefreshTokens().IgnoreQueryFilters([PlatformDb.TenantFilter]).Where(row => row.Hash == hash);
        if (await tokens.AnyAsync(cancellationToken) && await tokens.ExecuteDeleteAsync(cancellationToken) > 0) callers.Forget();
        return TypedResults.Ok();
    }
}
