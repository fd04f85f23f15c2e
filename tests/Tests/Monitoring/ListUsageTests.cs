using System.Net;
using System.Text;
using Atoll.Contracts;
using Atoll.Monitoring;
using Atoll.Platform.Database;
using Atoll.Platform.Telemetry;
using Atoll.Tests.Prediction;
using Atoll.Tests.Tenancy;
using Microsoft.Extensions.DependencyInjection;

namespace Atoll.Tests.Monitoring;

public sealed class ListUsageTests : IAsyncLifetime
{
    private readonly TestServer _server = new();

    public ValueTask InitializeAsync() => _server.InitializeAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Predictions_of_both_doors_refusals_and_loads_are_counted_for_their_tenant_alone()
    {
        var (tenant, client) = await _server.CreateTenantAsync();
        var (_, neighbour) = await _server.CreateTenantAsync();
        await PredictionServer.RegisterAsync(_server, tenant.Tenant.Id, "five", PredictionModels.Constant(5));
        await PostAsync(client, "/api/v1/endpoints/five:predict", """{"rows":[{"x":1},{"x":2}]}""");
        await PostAsync(client, "/v2/models/five/infer", """{"inputs":[{"name":"x","shape":[3,1],"datatype":"FP32","data":[1,2,3]}]}""");
        using (await _server.Platform.PutAsync($"/api/v1/tenants/{tenant.Tenant.Name}/limits/predictionsPerSecondMax", new StringContent("""{"value":0.001}""", Encoding.UTF8, "application/json"))) { }
        await PostAsync(client, "/api/v1/endpoints/five:predict", """{"rows":[{"x":1}]}""");
        await PostAsync(client, "/api/v1/endpoints/five:predict", """{"rows":[{"x":1}]}""", HttpStatusCode.TooManyRequests);
        await FlushAsync();

        var day = Assert.Single((await ReadAsync(client, "/api/v1/usage")).Items);
        Assert.Equal((3, 6, 1, 1, null), (day.Requests, day.Samples, day.Refusals, day.ModelLoads, day.Tenant));
        Assert.True(day.ExecutionMs > 0);
        Assert.True(day.ResidentBytesMax > 0);
        Assert.Empty((await ReadAsync(neighbour, "/api/v1/usage")).Items);
        Assert.Equal(tenant.Tenant.Name, Assert.Single((await ReadAsync(_server.Platform, "/api/v1/usage/all")).Items).Tenant);
        Assert.Equal("403 permission-missing", await client.GetAsync("/api/v1/usage/all").CodeAsync());
    }

    [Fact]
    public async Task Days_are_chosen_and_paged()
    {
        var (one, client) = await _server.CreateTenantAsync();
        var (two, _) = await _server.CreateTenantAsync();
        foreach (var tenant in (string[])[one.Tenant.Id, two.Tenant.Id])
        {
            await using var scope = _server.Server.Services.CreateAsyncScope();
            scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenant);
            var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
            for (var day = 1; day <= 5; day++) db.UsageDays().Add(new UsageDay { Day = $"2030-01-0{day}", Requests = day });
            await db.SaveChangesAsync();
        }
        Assert.Equal([2, 3, 4], (await ReadAsync(client, "/api/v1/usage?from=2030-01-02&to=2030-01-04")).Items.Select(day => day.Requests));
        var page = await ReadAsync(client, "/api/v1/usage?from=2030-01-01&to=2030-01-05&limit=2");
        Assert.Equal("2030-01-02", page.Next);
        Assert.Equal([3, 4], (await ReadAsync(client, $"/api/v1/usage?from=2030-01-01&to=2030-01-05&limit=2&after={page.Next}")).Items.Select(day => day.Requests));

        var seen = new List<string>();
        string? after = null;
        do
        {
            var all = await ReadAsync(_server.Platform, $"/api/v1/usage/all?from=2030-01-01&to=2030-01-05&limit=3&after={Uri.EscapeDataString(after ?? "")}");
            seen.AddRange(all.Items.Select(day => $"{day.Day} {day.Tenant}"));
            after = all.Next;
        }
        while (after is not null);
        Assert.Equal(10, seen.Distinct().Count());
        Assert.Equal(seen.Order(StringComparer.Ordinal), seen);
    }

    [Theory]
    [InlineData("from=yesterday")]
    [InlineData("to=2030-02-30")]
    [InlineData("from=2030-1-1")]
    [InlineData("to=0001-01-01")]
    public async Task Days_that_are_none_are_refused(string query)
    {
        Assert.Equal("400 invalid-field", await _server.Platform.GetAsync($"/api/v1/usage?{query}").CodeAsync());
        Assert.Equal("400 invalid-field", await _server.Platform.GetAsync($"/api/v1/usage/all?{query}").CodeAsync());
    }

    [Fact]
    public async Task A_deleted_tenants_usage_is_gone()
    {
        var (tenant, client) = await _server.CreateTenantAsync();
        _server.Server.Services.GetRequiredService<UsageCounters>().CountRun(tenant.Tenant.Id, 1, TimeSpan.Zero);
        await FlushAsync();
        Assert.Single((await ReadAsync(client, "/api/v1/usage")).Items);
        using (await _server.Platform.DeleteAsync($"/api/v1/tenants/{tenant.Tenant.Name}")) { }
        Assert.Empty((await ReadAsync(_server.Platform, "/api/v1/usage/all")).Items);
    }

    private Task FlushAsync() => _server.Server.Services.GetRequiredService<UsageRecorder>().FlushAsync(TestContext.Current.CancellationToken);

    private static async Task PostAsync(HttpClient client, string path, string json, HttpStatusCode expected = HttpStatusCode.OK)
    {
        using var answer = await client.PostAsync(path, new StringContent(json, Encoding.UTF8, "application/json"), TestContext.Current.CancellationToken);
        Assert.Equal(expected, answer.StatusCode);
    }

    private static async Task<Page<UsageResponse>> ReadAsync(HttpClient client, string path)
    {
        using var answer = await client.GetAsync(path, TestContext.Current.CancellationToken);
        return await answer.ReadAsync<Page<UsageResponse>>(HttpStatusCode.OK);
    }
}
