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
            Hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(secret))),
            Prefix = secret[..8],
            Note = note,
            CreatedUtc = clock.GetUtcNow().UtcDateTime,
            ExpiresUtc = expiresUtc,
        });
    }
}
