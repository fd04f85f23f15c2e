using System.Globalization;
using System.Net.Http.Json;
using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Tests.Tenancy;
using Atoll.Training;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Atoll.Tests.Training;

/// <summary>Following runs, and reading what they reported, without a training behind them.</summary>
public sealed class FollowRunTests(TestServer server) : IClassFixture<TestServer>
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_ended_run_leaves_nothing_behind_when_it_is_followed()
    {
        var (tenant, client) = await server.CreateTenantAsync();
        await AddAsync(tenant, RunStates.Succeeded);
        await client.GetStringAsync($"/api/v1/runs/{RunOf(tenant)}/events", Token);

        // The stream is disposed when its answer has gone out, a moment later.
        var signals = server.Server.Services.GetRequiredService<RunSignals>();
        while (signals.Count > 0) await Task.Delay(5, Token);
    }

    [Theory]
    [InlineData("keys/{key}")]
    [InlineData("grants/runs.read")]
    [InlineData(null)]
    public async Task A_stream_ends_when_the_key_the_permission_or_the_principal_goes(string? taken)
    {
        var (tenant, admin) = await server.CreateTenantAsync();
        await AddAsync(tenant, RunStates.Queued);
        await admin.CreatePrincipalAsync("watcher", [Permissions.RunsRead]);
        var key = await admin.CreateKeyAsync("watcher");
        using var client = server.ClientFor(key.Secret);
        await using var stream = await client.GetStreamAsync($"/api/v1/runs/{RunOf(tenant)}/events", Token);
        using var reader = new StreamReader(stream);
        Assert.StartsWith("event: run", await reader.ReadLineAsync(Token));

        var path = taken is null ? "" : "/" + taken.Replace("{key}", key.Id);
        using var gone = await admin.DeleteAsync($"/api/v1/principals/watcher{path}", Token);
        gone.EnsureSuccessStatusCode();
        server.Server.Services.GetRequiredService<RunSignals>().Notify(RunOf(tenant));
        Assert.DoesNotContain("succeeded", await reader.ReadToEndAsync(Token));
    }

    [Fact]
    public async Task Metrics_are_cut_into_pages_that_hold_every_point_once()
    {
        var (tenant, client) = await server.CreateTenantAsync();
        await AddAsync(tenant, RunStates.Succeeded);
        await WithDbAsync(tenant, async db =>
        {
            foreach (var name in (string[])["train/loss", "a:b", "validation/loss"])
                for (var step = 0; step < 5; step++) db.RunMetrics().Add(new RunMetric { RunId = RunOf(tenant), Name = name, Step = step, Value = step });
            await db.SaveChangesAsync(Token);
        });
        var seen = new List<string>();
        string? after = null;
        do
        {
            var from = after is null ? "" : "&after=" + Uri.EscapeDataString(after);
            var page = (await client.GetFromJsonAsync($"/api/v1/runs/{RunOf(tenant)}/metrics?limit=4{from}", AtollJson.Default.PageRunMetricResponse, Token))!;
            seen.AddRange(page.Items.Select(point => string.Create(CultureInfo.InvariantCulture, $"{point.Name} {point.Step}")));
            Assert.InRange(page.Items.Count, 1, 4);
            after = page.Next;
        }
        while (after is not null);
        Assert.Equal(15, seen.Distinct().Count());
        Assert.Equal(seen.Order(StringComparer.Ordinal), seen);
        Assert.Equal("400 invalid-field", await client.GetAsync($"/api/v1/runs/{RunOf(tenant)}/metrics?after=x", Token).CodeAsync());
    }

    private static string RunOf(CreatedTenantResponse tenant) => $"run_{tenant.Tenant.Name}";

    private Task AddAsync(CreatedTenantResponse tenant, string state) => WithDbAsync(tenant, async db =>
    {
        db.Runs().Add(new Run
        {
            Id = RunOf(tenant), Experiment = "default", State = state, Dataset = "d", DatasetVersion = 1, Model = "m", Seed = 1, Parameters = [], CreatedUtc = DateTime.UnixEpoch,
        });
        await db.SaveChangesAsync(Token);
    });

    private async Task WithDbAsync(CreatedTenantResponse tenant, Func<PlatformDb, Task> work)
    {
        await using var scope = server.Server.Services.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenant.Tenant.Id);
        await work(scope.ServiceProvider.GetRequiredService<PlatformDb>());
    }
}
