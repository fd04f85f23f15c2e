using System.Net;
using System.Net.Http.Json;
using System.Runtime.InteropServices;
using System.Text;
using Atoll.Contracts;
using Atoll.Deployments;
using Atoll.Platform;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Tests.Tenancy;
using Atoll.Tests.Prediction;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Xunit;
using Route = Atoll.Deployments.Route;

namespace Atoll.Tests.Deployments;

/// <summary>What is pinned stays in memory, follows its alias, is bounded, and is there before a start says that it is ready.</summary>
public sealed partial class PinEndpointTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_pin_holds_what_the_endpoint_serves_and_follows_the_alias()
    {
        await using var server = new TestServer();
        await server.InitializeAsync();
        var (tenant, client) = await server.CreateTenantAsync();
        var id = tenant.Tenant.Id;
        await PredictionServer.RegisterAsync(server, id, "leads", PredictionModels.Constant(1));
        var models = server.Server.Services.GetRequiredService<ServedModels>();
        Assert.Equal(HttpStatusCode.NotFound, (await client.PutAsync("/api/v1/endpoints/absent/pin", null, Token)).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await client.PutAsync("/api/v1/endpoints/leads/pin", null, Token)).StatusCode);
        var first = await RouteAsync(server, id, "leads");
        Assert.True(models.IsPinned(id, first.ServingDigest));
        Assert.True((await client.GetFromJsonAsync("/api/v1/endpoints/leads", AtollJson.Default.EndpointResponse, Token))!.Pinned);

        using var unload = await client.PostAsync("/v2/repository/models/leads/unload", null, Token);
        Assert.Equal(HttpStatusCode.BadRequest, unload.StatusCode);
        Assert.Contains("atoll endpoints unpin leads", await unload.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);

        // A new version is served until something is promoted, so the pin moves to it.
        await PredictionServer.RegisterAsync(server, id, "leads", PredictionModels.Constant(2));
        var second = await RouteAsync(server, id, "leads");
        Assert.NotEqual(first.ServingDigest, second.ServingDigest);
        await server.Server.Services.GetRequiredService<PinnedModels>().HoldAllAsync(id, Token);
        Assert.Equal((false, true), (models.IsPinned(id, first.ServingDigest), models.IsPinned(id, second.ServingDigest)));

        Assert.Equal(HttpStatusCode.NoContent, (await client.DeleteAsync("/api/v1/endpoints/leads/pin", Token)).StatusCode);
        Assert.False(models.IsPinned(id, second.ServingDigest));
        Assert.False((await client.GetFromJsonAsync("/api/v1/endpoints/leads", AtollJson.Default.EndpointResponse, Token))!.Pinned);
    }

    [Fact]
    public async Task A_pin_that_is_being_saved_is_not_let_go_by_a_pass()
    {
        await using var server = new TestServer();
        await server.InitializeAsync();
        var (tenant, client) = await server.CreateTenantAsync();
        var id = tenant.Tenant.Id;
        await PredictionServer.RegisterAsync(server, id, "leads", PredictionModels.Constant(1));
        var pins = server.Server.Services.GetRequiredService<PinnedModels>();
        var digest = (await RouteAsync(server, id, "leads")).ServingDigest;
        Task? pass = null;
        Assert.Null(await pins.PinAsync(id, "leads", async () =>
        {
            // Begins when nothing is saved yet, and has to wait until it is.
            pass = pins.HoldAllAsync(id, Token);
            using var other = await client.PutAsync("/api/v1/endpoints/absent/pin", null, Token);
            Assert.False(pass.IsCompleted);
            await using var scope = server.Server.Services.CreateAsyncScope();
            scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(id);
            await scope.ServiceProvider.GetRequiredService<PlatformDb>().Endpoints().ExecuteUpdateAsync(set => set.SetProperty(endpoint => endpoint.IsPinned, true), Token);
        }, Token));
        await pass!;
        Assert.True(server.Server.Services.GetRequiredService<ServedModels>().IsPinned(id, digest));
    }

    [Theory]
    [InlineData("--TenantLimits:PinnedModelShare=0", "409 limit-reached", "pinnedModelShare")]
    [InlineData("--Deployments:PinnedShareMax=0", "409 limit-reached", "Deployments:PinnedShareMax")]
    public async Task A_pin_beyond_the_share_is_refused_and_not_kept(string setting, string expected, string named)
    {
        await using var server = new TestServer { Settings = [setting] };
        await server.InitializeAsync();
        var (tenant, client) = await server.CreateTenantAsync();
        await PredictionServer.RegisterAsync(server, tenant.Tenant.Id, "leads", PredictionModels.Constant(1));
        using var refused = await client.PutAsync("/api/v1/endpoints/leads/pin", null, Token);
        Assert.Contains(named, await refused.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal(expected, await Task.FromResult(refused).CodeAsync());
        Assert.False((await client.GetFromJsonAsync("/api/v1/endpoints/leads", AtollJson.Default.EndpointResponse, Token))!.Pinned);
    }

    [Fact]
    public async Task A_load_that_takes_long_does_not_hold_up_other_pins()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("A blob that is slow to read is a pipe.");
            return;
        }
        // The slow one comes first, in the order of names as in that of their making.
        string[] names = ["a-slow", "quick", "nimble"];
        await using var server = new TestServer { Settings = ["--Deployments:WarmUpSecondsMax=0"] };
        var id = await PinAndRestartAsync(server, names);
        var (pins, models) = (server.Server.Services.GetRequiredService<PinnedModels>(), server.Server.Services.GetRequiredService<ServedModels>());
        var digests = new List<string>();
        foreach (var name in names) digests.Add((await RouteAsync(server, id, name)).ServingDigest);

        await using var slow = new SlowBlob(server, id, digests[0]);
        var pass = pins.HoldAllAsync(id, Token);
        await UntilAsync(() => models.IsPinned(id, digests[1]) && models.IsPinned(id, digests[2]));
        Assert.Equal((false, false), (models.IsPinned(id, digests[0]), pass.IsCompleted));
        await slow.GiveAsync();
        await pass;
        Assert.True(models.IsPinned(id, digests[0]));
    }

    [Fact]
    public async Task A_pin_that_does_not_load_keeps_no_server_from_being_ready()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("A blob that is slow to read is a pipe.");
            return;
        }
        await using var server = new TestServer { Settings = ["--Deployments:WarmUpSecondsMax=0"] };
        var id = await PinAndRestartAsync(server, "slow", "quick");
        var (services, clock) = (server.Server.Services, new VirtualClock());
        var models = services.GetRequiredService<ServedModels>();
        var warmUp = new WarmUp(
            services.GetRequiredService<PinnedModels>(), services.GetRequiredService<RecentModels>(), models, services.GetRequiredService<IServiceScopeFactory>(),
            Options.Create(new DeploymentsOptions { WarmUpSecondsMax = 10 }), clock, NullLogger<WarmUp>.Instance);
        var (never, quick) = ((await RouteAsync(server, id, "slow")).ServingDigest, (await RouteAsync(server, id, "quick")).ServingDigest);

        await using var slow = new SlowBlob(server, id, never);
        var run = warmUp.RunAsync(Token);
        await UntilAsync(() => models.IsPinned(id, quick));
        clock.Advance(TimeSpan.FromSeconds(9.9));
        Assert.False(run.IsCompleted);
        clock.Advance(TimeSpan.FromSeconds(0.1));
        await run;
        Assert.Equal((true, false), (models.IsPinned(id, quick), models.IsPinned(id, never)));
    }

    [Fact]
    public async Task A_start_loads_what_is_pinned_and_what_was_used_before_it_is_ready()
    {
        await using var server = new TestServer();
        await server.InitializeAsync();
        var (tenant, client) = await server.CreateTenantAsync();
        var id = tenant.Tenant.Id;
        foreach (var (name, value) in ((string, int)[])[("pinned", 1), ("used", 2), ("idle", 3)])
            await PredictionServer.RegisterAsync(server, id, name, PredictionModels.Constant(value));
        (await client.PutAsync("/api/v1/endpoints/pinned/pin", null, Token)).EnsureSuccessStatusCode();
        for (var i = 0; i < 3; i++)
        {
            using var answer = await client.PostAsync("/api/v1/endpoints/used:predict", new StringContent("""{"rows":[{"x":0}]}""", Encoding.UTF8, "application/json"), Token);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }

        await server.RestartAsync();
        var models = server.Server.Services.GetRequiredService<ServedModels>();
        Assert.Equal((true, true, false), (await IsLoadedAsync("pinned"), await IsLoadedAsync("used"), await IsLoadedAsync("idle")));
        Assert.Equal(1, models.Snapshot().Pinned);
        Assert.Equal(HttpStatusCode.OK, (await server.Platform.GetAsync("/readyz", Token)).StatusCode);

        async Task<bool> IsLoadedAsync(string endpoint)
        {
            var isLoaded = models.TryPeek(id, (await RouteAsync(server, id, endpoint)).ServingDigest, out var lease);
            if (isLoaded) lease.Dispose();
            return isLoaded;
        }
    }

    [Fact]
    public async Task A_server_that_is_not_warm_yet_says_so_and_for_how_long()
    {
        await using var server = new TestServer();
        await server.InitializeAsync();
        var readiness = new Readiness();
        foreach (var (path, handle) in ((string, Func<HttpContext, Readiness, Task>)[])[("/readyz", ReadyAnswer.HandleAsync), ("/v2/health/ready", ReadyAnswer.HandleInferenceAsync)])
        {
            foreach (var (isReached, expected) in ((bool, int)[])[(false, 503), (true, 200)])
            {
                var state = isReached ? server.Server.Services.GetRequiredService<Readiness>() : readiness;
                var context = new DefaultHttpContext { RequestServices = server.Server.Services };
                context.Request.Path = path;
                await handle(context, state);
                Assert.Equal((expected, isReached ? "" : "1"), (context.Response.StatusCode, context.Response.Headers.RetryAfter.ToString()));
            }
        }
    }

    // After the start nothing is in memory, and the first pass is a minute away.
    private static async Task<string> PinAndRestartAsync(TestServer server, params string[] names)
    {
        await server.InitializeAsync();
        var (tenant, client) = await server.CreateTenantAsync();
        for (var i = 0; i < names.Length; i++)
        {
            await PredictionServer.RegisterAsync(server, tenant.Tenant.Id, names[i], PredictionModels.Constant(i + 1));
            (await client.PutAsync($"/api/v1/endpoints/{names[i]}/pin", null, Token)).EnsureSuccessStatusCode();
        }
        await server.RestartAsync();
        return tenant.Tenant.Id;
    }

    private static async Task UntilAsync(Func<bool> isSo)
    {
        for (var i = 0; i < 1_000 && !isSo(); i++) await Task.Delay(10, Token);
        Assert.True(isSo());
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mkfifo(string path, uint mode);

    /// <summary>A blob that cannot be read to its end before the test gives it.</summary>
    private sealed class SlowBlob : IAsyncDisposable
    {
        private readonly string _path;
        private readonly byte[] _bytes;
        private readonly FileStream _pipe;
        private bool _isGiven;

        public SlowBlob(TestServer server, string tenantId, string digest)
        {
            _path = server.Server.Services.GetRequiredService<BlobStore>().PathOf(tenantId, digest);
            _bytes = File.ReadAllBytes(_path);
            File.Delete(_path);
            Assert.Equal(0, mkfifo(_path, 0x180));

            // Both ends, which does not wait for a reader.
            _pipe = new FileStream(_path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        }

        public async Task GiveAsync()
        {
            _isGiven = true;

            // Who opens it from now on finds the file; who has, reads the pipe to its end.
            File.Delete(_path);
            await File.WriteAllBytesAsync(_path, _bytes);
            await _pipe.WriteAsync(_bytes);
            await _pipe.DisposeAsync();
        }

        // The server's stop waits for its loads.
        public async ValueTask DisposeAsync()
        {
            if (!_isGiven) await GiveAsync();
        }
    }

    private static async Task<Route> RouteAsync(TestServer server, string tenantId, string endpoint) =>
        (await server.Server.Services.GetRequiredService<RouteTable>().FindAsync(tenantId, endpoint, null, Token))!;
}
