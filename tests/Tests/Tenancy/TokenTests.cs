using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Tenancy;
using Microsoft.Extensions.DependencyInjection;

namespace Atoll.Tests.Tenancy;

public sealed class TokenTests(TestServer server) : IClassFixture<TestServer>
{
    private const string JwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";

    [Fact]
    public async Task A_key_buys_a_token_in_the_form_and_by_HTTP_Basic()
    {
        var (_, admin) = await server.CreateTenantAsync();
        var ada = await admin.CreatePrincipalAsync("ada", ["predict"]);
        var key = await admin.CreateKeyAsync("ada");
        using var byForm = await PostAsync("/api/v1/oauth2/token", ("grant_type", "client_credentials"), ("client_id", ada.Id), ("client_secret", key.Secret), ("valid_for", "120"));
        var token = await byForm.ReadAsync<TokenResponse>(HttpStatusCode.OK);
        Assert.Equal(("Bearer", 120L, null), (token.TokenType, token.ExpiresIn, token.RefreshToken));
        Assert.True(byForm.Headers.CacheControl!.NoStore);
        var me = await WhoIsAsync(token.AccessToken);
        Assert.Equal(("ada", "predict"), (me.Principal, Assert.Single(me.Permissions)));

        using var client = server.ClientFor(null);
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{ada.Id}:{key.Secret}")));
        using var byBasic = await client.PostAsync("/api/v1/oauth2/token", Form(("grant_type", "client_credentials")));
        Assert.Equal("ada", (await WhoIsAsync((await byBasic.ReadAsync<TokenResponse>(HttpStatusCode.OK)).AccessToken)).Principal);
    }

    [Fact]
    public async Task Refusals_speak_RFC_6749_on_api_and_Einstein_on_v2()
    {
        var (_, admin) = await server.CreateTenantAsync();
        var ada = await admin.CreatePrincipalAsync("ada");
        var bob = await admin.CreatePrincipalAsync("bob");
        var key = await admin.CreateKeyAsync("ada");
        (string What, (string, string)[] Form, int Status, string Error, int EinsteinStatus)[] rows =
        [
            ("no grant type", [], 400, "invalid_request", 400),
            ("an unknown grant type", [("grant_type", "password")], 400, "unsupported_grant_type", 400),
            ("no client", [("grant_type", "client_credentials")], 401, "invalid_client", 401),
            ("a wrong secret", [("grant_type", "client_credentials"), ("client_id", ada.Id), ("client_secret", "atl_x")], 401, "invalid_client", 401),
            ("another principal's key", [("grant_type", "client_credentials"), ("client_id", bob.Id), ("client_secret", key.Secret)], 401, "invalid_client", 401),
            ("a name instead of the id", [("grant_type", "client_credentials"), ("client_id", "ada"), ("client_secret", key.Secret)], 401, "invalid_client", 401),
            ("no assertion", [("grant_type", JwtBearer), ("assertion", " ")], 400, "invalid_request", 400),
            ("no JWT", [("grant_type", JwtBearer), ("assertion", "x")], 400, "invalid_grant", 401),
            ("no refresh token", [("grant_type", "refresh_token")], 400, "invalid_request", 400),
            ("an unknown refresh token", [("grant_type", "refresh_token"), ("refresh_token", "atr_x")], 400, "invalid_grant", 401),
            ("too long", [("grant_type", "client_credentials"), ("client_id", ada.Id), ("client_secret", key.Secret), ("valid_for", "2592001")], 400, "invalid_request", 400),
            ("for no time", [("grant_type", "client_credentials"), ("client_id", ada.Id), ("client_secret", key.Secret), ("valid_for", "0")], 400, "invalid_request", 400),
            ("for words", [("grant_type", "client_credentials"), ("client_id", ada.Id), ("client_secret", key.Secret), ("valid_for", "long")], 400, "invalid_request", 400),
        ];
        foreach (var (what, form, status, error, einsteinStatus) in rows)
        {
            using var answer = await PostAsync("/api/v1/oauth2/token", form);
            var text = await answer.Content.ReadAsStringAsync();
            Assert.True((int)answer.StatusCode == status && JsonDocument.Parse(text).RootElement.GetProperty("error").GetString() == error, $"{what}: {text}");
            Assert.True(JsonDocument.Parse(text).RootElement.GetProperty("error_description").GetString() is { Length: > 0 }, what);
            using var einstein = await PostAsync("/v2/oauth2/token/", form);
            var einsteinText = await einstein.Content.ReadAsStringAsync();
            Assert.True((int)einstein.StatusCode == einsteinStatus && JsonDocument.Parse(einsteinText).RootElement.GetProperty("message").GetString() is { Length: > 0 }, $"{what}: {einsteinText}");
            Assert.DoesNotContain(key.Secret, text + einsteinText);
        }
        using var client = server.ClientFor(null);
        using var json = await client.PostAsync("/api/v1/oauth2/token", JsonContent.Create(new JsonObject { ["grant_type"] = "client_credentials" }));
        Assert.Equal(HttpStatusCode.BadRequest, json.StatusCode);
    }

    [Fact]
    public async Task An_assertion_buys_a_token_until_its_own_end_and_a_refresh_token_only_when_offline()
    {
        var (_, admin) = await server.CreateTenantAsync();
        await admin.CreatePrincipalAsync("ada", email: "Ada@Lovelace.example");
        using var key = await CreateKeyPairAsync(admin, "ada");
        var now = TimeProvider.System.GetUtcNow();
        var assertion = Jwt.Write(key, Jwt.Claims("ada@lovelace.EXAMPLE", server.Server.Address + "/v2/oauth2/token", now, TimeSpan.FromMinutes(10)));
        using var answer = await PostAsync("/v2/oauth2/token", ("grant_type", JwtBearer), ("assertion", assertion));
        var text = await answer.Content.ReadAsStringAsync();
        var token = await answer.ReadAsync<EinsteinTokenResponse>(HttpStatusCode.OK);
        Assert.InRange(int.Parse(token.ExpiresIn), 500, 600);
        Assert.Equal(["access_token", "expires_in", "token_type"], JsonDocument.Parse(text).RootElement.EnumerateObject().Select(member => member.Name).Order());
        Assert.Equal("ada", (await WhoIsAsync(token.AccessToken)).Principal);

        // An assertion may be used again until it expires.
        using var offline = await PostAsync("/v2/oauth2/token", ("grant_type", JwtBearer), ("assertion", assertion), ("scope", "offline"), ("valid_for", "60"));
        var refresh = await offline.ReadAsync<EinsteinTokenResponse>(HttpStatusCode.OK);
        Assert.Equal("60", refresh.ExpiresIn);
        for (var i = 0; i < 2; i++)
        {
            using var again = await PostAsync("/v2/oauth2/token", ("grant_type", "refresh_token"), ("refresh_token", refresh.RefreshToken!), ("valid_for", "3600"));
            var bought = await again.ReadAsync<EinsteinTokenResponse>(HttpStatusCode.OK);
            Assert.Equal(("3600", null), (bought.ExpiresIn, bought.RefreshToken));
            Assert.Equal("ada", (await WhoIsAsync(bought.AccessToken)).Principal);
        }
    }

    [Fact]
    public async Task Of_principals_with_one_address_in_several_tenants_the_one_whose_key_signed_is_meant()
    {
        const string Email = "shared@example.com";
        var (victim, victimAdmin) = await server.CreateTenantAsync();
        var (other, otherAdmin) = await server.CreateTenantAsync();
        await otherAdmin.CreatePrincipalAsync("mallory", email: Email);
        await victimAdmin.CreatePrincipalAsync("ada", email: Email);
        using var mallorys = await CreateKeyPairAsync(otherAdmin, "mallory");
        using var adas = await CreateKeyPairAsync(victimAdmin, "ada");
        var claims = () => Jwt.Claims(Email, server.Server.Address, TimeProvider.System.GetUtcNow());
        Assert.Equal(victim.Tenant.Name, (await WhoIsAsync(await BuyAsync(Jwt.Write(adas, claims())))).Tenant);
        Assert.Equal(other.Tenant.Name, (await WhoIsAsync(await BuyAsync(Jwt.Write(mallorys, claims())))).Tenant);
        using var nobodys = RSA.Create(2048);
        using var refused = await PostAsync("/api/v1/oauth2/token", ("grant_type", JwtBearer), ("assertion", Jwt.Write(nobodys, claims())));
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
    }

    [Fact]
    public async Task No_number_of_others_with_the_same_address_keeps_one_from_its_token()
    {
        const string Email = "wanted@example.com";
        using var others = RSA.Create(2048);
        for (var i = 0; i < 220; i++)
        {
            await using var scope = server.Server.Services.CreateAsyncScope();
            scope.ServiceProvider.GetRequiredService<TenantScope>().Enter($"ten_crowd{i}");
            var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
            db.Add(new Tenant { Id = $"ten_crowd{i}", Name = $"crowd-{i}", CreatedUtc = DateTime.UnixEpoch });
            db.Add(new Principal { Id = $"prn_crowd{i}", Name = "mallory", Email = Email, PublicKeyPem = others.ExportSubjectPublicKeyInfoPem(), CreatedUtc = DateTime.UnixEpoch });
            await db.SaveChangesAsync();
        }
        var (victim, admin) = await server.CreateTenantAsync();
        await admin.CreatePrincipalAsync("ada", email: Email);
        using var adas = await CreateKeyPairAsync(admin, "ada");
        Assert.Equal(victim.Tenant.Name, (await WhoIsAsync(await BuyAsync(Jwt.Write(adas, Jwt.Claims(Email, server.Server.Address, TimeProvider.System.GetUtcNow()))))).Tenant);

        // A tenant has one principal of an address, so that it adds one key to try and no more.
        Assert.Equal("409 already-exists", await admin.PostAsJsonAsync(
            "/api/v1/principals", new CreatePrincipalRequest { Name = "eve", Email = "WANTED@example.com" }, AtollJson.Default.CreatePrincipalRequest).CodeAsync());
    }

    [Fact]
    public async Task A_Host_header_makes_neither_an_audience_nor_a_link()
    {
        var (_, admin) = await server.CreateTenantAsync();
        var ada = await admin.CreatePrincipalAsync("ada");
        using var key = await CreateKeyPairAsync(admin, "ada");
        using var client = server.ClientFor(null);
        client.DefaultRequestHeaders.Host = "other.example";
        var stolen = Jwt.Write(key, Jwt.Claims(ada.Id, "http://other.example/api/v1/oauth2/token", TimeProvider.System.GetUtcNow()));
        using var refused = await client.PostAsync("/api/v1/oauth2/token", Form(("grant_type", JwtBearer), ("assertion", stolen)));
        Assert.Contains("its \\u0027aud\\u0027 is not", await refused.Content.ReadAsStringAsync());
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);

        foreach (var path in (string[])["/.well-known/oauth-authorization-server", "/"])
        {
            client.DefaultRequestHeaders.Accept.ParseAdd("text/html");
            var text = await client.GetStringAsync(path);
            Assert.DoesNotContain("other.example", text);
            Assert.Contains(server.Server.Address, text);
        }

        // Another name of the same machine and port is one's own.
        var localhost = $"localhost:{new Uri(server.Server.Address).Port}";
        client.DefaultRequestHeaders.Host = localhost;
        var metadata = await client.GetFromJsonAsync("/.well-known/oauth-authorization-server", AtollJson.Default.AuthorizationServerResponse);
        Assert.Equal($"http://{localhost}", metadata!.Issuer);
        await BuyAsync(Jwt.Write(key, Jwt.Claims(ada.Id, $"http://{localhost}/v2/oauth2/token", TimeProvider.System.GetUtcNow())));
    }

    [Fact]
    public async Task With_a_public_address_that_one_alone_is_the_servers()
    {
        await using var other = new TestServer { Settings = ["--Atoll:PublicUrl=https://atoll.example/"] };
        await other.InitializeAsync();
        using var client = other.ClientFor(null);
        var metadata = await client.GetFromJsonAsync("/.well-known/oauth-authorization-server", AtollJson.Default.AuthorizationServerResponse);
        Assert.Equal("https://atoll.example/api/v1/oauth2/token", metadata!.TokenEndpoint);
        var (_, admin) = await other.CreateTenantAsync();
        var ada = await admin.CreatePrincipalAsync("ada");
        using var key = await CreateKeyPairAsync(admin, "ada");
        foreach (var (audience, status) in ((string, HttpStatusCode)[])[("https://atoll.example", HttpStatusCode.OK), (other.Server.Address, HttpStatusCode.BadRequest)])
        {
            using var answer = await client.PostAsync("/api/v1/oauth2/token", Form(
                ("grant_type", JwtBearer), ("assertion", Jwt.Write(key, Jwt.Claims(ada.Id, audience, TimeProvider.System.GetUtcNow())))));
            Assert.Equal(status, answer.StatusCode);
        }
    }

    [Fact]
    public async Task Ones_own_public_key_is_registered_only_with_a_proof_of_the_private_one()
    {
        var (_, admin) = await server.CreateTenantAsync();
        var ada = await admin.CreatePrincipalAsync("ada");
        using var mine = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var theirs = RSA.Create(2048);
        var claims = (string subject) => Jwt.Claims(subject, server.Server.Address, TimeProvider.System.GetUtcNow());
        Assert.Equal("400 invalid-field", await PutAsync(theirs.ExportSubjectPublicKeyInfoPem(), Jwt.Write(mine, claims(ada.Id))).CodeAsync());
        Assert.Equal("400 invalid-field", await PutAsync(mine.ExportSubjectPublicKeyInfoPem(), Jwt.Write(mine, claims("prn_somebody_else"))).CodeAsync());
        Assert.Equal("400 invalid-field", await PutAsync(mine.ExportSubjectPublicKeyInfoPem(), "no proof").CodeAsync());
        Assert.Equal("400 invalid-field", await PutAsync("no key", Jwt.Write(mine, claims(ada.Id))).CodeAsync());
        using var answer = await PutAsync(mine.ExportSubjectPublicKeyInfoPem(), Jwt.Write(mine, claims(ada.Id)));
        Assert.NotNull((await answer.ReadAsync<PrincipalResponse>(HttpStatusCode.OK)).PublicKeyId);
        Assert.Equal("ada", (await WhoIsAsync(await BuyAsync(Jwt.Write(mine, claims(ada.Id))))).Principal);

        Task<HttpResponseMessage> PutAsync(string publicKey, string proof) => admin.PutAsJsonAsync(
            "/api/v1/principals/ada/public-key", new SetPublicKeyRequest { PublicKeyPem = publicKey, Proof = proof }, AtollJson.Default.SetPublicKeyRequest);
    }

    [Fact]
    public async Task What_a_key_bought_dies_with_it()
    {
        var (_, admin) = await server.CreateTenantAsync();
        var ada = await admin.CreatePrincipalAsync("ada");
        using var key = await CreateKeyPairAsync(admin, "ada");
        var (access, refresh, fromRefresh) = await BuyAllAsync();
        using (await CreateKeyPairAsync(admin, "ada")) await DeadAsync();

        using var second = await CreateKeyPairAsync(admin, "ada");
        (access, refresh, fromRefresh) = await BuyAllAsync(second);
        Assert.Equal(HttpStatusCode.NoContent, await admin.DeleteAsync("/api/v1/principals/ada/public-key").StatusAsync());
        await DeadAsync();

        async Task<(string, string, string)> BuyAllAsync(RSA? with = null)
        {
            var assertion = Jwt.Write(with ?? key, Jwt.Claims(ada.Id, server.Server.Address, TimeProvider.System.GetUtcNow()));
            using var answer = await PostAsync("/api/v1/oauth2/token", ("grant_type", JwtBearer), ("assertion", assertion), ("scope", "offline"));
            var token = await answer.ReadAsync<TokenResponse>(HttpStatusCode.OK);
            using var again = await PostAsync("/api/v1/oauth2/token", ("grant_type", "refresh_token"), ("refresh_token", token.RefreshToken!));
            var bought = (await again.ReadAsync<TokenResponse>(HttpStatusCode.OK)).AccessToken;
            Assert.Equal("ada", (await WhoIsAsync(token.AccessToken)).Principal);
            Assert.Equal("ada", (await WhoIsAsync(bought)).Principal);
            return (token.AccessToken, token.RefreshToken!, bought);
        }

        async Task DeadAsync()
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await TryAsync(access));
            Assert.Equal(HttpStatusCode.Unauthorized, await TryAsync(fromRefresh));
            using var answer = await PostAsync("/api/v1/oauth2/token", ("grant_type", "refresh_token"), ("refresh_token", refresh));
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        }
    }

    [Fact]
    public async Task A_refresh_token_is_revoked_by_its_holder_or_by_an_administrator_at_once()
    {
        var (_, admin) = await server.CreateTenantAsync();
        var ada = await admin.CreatePrincipalAsync("ada");
        using var key = await CreateKeyPairAsync(admin, "ada");
        var assertion = Jwt.Write(key, Jwt.Claims(ada.Id, server.Server.Address, TimeProvider.System.GetUtcNow()));
        for (var round = 0; round < 2; round++)
        {
            using var answer = await PostAsync("/api/v1/oauth2/token", ("grant_type", JwtBearer), ("assertion", assertion), ("scope", "offline"));
            var refresh = (await answer.ReadAsync<TokenResponse>(HttpStatusCode.OK)).RefreshToken!;
            using var bought = await PostAsync("/api/v1/oauth2/token", ("grant_type", "refresh_token"), ("refresh_token", refresh));
            var access = (await bought.ReadAsync<TokenResponse>(HttpStatusCode.OK)).AccessToken;
            await WhoIsAsync(access);
            var listed = Assert.Single((await admin.GetFromJsonAsync("/api/v1/principals/ada/refresh-tokens", AtollJson.Default.PageRefreshTokenResponse))!.Items);
            Assert.NotNull(listed.UsedUtc);
            if (round == 0) Assert.Equal(HttpStatusCode.OK, await PostAsync("/api/v1/oauth2/revoke", ("token", refresh)).StatusAsync());
            else Assert.Equal(HttpStatusCode.NoContent, await admin.DeleteAsync($"/api/v1/principals/ada/refresh-tokens/{listed.Id}").StatusAsync());
            Assert.Equal(HttpStatusCode.Unauthorized, await TryAsync(access));
            using var again = await PostAsync("/api/v1/oauth2/token", ("grant_type", "refresh_token"), ("refresh_token", refresh));
            Assert.Equal(HttpStatusCode.BadRequest, again.StatusCode);
            Assert.Equal(HttpStatusCode.OK, await PostAsync("/api/v1/oauth2/revoke", ("token", refresh)).StatusAsync());
        }
        Assert.Equal(HttpStatusCode.BadRequest, await PostAsync("/api/v1/oauth2/revoke").StatusAsync());
        Assert.Equal(HttpStatusCode.BadRequest, await PostAsync("/api/v1/oauth2/revoke", ("token", "atl_x")).StatusAsync());
    }

    [Fact]
    public async Task The_published_key_verifies_tokens_and_the_metadata_names_the_routes()
    {
        var me = await server.Platform.GetFromJsonAsync("/api/v1/me", AtollJson.Default.CallerResponse);
        using var bought = await PostAsync("/api/v1/oauth2/token", ("grant_type", "client_credentials"), ("client_id", me!.PrincipalId), ("client_secret", server.Server.FirstKey!));
        var parts = (await bought.ReadAsync<TokenResponse>(HttpStatusCode.OK)).AccessToken.Split('.');
        using var client = server.ClientFor(null);
        var key = Assert.Single((await client.GetFromJsonAsync("/.well-known/jwks.json", AtollJson.Default.JsonWebKeySetResponse))!.Keys);
        using var ecdsa = ECDsa.Create(new ECParameters
        {
            Curve = ECCurve.NamedCurves.nistP256,
            Q = new ECPoint { X = System.Buffers.Text.Base64Url.DecodeFromChars(key.X), Y = System.Buffers.Text.Base64Url.DecodeFromChars(key.Y) },
        });
        Assert.True(ecdsa.VerifyData(Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), System.Buffers.Text.Base64Url.DecodeFromChars(parts[2]), HashAlgorithmName.SHA256));
        Assert.DoesNotContain("\"d\"", await client.GetStringAsync("/.well-known/jwks.json"));

        var metadata = await client.GetFromJsonAsync("/.well-known/oauth-authorization-server", AtollJson.Default.AuthorizationServerResponse);
        Assert.Equal(server.Server.Address + "/api/v1/oauth2/token", metadata!.TokenEndpoint);
        Assert.Equal(server.Server.Address + "/.well-known/jwks.json", metadata.JwksUri);
    }

    [Fact]
    public async Task Refresh_tokens_of_a_principal_are_bounded_and_the_oldest_makes_room_with_what_it_bought()
    {
        var (_, admin) = await server.CreateTenantAsync();
        var ada = await admin.CreatePrincipalAsync("ada");
        using var key = await CreateKeyPairAsync(admin, "ada");
        var assertion = Jwt.Write(key, Jwt.Claims(ada.Id, server.Server.Address, TimeProvider.System.GetUtcNow()));
        var oldest = await BuyRefreshTokenAsync();
        using var bought = await PostAsync("/api/v1/oauth2/token", ("grant_type", "refresh_token"), ("refresh_token", oldest));
        var access = (await bought.ReadAsync<TokenResponse>(HttpStatusCode.OK)).AccessToken;
        for (var i = 1; i < 100; i++) await BuyRefreshTokenAsync();
        Assert.Equal("ada", (await WhoIsAsync(access)).Principal);
        await BuyRefreshTokenAsync();
        Assert.Equal(HttpStatusCode.Unauthorized, await TryAsync(access));
        var page = await admin.GetFromJsonAsync("/api/v1/principals/ada/refresh-tokens?limit=1000", AtollJson.Default.PageRefreshTokenResponse);
        Assert.Equal(100, page!.Items.Count);
        using var refused = await PostAsync("/api/v1/oauth2/token", ("grant_type", "refresh_token"), ("refresh_token", oldest));
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);

        async Task<string> BuyRefreshTokenAsync()
        {
            using var answer = await PostAsync("/api/v1/oauth2/token", ("grant_type", JwtBearer), ("assertion", assertion), ("scope", "offline"));
            return (await answer.ReadAsync<TokenResponse>(HttpStatusCode.OK)).RefreshToken!;
        }
    }

    private static async Task<RSA> CreateKeyPairAsync(HttpClient admin, string principal)
    {
        using var answer = await admin.PostAsync($"/api/v1/principals/{principal}/key-pair", null);
        var pair = await answer.ReadAsync<CreatedKeyPairResponse>(HttpStatusCode.OK);
        Assert.StartsWith("-----BEGIN RSA PRIVATE KEY-----", pair.PrivateKeyPem);
        var rsa = RSA.Create();
        rsa.ImportFromPem(pair.PrivateKeyPem);
        return rsa;
    }

    private async Task<string> BuyAsync(string assertion)
    {
        using var answer = await PostAsync("/api/v1/oauth2/token", ("grant_type", JwtBearer), ("assertion", assertion));
        return (await answer.ReadAsync<TokenResponse>(HttpStatusCode.OK)).AccessToken;
    }

    private async Task<CallerResponse> WhoIsAsync(string token)
    {
        using var client = server.ClientFor(token);
        using var answer = await client.GetAsync("/api/v1/me");
        return await answer.ReadAsync<CallerResponse>(HttpStatusCode.OK);
    }

    private async Task<HttpStatusCode> TryAsync(string token)
    {
        using var client = server.ClientFor(token);
        return await client.GetAsync("/api/v1/me").StatusAsync();
    }

    private async Task<HttpResponseMessage> PostAsync(string path, params (string Name, string Value)[] form)
    {
        using var client = server.ClientFor(null);
        return await client.PostAsync(path, Form(form));
    }

    private static FormUrlEncodedContent Form(params (string Name, string Value)[] form) => new(form.Select(field => KeyValuePair.Create(field.Name, field.Value)));
}
