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

    /// <summary>The same for clients of the Einstein API, which name the token in the address: only one of the caller's own tenant is found.</summary>
    public static async Task<Results<NoContent, JsonHttpResult<EinsteinErrorResponse>>> HandleEinsteinAsync(
        string token, PlatformDb db, CallerDirectory callers, CancellationToken cancellationToken)
    {
        if (token.StartsWith(ApiKeys.Marker, StringComparison.Ordinal) || token.Contains('.')) return Refuse(400, "The token cannot be removed: only refresh tokens can.");
        var hash = ApiKeys.HashOf(token);
        if (await db.RefreshTokens().Where(row => row.Hash == hash).ExecuteDeleteAsync(cancellationToken) == 0) return Refuse(404, "There is no such refresh token.");
        callers.Forget();
        return TypedResults.NoContent();
    }

    private static JsonHttpResult<EinsteinErrorResponse> Refuse(int status, string message) =>
        TypedResults.Json(new EinsteinErrorResponse { Message = message }, AtollJson.Default.EinsteinErrorResponse, statusCode: status);
}
