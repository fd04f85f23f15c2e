namespace Atoll.Tenancy;

/// <summary>What an access token was bought with. The token dies with it.</summary>
/// <param name="Kind">One of the constants below.</param>
/// <param name="Id">Id of the key, the public key or the refresh token.</param>
internal readonly record struct TokenSource(string Kind, string Id)
{
    public const string ApiKey = "key";
    public const string PublicKey = "pub";
    public const string RefreshToken = "ref";

    /// <summary>Reads what <see cref="ToString"/> wrote; null when it is something else.</summary>
    public static TokenSource? Parse(string? text) =>
        text?.Split(':', 2) is [ApiKey or PublicKey or RefreshToken, { Length: > 0 }] parts ? new TokenSource(parts[0], parts[1]) : null;

    public override string ToString() => $"{Kind}:{Id}";
}
