using System.Security.Claims;
using System.Security.Cryptography;
using Atoll.Platform;
using Atoll.Platform.Security;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Atoll.Tenancy;

/// <summary>Issues and verifies access tokens: JSON Web Tokens signed with a key made at the first start.</summary>
internal sealed class AccessTokens
{
    public const string Issuer = "atoll";

    private readonly CallerDirectory _callers;
    private readonly TimeProvider _clock;
    private readonly JsonWebTokenHandler _handler = new() { MapInboundClaims = false };
    private readonly ECDsaSecurityKey _key;

    public AccessTokens(DataFolder folder, CallerDirectory callers, TimeProvider clock)
    {
        _callers = callers;
        _clock = clock;
        var file = Path.Combine(folder.Keys, "access-tokens.pem");
        var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        if (File.Exists(file)) ecdsa.ImportFromPem(File.ReadAllText(file));
        else DurableFiles.WriteAllText(file, ecdsa.ExportPkcs8PrivateKeyPem(), secret: true);
        _key = new ECDsaSecurityKey(ecdsa) { KeyId = Convert.ToHexStringLower(SHA256.HashData(ecdsa.ExportSubjectPublicKeyInfo()))[..16] };
    }

    /// <summary>A token for a principal that expires after <paramref name="lifetime"/>.</summary>
    public string Issue(string principalId, TimeSpan lifetime)
    {
        var now = _clock.GetUtcNow().UtcDateTime;
        return _handler.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = Issuer,
            Audience = Issuer,
            Subject = new ClaimsIdentity([new Claim(JwtRegisteredClaimNames.Sub, principalId), new Claim(JwtRegisteredClaimNames.Jti, Ids.New("tok", _clock))]),
            IssuedAt = now,
            NotBefore = now,
            Expires = now + lifetime,
            SigningCredentials = new SigningCredentials(_key, SecurityAlgorithms.EcdsaSha256),
        });
    }

    /// <summary>The caller of a valid token; null when the token is not ours, damaged or expired, or its principal is gone.</summary>
    public async ValueTask<Caller?> FindCallerAsync(string token, CancellationToken cancellationToken)
    {
        if (_callers.FindRemembered(token) is { } remembered) return remembered;
        var result = await _handler.ValidateTokenAsync(token, new TokenValidationParameters
        {
            ValidIssuer = Issuer,
            ValidAudience = Issuer,
            IssuerSigningKey = _key,
            ValidAlgorithms = [SecurityAlgorithms.EcdsaSha256],
            ClockSkew = TimeSpan.Zero,
            LifetimeValidator = (notBefore, expires, _, _) => expires > _clock.GetUtcNow().UtcDateTime && notBefore <= _clock.GetUtcNow().UtcDateTime,
        });
        if (!result.IsValid || result.SecurityToken is not JsonWebToken { Subject: { Length: > 0 } subject } valid) return null;
        var caller = await _callers.FindByPrincipalAsync(subject, cancellationToken);
        if (caller is not null) _callers.Remember(token, caller, valid.ValidTo);
        return caller;
    }
}
