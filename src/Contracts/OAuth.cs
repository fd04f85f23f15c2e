using System.Text.Json.Serialization;

namespace Atoll.Contracts;

/// <summary>An access token, as RFC 6749 writes it.</summary>
public sealed record TokenResponse
{
    [JsonPropertyName("access_token")]
    public required string AccessToken { get; init; }

    [JsonPropertyName("token_type")]
    public required string TokenType { get; init; }

    /// <summary>Seconds until the access token expires.</summary>
    [JsonPropertyName("expires_in")]
    public required long ExpiresIn { get; init; }

    /// <summary>Buys further access tokens; only with <c>scope=offline</c>.</summary>
    [JsonPropertyName("refresh_token")]
    public string? RefreshToken { get; init; }
}

/// <summary>The same for clients of the Einstein API, which expect seconds as text.</summary>
public sealed record EinsteinTokenResponse
{
    [JsonPropertyName("access_token")]
    public required string AccessToken { get; init; }

    [JsonPropertyName("token_type")]
    public required string TokenType { get; init; }

    [JsonPropertyName("expires_in")]
    public required string ExpiresIn { get; init; }

    [JsonPropertyName("refresh_token")]
    public string? RefreshToken { get; init; }
}

/// <summary>A refusal of the token route, as RFC 6749 writes it.</summary>
public sealed record OAuthErrorResponse
{
    [JsonPropertyName("error")]
    public required string Error { get; init; }

    [JsonPropertyName("error_description")]
    public required string ErrorDescription { get; init; }
}

/// <summary>A refusal as clients of the Einstein API expect it.</summary>
public sealed record EinsteinErrorResponse
{
    public required string Message { get; init; }

    /// <summary>Of predictions: <c>predictresponse</c>.</summary>
    public string? Object { get; init; }
}

/// <summary>The public keys that verify access tokens, as RFC 7517 writes them.</summary>
public sealed record JsonWebKeySetResponse
{
    public required IReadOnlyList<JsonWebKeyResponse> Keys { get; init; }
}

/// <summary>One public key on the curve P-256.</summary>
public sealed record JsonWebKeyResponse
{
    public required string Kty { get; init; }

    public required string Crv { get; init; }

    public required string Use { get; init; }

    public required string Alg { get; init; }

    public required string Kid { get; init; }

    public required string X { get; init; }

    public required string Y { get; init; }
}

/// <summary>Where the OAuth routes are and what they take, as RFC 8414 writes it.</summary>
public sealed record AuthorizationServerResponse
{
    [JsonPropertyName("issuer")]
    public required string Issuer { get; init; }

    [JsonPropertyName("token_endpoint")]
    public required string TokenEndpoint { get; init; }

    [JsonPropertyName("revocation_endpoint")]
    public required string RevocationEndpoint { get; init; }

    [JsonPropertyName("jwks_uri")]
    public required string JwksUri { get; init; }

    [JsonPropertyName("grant_types_supported")]
    public required IReadOnlyList<string> GrantTypesSupported { get; init; }

    [JsonPropertyName("response_types_supported")]
    public required IReadOnlyList<string> ResponseTypesSupported { get; init; }

    [JsonPropertyName("scopes_supported")]
    public required IReadOnlyList<string> ScopesSupported { get; init; }

    [JsonPropertyName("token_endpoint_auth_methods_supported")]
    public required IReadOnlyList<string> TokenEndpointAuthMethodsSupported { get; init; }
}
