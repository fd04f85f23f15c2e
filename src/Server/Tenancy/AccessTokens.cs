using System.Security.Claims;
using System.Security.Cryptography;
using Atoll.Contracts;
using Atoll.Platform;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Atoll.Tenancy;

/// <summary>Issues and verifies access tokens: JSON Web Tokens signed with a key made at the first start.</summary>
internal sealed class AccessTokens : IDisposable
{
    public const string Issuer = "atoll";

    private const string SourceClaim = "src";

    private readonly TimeProvider _clock;
    private readonly JsonWebTokenHandler _handler = new() { MapInboundClaims = false };
    private readonly ECDsaSecurityKey _key;

    public AccessTokens(DataFolder folder, TimeProvider clock)
    {
        _clock = clock;
        var file = Path.Combine(folder.Keys, "access-tokens.pem");
        var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        if (File.Exists(file)) ecdsa.ImportFromPem(File.ReadAllText(file));
        else DurableFiles.WriteAllText(file, ecdsa.ExportPkcs8PrivateKeyPem(), secret: true);
        _key = new ECDsaSecurityKey(ecdsa) { KeyId = Convert.ToHexStringLower(SHA256.HashData(ecdsa.ExportSubjectPublicKeyInfo()))[..16] };
    }

    /// <summary>A token for a principal that expires after <paramref name="lifetime"/>, and earlier with its source.</summary>
    public string Issue(string principalId, TokenSource source, TimeSpan lifetime)
    {
        var now = _clock.GetUtcNow().UtcDateTime;
        return _handler.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = Issuer,
            Audience = Issuer,
            Subject = new ClaimsIdentity(
            [
                new Claim(JwtRegisteredClaimNames.Sub, principalId),
                new Claim(JwtRegisteredClaimNames.Jti, Ids.New("tok", _clock)),
                new Claim(SourceClaim, source.ToString()),
            ]),
            IssuedAt = now,
            NotBefore = now,
            Expires = now + lifetime,
            SigningCredentials = new SigningCredentials(_key, SecurityAlgorithms.EcdsaSha256),
        });
    }

    /// <summary>What a token says; null when it is not ours, damaged or expired. Whether its principal and source still exist is another question.</summary>
    public async ValueTask<VerifiedToken?> VerifyAsync(string token)
    {
        var result = await _handler.ValidateTokenAsync(token, new TokenValidationParameters
        {
            ValidIssuer = Issuer,
            ValidAudience = Issuer,
            IssuerSigningKey = _key,
            ValidAlgorithms = [SecurityAlgorithms.EcdsaSha256],
            LifetimeValidator = (notBefore, expires, _, _) => expires > _clock.GetUtcNow().UtcDateTime && notBefore <= _clock.GetUtcNow().UtcDateTime,
        });
        if (!result.IsValid || result.SecurityToken is not JsonWebToken { Subject: { Length: > 0 } subject } valid) return null;
        return valid.TryGetPayloadValue<string>(SourceClaim, out var text) && TokenSource.Parse(text) is { } source
            ? new VerifiedToken(subject, source, valid.ValidTo)
            : null;
    }

    /// <summary>The public half of the signing key, for whoever verifies tokens elsewhere.</summary>
    public JsonWebKeySetResponse PublicKeys()
    {
        var point = _key.ECDsa.ExportParameters(includePrivateParameters: false).Q;
        return new JsonWebKeySetResponse
        {
            Keys =
            [
                new JsonWebKeyResponse
                {
                    Kty = "EC",
                    Crv = "P-256",
                    Use = "sig",
                    Alg = SecurityAlgorithms.EcdsaSha256,
                    Kid = _key.KeyId,
                    X = Base64UrlEncoder.Encode(point.X),
                    Y = Base64UrlEncoder.Encode(point.Y),
                },
            ],
        };
    }

    public void Dispose() => _key.ECDsa.Dispose();
}

/// <summary>The contents of an access token whose signature and times are right.</summary>
internal sealed record VerifiedToken(string PrincipalId, TokenSource Source, DateTime ExpiresUtc);
