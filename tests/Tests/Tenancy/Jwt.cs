using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Atoll.Tests.Tenancy;

/// <summary>Writes JWTs, right ones and every kind of wrong one.</summary>
internal static class Jwt
{
    public static string Write(AsymmetricAlgorithm? key, JsonObject payload, string? algorithm = null, JsonObject? header = null)
    {
        header ??= [];
        header["alg"] = algorithm ?? (key is RSA ? "RS256" : "ES256");
        var signed = $"{Encode(header)}.{Encode(payload)}";
        var bytes = Encoding.ASCII.GetBytes(signed);
        var signature = key switch
        {
            RSA rsa => rsa.SignData(bytes, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
            ECDsa ecdsa => ecdsa.SignData(bytes, HashAlgorithmName.SHA256),
            _ => [],
        };
        return $"{signed}.{Base64Url.EncodeToString(signature)}";
    }

    /// <summary>Claims of an assertion that is right when the key is.</summary>
    public static JsonObject Claims(string subject, string audience, DateTimeOffset now, TimeSpan? lives = null) => new()
    {
        ["sub"] = subject,
        ["aud"] = audience,
        ["exp"] = (now + (lives ?? TimeSpan.FromMinutes(5))).ToUnixTimeSeconds(),
    };

    private static string Encode(JsonObject json) => Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(json));
}
