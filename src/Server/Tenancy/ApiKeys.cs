using System.Security.Cryptography;
using System.Text;
using Atoll.Platform;

namespace Atoll.Tenancy;

/// <summary>The form of API keys.</summary>
internal static class ApiKeys
{
    /// <summary>What every key begins with, so that people and secret scanners recognise one.</summary>
    public const string Marker = "atl_";

    /// <summary>A new key and the row that remembers it.</summary>
    public static (string Secret, ApiKey Row) Create(string principalId, string? note, DateTime? expiresUtc, TimeProvider clock)
    {
        var secret = Marker + Ids.NewSecret();
        return (secret, new ApiKey
        {
            Id = Ids.New("key", clock),
            PrincipalId = principalId,
            Hash = HashOf(secret),
            Prefix = secret[..8],
            Note = note,
            CreatedUtc = clock.GetUtcNow().UtcDateTime,
            ExpiresUtc = expiresUtc,
        });
    }

    /// <summary>What is stored of a secret. It has 160 random bits, so a slow hash would add nothing.</summary>
    public static string HashOf(string secret) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(secret)));
}
