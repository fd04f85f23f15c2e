using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Atoll.Contracts;

namespace Atoll.Tests.Tenancy;

/// <summary>Every way to say who one is, as a table.</summary>
public sealed class AuthenticationTests(TestServer server) : IClassFixture<TestServer>
{
    /// <summary>What is sent, and what comes back: status, and what the answer's text holds.</summary>
    public static TheoryData<string, string?, int, string> Cases => new()
    {
        { "a key", "Bearer {key}", 200, "\"principal\":\"ada\"" },
        { "the scheme in small letters", "bearer {key}", 200, "\"principal\":\"ada\"" },
        { "spaces around the key", "Bearer   {key}  ", 200, "\"principal\":\"ada\"" },
        { "an access token", "Bearer {token}", 200, "\"principal\":\"ada\"" },
        { "nothing", null, 401, "no credential" },
        { "an empty scheme", "Bearer ", 401, "empty" },
        { "another scheme", "Basic {basic}", 401, "Invalid authentication scheme" },
        { "a key without scheme", "{key}", 401, "Invalid authentication scheme" },
        { "an unknown key", "Bearer atl_00000000000000000000000000000000", 401, "unknown, revoked or expired" },
        { "a key cut short", "Bearer {cut}", 401, "unknown, revoked or expired" },
        { "a key in capitals", "Bearer {capitals}", 401, "Invalid access token" },
        { "a revoked key", "Bearer {revoked}", 401, "unknown, revoked or expired" },
        { "an expired key", "Bearer {expired}", 401, "unknown, revoked or expired" },
        { "a token of a revoked key", "Bearer {revokedToken}", 401, "Invalid access token" },
        { "a key of a deleted principal", "Bearer {deleted}", 401, "unknown, revoked or expired" },
        { "a token of a deleted principal", "Bearer {deletedToken}", 401, "Invalid access token" },
        { "a token without signature", "Bearer {unsigned}", 401, "Invalid access token" },
        { "a token with another signature", "Bearer {foreign}", 401, "Invalid access token" },
        { "a damaged token", "Bearer {damaged}", 401, "Invalid access token" },
        { "an expired token", "Bearer {expiredToken}", 401, "Invalid access token" },
        { "a refresh token, which only buys access tokens", "Bearer atr_00000000000000000000000000000000", 401, "Invalid access token" },
        { "garbage", "Bearer \u0001\u0002", 401, "Invalid access token" },
        { "two credentials", "Bearer {key}, Bearer {key}", 401, "unknown, revoked or expired" },
        { "a very long credential", "Bearer {long}", 401, "Invalid access token" },
    };

    [Fact]
    public async Task Every_case_is_answered_as_the_table_says()
    {
        var values = await PrepareAsync();
        var wrong = new List<string>();
        foreach (var row in Cases)
        {
            var (what, header, status, text) = row.Data;
            foreach (var (name, value) in values) header = header?.Replace($"{{{name}}}", value);
            var (actualStatus, actualText) = await SendRawAsync(header);
            if (actualStatus != status || !actualText.Contains(text)) wrong.Add($"{what}: {actualStatus} {actualText}");
            if (status == 401 && !actualText.Contains("WWW-Authenticate: Bearer")) wrong.Add($"{what}: no challenge");
        }
        Assert.Empty(wrong);
    }

    private async Task<Dictionary<string, string>> PrepareAsync()
    {
        var (_, admin) = await server.CreateTenantAsync();
        await admin.CreatePrincipalAsync("ada");
        var doomed = await admin.CreatePrincipalAsync("doomed");
        var key = await admin.CreateKeyAsync("ada");
        var revoked = await admin.CreateKeyAsync("ada");
        var deleted = await admin.CreateKeyAsync("doomed");
        var expired = await admin.CreateKeyAsync("ada", TimeProvider.System.GetUtcNow().AddMilliseconds(300));
        var me = (await admin.GetAsync("/api/v1/principals/ada").ContinueWith(task => task.GetAwaiter().GetResult().ReadAsync<PrincipalResponse>(HttpStatusCode.OK)).Unwrap()).Id;
        var token = await BuyAsync(me, key.Secret);
        var expiredToken = await BuyAsync(me, key.Secret, 1);
        var revokedToken = await BuyAsync(me, revoked.Secret);
        var deletedToken = await BuyAsync(doomed.Id, deleted.Secret);

        // They work, and are remembered, before they are revoked: the memory must not outlive them.
        foreach (var credential in (string[])[revoked.Secret, revokedToken, deleted.Secret, deletedToken])
            Assert.Equal(200, (await SendRawAsync($"Bearer {credential}")).Status);
        Assert.Equal(HttpStatusCode.NoContent, await admin.DeleteAsync($"/api/v1/principals/ada/keys/{revoked.Id}").StatusAsync());
        Assert.Equal(HttpStatusCode.NoContent, await admin.DeleteAsync("/api/v1/principals/doomed").StatusAsync());
        while ((await SendRawAsync($"Bearer {expiredToken}")).Status == 200 || (await SendRawAsync($"Bearer {expired.Secret}")).Status == 200) await Task.Delay(50);

        using var foreignKey = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        var claims = () => new JsonObject { ["sub"] = me, ["iss"] = "atoll", ["aud"] = "atoll", ["src"] = $"key:{key.Id}", ["iat"] = now, ["nbf"] = now, ["exp"] = now + 600 };
        return new Dictionary<string, string>
        {
            ["key"] = key.Secret,
            ["token"] = token,
            ["basic"] = Convert.ToBase64String(Encoding.UTF8.GetBytes($"{me}:{key.Secret}")),
            ["cut"] = key.Secret[..^1],
            ["capitals"] = key.Secret.ToUpperInvariant(),
            ["revoked"] = revoked.Secret,
            ["expired"] = expired.Secret,
            ["revokedToken"] = revokedToken,
            ["deleted"] = deleted.Secret,
            ["deletedToken"] = deletedToken,
            ["unsigned"] = Jwt.Write(null, claims(), "none"),
            ["foreign"] = Jwt.Write(foreignKey, claims()),
            ["damaged"] = token[..^10] + "AAAAAAAAAA",
            ["expiredToken"] = expiredToken,
            ["long"] = new string('x', 5000),
        };
    }

    private async Task<string> BuyAsync(string principalId, string secret, int? seconds = null)
    {
        using var client = server.ClientFor(null);
        var form = new Dictionary<string, string> { ["grant_type"] = "client_credentials", ["client_id"] = principalId, ["client_secret"] = secret };
        if (seconds is not null) form["valid_for"] = $"{seconds}";
        using var answer = await client.PostAsync("/api/v1/oauth2/token", new FormUrlEncodedContent(form));
        return (await answer.ReadAsync<TokenResponse>(HttpStatusCode.OK)).AccessToken;
    }

    // The header goes out just as it is written: HttpClient would mend some of them.
    private async Task<(int Status, string Text)> SendRawAsync(string? authorization)
    {
        var address = new Uri(server.Server.Address);
        using var tcp = new System.Net.Sockets.TcpClient();
        await tcp.ConnectAsync(address.Host, address.Port);
        var stream = tcp.GetStream();
        var header = authorization is null ? "" : $"Authorization: {authorization}\r\n";
        await stream.WriteAsync(Encoding.Latin1.GetBytes($"GET /api/v1/me HTTP/1.1\r\nHost: {address.Authority}\r\n{header}Connection: close\r\n\r\n"));
        using var reader = new StreamReader(stream, Encoding.UTF8);
        var text = await reader.ReadToEndAsync();
        return (int.Parse(text.Split(' ')[1]), text);
    }
}
