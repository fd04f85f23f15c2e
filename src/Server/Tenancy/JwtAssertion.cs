using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Atoll.Tenancy;

/// <summary>A JWT by which a principal says who it is, signed with its own private key (RFC 7523).</summary>
/// <remarks>
/// Clients of the Einstein API send fractional times and percent-encoded assertions, which stricter readers refuse. An assertion may be
/// used again until it expires, which is why <c>exp</c> is bounded.
/// </remarks>
internal sealed class JwtAssertion
{
    private const int CharactersMax = 16 * 1024;

    private static readonly TimeSpan LifetimeMax = TimeSpan.FromHours(25);
    private static readonly TimeSpan ClockSkew = TimeSpan.FromMinutes(5);

    private readonly string _algorithm;
    private readonly byte[] _signed;
    private readonly byte[] _signature;

    private JwtAssertion(string algorithm, byte[] signed, byte[] signature, string subject, DateTimeOffset expires)
    {
        _algorithm = algorithm;
        _signed = signed;
        _signature = signature;
        Subject = subject;
        Expires = expires;
    }

    /// <summary>A principal's id or e-mail address.</summary>
    public string Subject { get; }

    public DateTimeOffset Expires { get; }

    /// <summary>Reads an assertion and checks all but its signature; otherwise says why not.</summary>
    public static (JwtAssertion? Assertion, string? Refusal) Read(string text, IReadOnlySet<string> audiences, DateTimeOffset now)
    {
        if (text.Length > CharactersMax) return (null, "it is too long.");
        if (text.Contains('%')) text = Uri.UnescapeDataString(text);
        var parts = text.Trim().Split('.');
        if (parts.Length != 3 || Decode(parts[0]) is not { } headerBytes || Decode(parts[1]) is not { } payloadBytes || Decode(parts[2]) is not { } signature)
            return (null, "it is no JWT of three parts.");
        try
        {
            using var header = JsonDocument.Parse(headerBytes);
            using var payload = JsonDocument.Parse(payloadBytes);
            if (TextOf(header.RootElement, "alg") is not ("RS256" or "ES256") || header.RootElement.TryGetProperty("crit", out _))
                return (null, "its algorithm must be RS256 or ES256.");
            var algorithm = TextOf(header.RootElement, "alg")!;
            if (TextOf(payload.RootElement, "sub") is not { Length: > 0 } subject) return (null, "it has no 'sub'.");
            if (!AudiencesOf(payload.RootElement).Any(audience => audiences.Contains(audience.TrimEnd('/'))))
                return (null, "its 'aud' is not this server's token address.");
            if (TimeOf(payload.RootElement, "exp") is not { } expires) return (null, "it has no 'exp' in seconds since 1970.");
            if (expires <= now) return (null, "it has expired.");
            if (expires > now + LifetimeMax) return (null, $"its 'exp' is more than {LifetimeMax.TotalHours} hours ahead.");
            if (TimeOf(payload.RootElement, "iat") > now + ClockSkew || TimeOf(payload.RootElement, "nbf") > now + ClockSkew)
                return (null, "it is from the future; compare the clocks.");
            return (new JwtAssertion(algorithm, Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), signature, subject, expires), null);
        }
        catch (JsonException)
        {
            return (null, "its header or payload is not JSON.");
        }
        catch (InvalidOperationException)
        {
            return (null, "its header or payload is not a JSON object.");
        }
    }

    /// <summary>Whether the private half of this public key signed the assertion.</summary>
    public bool IsSignedBy(string publicKeyPem)
    {
        try
        {
            // The algorithm must be the key's own; a key of the other kind does not import.
            if (_algorithm == "RS256")
            {
                using var rsa = RSA.Create();
                rsa.ImportFromPem(publicKeyPem);
                return rsa.VerifyData(_signed, _signature, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
            }
            using var ecdsa = ECDsa.Create();
            ecdsa.ImportFromPem(publicKeyPem);
            return ecdsa.VerifyData(_signed, _signature, HashAlgorithmName.SHA256);
        }
        catch (Exception exception) when (exception is CryptographicException or ArgumentException)
        {
            return false;
        }
    }

    private static byte[]? Decode(string part)
    {
        var trimmed = part.TrimEnd('=');
        return Base64Url.IsValid(trimmed) ? Base64Url.DecodeFromChars(trimmed) : null;
    }

    private static string? TextOf(JsonElement json, string name) =>
        json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static DateTimeOffset? TimeOf(JsonElement json, string name)
    {
        if (!json.TryGetProperty(name, out var value)) return null;
        var isNumber = value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out _);
        return isNumber && value.GetDouble() is >= 0 and < 253402300799 and var seconds
            ? DateTimeOffset.UnixEpoch + TimeSpan.FromSeconds(seconds)
            : null;
    }

    private static IEnumerable<string> AudiencesOf(JsonElement json)
    {
        if (!json.TryGetProperty("aud", out var value)) return [];
        return value.ValueKind switch
        {
            JsonValueKind.String => [value.GetString()!],
            JsonValueKind.Array => [.. value.EnumerateArray().Where(item => item.ValueKind == JsonValueKind.String).Select(item => item.GetString()!)],
            _ => [],
        };
    }
}
