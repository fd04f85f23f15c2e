using System.Security.Cryptography;
using Atoll.Platform.Database;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>The public keys that verify JWT assertions.</summary>
internal static class PublicKeys
{
    public const int RsaBitsMin = 2048;
    private const int RsaBitsMax = 8192;
    private const int PemCharactersMax = 8192;

    /// <summary>The key in the one form that is stored; null when it is no RSA key of 2048 bits or more and no P-256 key.</summary>
    public static string? Normalize(string pem)
    {
        // A private key must not be sent here; importing it would work, so it is looked for.
        if (pem.Length > PemCharactersMax || pem.Contains("PRIVATE KEY", StringComparison.Ordinal)) return null;
        try
        {
            using var rsa = RSA.Create();
            rsa.ImportFromPem(pem);
            return rsa.KeySize is >= RsaBitsMin and <= RsaBitsMax ? rsa.ExportSubjectPublicKeyInfoPem() : null;
        }
        catch (Exception exception) when (exception is CryptographicException or ArgumentException)
        {
            // Not RSA; it may be an elliptic curve.
        }
        try
        {
            using var ecdsa = ECDsa.Create();
            ecdsa.ImportFromPem(pem);
            return ecdsa.KeySize == 256 ? ecdsa.ExportSubjectPublicKeyInfoPem() : null;
        }
        catch (Exception exception) when (exception is CryptographicException or ArgumentException)
        {
            return null;
        }
    }

    /// <summary>Names a public key without showing it.</summary>
    public static string IdOf(string publicKeyPem)
    {
        var der = PemEncoding.Find(publicKeyPem);
        return Convert.ToHexStringLower(SHA256.HashData(Convert.FromBase64String(publicKeyPem[der.Base64Data])))[..16];
    }

    /// <summary>Saves a principal's other key. What the former one bought must not outlive it: it may have been stolen.</summary>
    public static async Task ReplaceAsync(PlatformDb db, Principal principal, CallerDirectory callers, CancellationToken cancellationToken)
    {
        db.RefreshTokens().RemoveRange(await db.RefreshTokens().Where(token => token.PrincipalId == principal.Id).ToListAsync(cancellationToken));
        await db.SaveChangesAsync(cancellationToken);
        callers.Forget();
    }
}
