using System.Net;
using Atoll.Contracts;

namespace Atoll.Tests.Tenancy;

public sealed class TooManyFailuresTests : IAsyncLifetime
{
    private readonly TestServer _server = new() { Settings = ["--Tenancy:FailedCredentialsPerMinuteMax=5"] };

    public ValueTask InitializeAsync() => _server.InitializeAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task A_guesser_is_refused_unread_and_its_neighbours_go_on()
    {
        using var guesser = _server.ClientFor("atl_00000000000000000000000000000000");
        Assert.Equal(HttpStatusCode.OK, await _server.Platform.GetAsync("/api/v1/me").StatusAsync());
        for (var i = 0; i < 5; i++) Assert.Equal(HttpStatusCode.Unauthorized, await guesser.GetAsync("/api/v1/me").StatusAsync());
        using var refused = await guesser.GetAsync("/api/v1/me");
        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
        Assert.Contains(ProblemCodes.TooManyFailedCredentials, await refused.Content.ReadAsStringAsync());
        using var token = await guesser.PostAsync("/api/v1/oauth2/token", new FormUrlEncodedContent(new Dictionary<string, string> { ["grant_type"] = "refresh_token", ["refresh_token"] = "x" }));
        Assert.Equal(HttpStatusCode.TooManyRequests, token.StatusCode);

        // From the same address, with a key that worked before.
        Assert.Equal(HttpStatusCode.OK, await _server.Platform.GetAsync("/api/v1/me").StatusAsync());
    }

    [Fact]
    public async Task Changes_in_another_tenant_do_not_lock_out_good_credentials_beside_a_guesser()
    {
        var (_, one) = await _server.CreateTenantAsync();
        var (_, other) = await _server.CreateTenantAsync();
        Assert.Equal(HttpStatusCode.OK, await one.GetAsync("/api/v1/me").StatusAsync());
        await other.CreatePrincipalAsync("bob", ["predict"]);
        var leaver = await one.CreatePrincipalAsync("leaver");
        using var gone = _server.ClientFor((await one.CreateKeyAsync(leaver.Name)).Secret);
        Assert.Equal(HttpStatusCode.OK, await gone.GetAsync("/api/v1/me").StatusAsync());
        using var guesser = _server.ClientFor("atl_00000000000000000000000000000000");
        for (var i = 0; i < 5; i++) Assert.Equal(HttpStatusCode.Unauthorized, await guesser.GetAsync("/api/v1/me").StatusAsync());

        Assert.Equal(HttpStatusCode.NoContent, await other.DeleteAsync("/api/v1/principals/bob").StatusAsync());

        Assert.Equal(HttpStatusCode.OK, await one.GetAsync("/api/v1/me").StatusAsync());
        Assert.Equal(HttpStatusCode.TooManyRequests, await guesser.GetAsync("/api/v1/me").StatusAsync());
        Assert.Equal(HttpStatusCode.NoContent, await one.DeleteAsync("/api/v1/principals/leaver").StatusAsync());
        Assert.Equal(HttpStatusCode.Unauthorized, await gone.GetAsync("/api/v1/me").StatusAsync());
        Assert.Equal(HttpStatusCode.TooManyRequests, await gone.GetAsync("/api/v1/me").StatusAsync());
    }

    [Fact]
    public async Task Clients_of_a_trusted_proxy_count_for_themselves_and_nobody_elses_word_is_taken()
    {
        foreach (var (proxies, expected) in ((string, HttpStatusCode)[])[("127.0.0.1;::1;10.0.0.0/8", HttpStatusCode.Unauthorized), ("10.0.0.1", HttpStatusCode.TooManyRequests)])
        {
            await using var server = new TestServer { Settings = ["--Tenancy:FailedCredentialsPerMinuteMax=2", $"--Atoll:TrustedProxies={proxies}"] };
            await server.InitializeAsync();
            using var guesser = server.ClientFor("atl_00000000000000000000000000000000");
            guesser.DefaultRequestHeaders.Add("X-Forwarded-For", "192.0.2.1");
            for (var i = 0; i < 2; i++) Assert.Equal(HttpStatusCode.Unauthorized, await guesser.GetAsync("/api/v1/me").StatusAsync());
            Assert.Equal(HttpStatusCode.TooManyRequests, await guesser.GetAsync("/api/v1/me").StatusAsync());
            using var neighbour = server.ClientFor("atl_00000000000000000000000000000001");
            neighbour.DefaultRequestHeaders.Add("X-Forwarded-For", "192.0.2.2");
            Assert.Equal(expected, await neighbour.GetAsync("/api/v1/me").StatusAsync());
        }
    }

    [Fact]
    public async Task A_proxy_that_is_no_address_stops_the_start()
    {
        using var folder = new TestFolder();
        var refusal = await Assert.ThrowsAsync<Atoll.Platform.SettingsException>(() => AtollServer.StartAsync(
            [$"--Atoll:Data={folder.Path}", "--Atoll:Urls=http://127.0.0.1:0", "--Atoll:TrustedProxies=the-proxy"], null, TestContext.Current.CancellationToken));
        Assert.Contains("Atoll:TrustedProxies", refusal.Message);
    }
}
