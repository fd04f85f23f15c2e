using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Atoll.Tenancy;

namespace Atoll.Tests.Tenancy;

public sealed class JwtAssertionTests : IDisposable
{
    private const string Audience = "https://atoll.example/v2/oauth2/token";

    private static readonly DateTimeOffset Now = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly HashSet<string> Audiences = [Audience, "https://api.einstein.ai/v2/oauth2/token"];

    private readonly RSA _rsa = RSA.Create(2048);
    private readonly ECDsa _ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public void Dispose()
    {
        _rsa.Dispose();
        _ecdsa.Dispose();
    }

    public static TheoryData<string, Action<JsonObject>> Lenient => new()
    {
        { "trailing slash", claims => claims["aud"] = Audience + "/" },
        { "the address of the Einstein API", claims => claims["aud"] = "https://api.einstein.ai/v2/oauth2/token" },
        { "several audiences", claims => claims["aud"] = new JsonArray("https://other.example", Audience) },
        { "a fractional exp", claims => claims["exp"] = Now.ToUnixTimeSeconds() + 59.75 },
        { "25 hours ahead", claims => claims["exp"] = Now.AddHours(25).ToUnixTimeSeconds() },
        { "an issuer and an issue time", claims => (claims["iss"], claims["iat"]) = ("developer.force.com", Now.ToUnixTimeSeconds()) },
        { "a clock that goes ahead a little", claims => claims["iat"] = Now.AddMinutes(4).ToUnixTimeSeconds() },
    };

    public static TheoryData<string, Action<JsonObject>, string> Refused => new()
    {
        { "no subject", claims => claims.Remove("sub"), "no 'sub'" },
        { "a subject that is no text", claims => claims["sub"] = 7, "no 'sub'" },
        { "no audience", claims => claims.Remove("aud"), "'aud'" },
        { "another audience", claims => claims["aud"] = "https://other.example/v2/oauth2/token", "'aud'" },
        { "no exp", claims => claims.Remove("exp"), "no 'exp'" },
        { "an exp that is no number", claims => claims["exp"] = "soon", "no 'exp'" },
        { "an exp beyond all time", claims => claims["exp"] = 1e300, "no 'exp'" },
        { "expired", claims => claims["exp"] = Now.ToUnixTimeSeconds(), "expired" },
        { "too far ahead", claims => claims["exp"] = Now.AddHours(25).ToUnixTimeSeconds() + 1, "25 hours" },
        { "issued in the future", claims => claims["iat"] = Now.AddMinutes(6).ToUnixTimeSeconds(), "future" },
        { "not yet valid", claims => claims["nbf"] = Now.AddMinutes(6).ToUnixTimeSeconds(), "future" },
    };

    [Theory]
    [MemberData(nameof(Lenient))]
    public void What_known_clients_send_is_taken(string what, Action<JsonObject> change)
    {
        var claims = Jwt.Claims("ada@example.com", Audience, Now);
        change(claims);
        var (assertion, refusal) = JwtAssertion.Read(Jwt.Write(_rsa, claims), Audiences, Now);
        Assert.True(assertion is not null, $"{what}: {refusal}");
        Assert.Equal("ada@example.com", assertion.Subject);
        Assert.True(assertion.IsSignedBy(_rsa.ExportSubjectPublicKeyInfoPem()));
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public void A_wrong_claim_is_refused_with_its_name(string what, Action<JsonObject> change, string expected)
    {
        var claims = Jwt.Claims("ada@example.com", Audience, Now);
        change(claims);
        var (assertion, refusal) = JwtAssertion.Read(Jwt.Write(_rsa, claims), Audiences, Now);
        Assert.True(assertion is null, what);
        Assert.Contains(expected, refusal);
    }

    [Theory]
    [InlineData("none")]
    [InlineData("HS256")]
    [InlineData("PS256")]
    [InlineData("rs256")]
    [InlineData("")]
    public void Other_algorithms_are_refused(string algorithm) =>
        Assert.Contains("RS256 or ES256", JwtAssertion.Read(Jwt.Write(_rsa, Jwt.Claims("ada", Audience, Now), algorithm), Audiences, Now).Refusal);

    [Fact]
    public void A_header_that_demands_more_is_refused() => Assert.NotNull(
        JwtAssertion.Read(Jwt.Write(_rsa, Jwt.Claims("ada", Audience, Now), header: new JsonObject { ["crit"] = new JsonArray("b64") }), Audiences, Now).Refusal);

    [Fact]
    public void An_assertion_may_be_percent_encoded()
    {
        var text = Uri.EscapeDataString(Jwt.Write(_ecdsa, Jwt.Claims("ada", Audience, Now))).Replace(".", "%2E");
        Assert.True(JwtAssertion.Read(text, Audiences, Now).Assertion!.IsSignedBy(_ecdsa.ExportSubjectPublicKeyInfoPem()));
    }

    [Fact]
    public void Only_the_key_that_signed_verifies()
    {
        using var other = RSA.Create(2048);
        var byRsa = JwtAssertion.Read(Jwt.Write(_rsa, Jwt.Claims("ada", Audience, Now)), Audiences, Now).Assertion!;
        var byEcdsa = JwtAssertion.Read(Jwt.Write(_ecdsa, Jwt.Claims("ada", Audience, Now)), Audiences, Now).Assertion!;
        Assert.True(byEcdsa.IsSignedBy(_ecdsa.ExportSubjectPublicKeyInfoPem()));
        Assert.False(byRsa.IsSignedBy(other.ExportSubjectPublicKeyInfoPem()));
        Assert.False(byRsa.IsSignedBy(_ecdsa.ExportSubjectPublicKeyInfoPem()));
        Assert.False(byEcdsa.IsSignedBy(_rsa.ExportSubjectPublicKeyInfoPem()));
        Assert.False(byRsa.IsSignedBy("no key at all"));

        // The algorithm is the key's, not the header's: an RSA signature that calls itself ES256 fails.
        var swapped = JwtAssertion.Read(Jwt.Write(_rsa, Jwt.Claims("ada", Audience, Now), "ES256"), Audiences, Now).Assertion!;
        Assert.False(swapped.IsSignedBy(_rsa.ExportSubjectPublicKeyInfoPem()));
    }

    [Fact]
    public void Damaged_text_is_refused_and_never_breaks_the_reader()
    {
        const int Seed = 4711;
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        var right = Jwt.Write(_ecdsa, Jwt.Claims("ada", Audience, Now));
        var key = _ecdsa.ExportSubjectPublicKeyInfoPem();
        for (var round = 0; round < 3000; round++)
        {
            var text = right.ToCharArray().ToList();
            for (var change = random.Next(1, 4); change > 0; change--)
            {
                var at = random.Next(text.Count);
                if (random.Next(3) == 0) text.RemoveAt(at);
                else text[at] = (char)random.Next(32, 127);
            }
            var damaged = new string([.. text]);
            var (assertion, refusal) = JwtAssertion.Read(damaged, Audiences, Now);
            Assert.True(assertion is null == refusal is not null);

            // The last character of a signature holds bits that count for nothing; any other change must be noticed.
            if (assertion is not null && damaged[..^1] != right[..^1]) Assert.False(assertion.IsSignedBy(key), damaged);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("a.b.c.d")]
    [InlineData("W10.W10.W10")]
    [InlineData("bnVsbA.bnVsbA.")]
    [InlineData("MQ.MQ.MQ")]
    public void What_is_no_JWT_is_refused(string text) => Assert.NotNull(JwtAssertion.Read(text, Audiences, Now).Refusal);
}
