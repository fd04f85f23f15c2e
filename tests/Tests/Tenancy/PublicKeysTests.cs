using System.Security.Cryptography;
using Atoll.Tenancy;

namespace Atoll.Tests.Tenancy;

public sealed class PublicKeysTests
{
    [Fact]
    public void Keys_of_both_kinds_are_taken_in_one_form()
    {
        using var rsa = RSA.Create(2048);
        using var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var expected = rsa.ExportSubjectPublicKeyInfoPem();
        Assert.Equal(expected, PublicKeys.Normalize(expected));
        Assert.Equal(expected, PublicKeys.Normalize(rsa.ExportRSAPublicKeyPem()));
        Assert.Equal(ecdsa.ExportSubjectPublicKeyInfoPem(), PublicKeys.Normalize(ecdsa.ExportSubjectPublicKeyInfoPem()));
        Assert.NotEqual(PublicKeys.IdOf(expected), PublicKeys.IdOf(ecdsa.ExportSubjectPublicKeyInfoPem()));
        Assert.Matches("^[0-9a-f]{16}$", PublicKeys.IdOf(expected));
    }

    [Fact]
    public void Weak_private_and_foreign_keys_are_refused()
    {
        using var weak = RSA.Create(1024);
        using var rsa = RSA.Create(2048);
        using var otherCurve = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        Assert.Null(PublicKeys.Normalize(weak.ExportSubjectPublicKeyInfoPem()));
        Assert.Null(PublicKeys.Normalize(rsa.ExportRSAPrivateKeyPem()));
        Assert.Null(PublicKeys.Normalize(rsa.ExportPkcs8PrivateKeyPem()));
        Assert.Null(PublicKeys.Normalize(otherCurve.ExportSubjectPublicKeyInfoPem()));
        Assert.Null(PublicKeys.Normalize(""));
        Assert.Null(PublicKeys.Normalize("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"));
        Assert.Null(PublicKeys.Normalize(new string('x', 100_000)));
    }
}
