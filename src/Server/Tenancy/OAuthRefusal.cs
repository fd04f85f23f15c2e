using System.Globalization;
using Atoll.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Atoll.Tenancy;

/// <summary>Why a token was not sold, in the words of RFC 6749 §5.2. Protocols fix these, so they are not <c>Problem</c>s.</summary>
internal sealed record OAuthRefusal(int Status, string Error, string Description)
{
    /// <summary>Somebody tried a credential that does not work.</summary>
    public bool IsBadCredential => Error is "invalid_client" or "invalid_grant";

    private TimeSpan? RetryAfter { get; init; }

    public static OAuthRefusal InvalidRequest(string description) => new(400, "invalid_request", description);

    public static OAuthRefusal InvalidGrant(string description) => new(400, "invalid_grant", description);

    public static OAuthRefusal InvalidClient(string description) => new(401, "invalid_client", description);

    public static OAuthRefusal UnsupportedGrantType() => new(
        400, "unsupported_grant_type", $"The field 'grant_type' must be {IssueToken.ClientCredentials}, {IssueToken.JwtBearer} or {IssueToken.Refresh}.");

    public static OAuthRefusal UnsupportedTokenType() => new(
        400, "unsupported_token_type", "Only refresh tokens can be revoked here. Access tokens end with the key or the refresh token that bought them.");

    public static OAuthRefusal TooManyFailures(TimeSpan wait) =>
        new(429, "temporarily_unavailable", $"Too many wrong credentials came from this address. Try again in {Math.Ceiling(wait.TotalSeconds)} seconds.") { RetryAfter = wait };

    public JsonHttpResult<OAuthErrorResponse> ToResult(HttpResponse response)
    {
        SetHeaders(response);
        return TypedResults.Json(new OAuthErrorResponse { Error = Error, ErrorDescription = Description }, AtollJson.Default.OAuthErrorResponse, statusCode: Status);
    }

    /// <summary>For clients of the Einstein API: a text, and 401 for whatever a new credential would cure.</summary>
    public JsonHttpResult<EinsteinErrorResponse> ToEinsteinResult(HttpResponse response)
    {
        SetHeaders(response);
        return TypedResults.Json(new EinsteinErrorResponse { Message = Description }, AtollJson.Default.EinsteinErrorResponse, statusCode: IsBadCredential ? 401 : Status);
    }

    private void SetHeaders(HttpResponse response)
    {
        if (Status == 401) response.Headers.WWWAuthenticate = "Basic realm=\"atoll\"";
        if (RetryAfter is { } wait) response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
    }
}
