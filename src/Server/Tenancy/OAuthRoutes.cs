using Atoll.Contracts;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Atoll.Tenancy;

/// <summary>What the OAuth routes answer, in the words of each protocol.</summary>
internal static class OAuthRoutes
{
    public static async Task<Results<Ok<TokenResponse>, JsonHttpResult<OAuthErrorResponse>>> IssueAsync(
        HttpContext context, IssueToken issue, CancellationToken cancellationToken)
    {
        KeepOutOfCaches(context.Response);
        var (token, refusal) = await issue.RunAsync(context, cancellationToken);
        return token is null ? refusal!.ToResult(context.Response) : TypedResults.Ok(token);
    }

    public static async Task<Results<Ok<EinsteinTokenResponse>, JsonHttpResult<EinsteinErrorResponse>>> IssueForEinsteinAsync(
        HttpContext context, IssueToken issue, CancellationToken cancellationToken)
    {
        KeepOutOfCaches(context.Response);
        var (token, refusal) = await issue.RunAsync(context, cancellationToken);
        return token is null ? refusal!.ToEinsteinResult(context.Response) : TypedResults.Ok(new EinsteinTokenResponse
        {
            AccessToken = token.AccessToken,
            TokenType = token.TokenType,
            ExpiresIn = $"{token.ExpiresIn}",
            RefreshToken = token.RefreshToken,
        });
    }

    public static Ok<JsonWebKeySetResponse> GetKeys(AccessTokens tokens) => TypedResults.Ok(tokens.PublicKeys());

    public static Ok<AuthorizationServerResponse> GetMetadata(HttpContext context, OwnAddress own)
    {
        var address = own.Of(context);
        return TypedResults.Ok(new AuthorizationServerResponse
        {
            Issuer = address,
            TokenEndpoint = address + "/api/v1/oauth2/token",
            RevocationEndpoint = address + "/api/v1/oauth2/revoke",
            JwksUri = address + "/.well-known/jwks.json",
            GrantTypesSupported = [IssueToken.ClientCredentials, IssueToken.JwtBearer, IssueToken.Refresh],
            ResponseTypesSupported = [],
            ScopesSupported = ["offline"],
            TokenEndpointAuthMethodsSupported = ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        });
    }

    private static void KeepOutOfCaches(HttpResponse response) => response.Headers.CacheControl = "no-store";
}
