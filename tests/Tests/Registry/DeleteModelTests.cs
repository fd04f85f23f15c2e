using System.Net;
using System.Net.Http.Json;
using System.Text;
using Atoll.Contracts;
using Atoll.Deployments;
using Atoll.Platform.Database;
using Atoll.Registry;
using Atoll.Tests.Prediction;
using Atoll.Tests.Tenancy;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Atoll.Tests.Registry;

/// <summary>What goes with a model or a version, and what happens to those who still use it.</summary>
public sealed class DeleteModelTests(TestServer server, ITestOutputHelper output) : IClassFixture<TestServer>
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/api/v1/models/price")]
    [InlineData("/api/v1/models/price/versions/1")]
    [InlineData(null)]
    public async Task What_is_deleted_leaves_the_memory_at_once(string? path)
    {
        var (tenant, client) = await server.CreateTenantAsync();
        var (other, otherClient) = await server.CreateTenantAsync();
        foreach (var owner in (CreatedTenantResponse[])[tenant, other]) await PredictionServer.RegisterAsync(server, owner.Tenant.Id, "price", PredictionModels.Constant(1));
        await PredictionServer.RegisterAsync(server, tenant.Tenant.Id, "price", PredictionModels.Constant(2));
        var before = Models();
        foreach (var user in (HttpClient[])[client, otherClient]) Assert.Equal(HttpStatusCode.OK, await PredictAsync(user, "?version=1"));
        Assert.Equal(before + 2, Models());

        var deleted = path is null ? await server.Platform.DeleteAsync($"/api/v1/tenants/{tenant.Tenant.Name}", Token).StatusAsync() : await client.DeleteAsync(path, Token).StatusAsync();
        Assert.Equal(HttpStatusCode.NoContent, deleted);
        Assert.Equal(before + 1, Models());
        Assert.Equal(HttpStatusCode.OK, await PredictAsync(otherClient, "?version=1"));

        int Models() => server.Server.Services.GetRequiredService<ServedModels>().Snapshot().Models;
    }

    [Fact]
    public async Task A_prediction_whose_version_was_deleted_on_the_way_answers_404()
    {
        var (tenant, client) = await server.CreateTenantAsync();
        await PredictionServer.RegisterAsync(server, tenant.Tenant.Id, "price", PredictionModels.Constant(1));
        Assert.Equal(HttpStatusCode.OK, await PredictAsync(client, ""));
        await using var scope = server.Server.Services.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenant.Tenant.Id);
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        var version = await db.ModelVersions().SingleAsync(Token);

        // The route is known still; version, memory and bytes are gone, as between the look and the load of another request.
        db.ModelVersions().Remove(version);
        await db.SaveChangesAsync(Token);
        server.Server.Services.GetRequiredService<ServedModels>().Unload(tenant.Tenant.Id, version.ServingDigest);
        File.Delete(Path.Combine(server.DataPath, "blobs", tenant.Tenant.Id, version.ServingDigest[..2], version.ServingDigest));
        Assert.Equal(HttpStatusCode.NotFound, await PredictAsync(client, ""));
        Assert.Equal(HttpStatusCode.NotFound, await client.PostAsync("/v2/models/price/infer", Json("""{"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[1]}]}"""), Token).StatusAsync());
    }

    [Fact]
    public async Task No_alias_ever_names_a_version_that_is_gone()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var (tenant, client) = await server.CreateTenantAsync();
        for (var i = 0; i < 12; i++) await PredictionServer.RegisterAsync(server, tenant.Tenant.Id, "price", PredictionModels.Constant(i));
        await Task.WhenAll(Enumerable.Range(0, 4).Select(worker => Task.Run(async () =>
        {
            var random = new Random(seed + worker);
            for (var round = 0; round < 15; round++)
            {
                var version = random.Next(1, 12);
                if (worker % 2 == 0)
                {
                    using var moved = await client.PutAsJsonAsync(
                        $"/api/v1/models/price/aliases/champion-{worker}", new MoveAliasRequest { Version = version }, AtollJson.Default.MoveAliasRequest, Token);
                    Assert.Contains(moved.StatusCode, (HttpStatusCode[])[HttpStatusCode.OK, HttpStatusCode.NotFound]);
                }
                else
                {
                    using var deleted = await client.DeleteAsync($"/api/v1/models/price/versions/{version}", Token);
                    Assert.Contains(deleted.StatusCode, (HttpStatusCode[])[HttpStatusCode.NoContent, HttpStatusCode.NotFound, HttpStatusCode.Conflict]);
                }
            }
        })));
        await using var scope = server.Server.Services.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenant.Tenant.Id);
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        var versions = await db.ModelVersions().Select(version => version.Number).ToListAsync(Token);
        Assert.True(versions.Count < 12);
        Assert.All(await db.ModelAliases().Select(alias => alias.Version).ToListAsync(Token), named => Assert.Contains(named, versions));
    }

    private static Task<HttpStatusCode> PredictAsync(HttpClient client, string query) =>
        client.PostAsync("/api/v1/endpoints/price:predict" + query, Json("""{"rows":[{"x":1}]}"""), Token).StatusAsync();

    private static StringContent Json(string text) => new(text, Encoding.UTF8, "application/json");
}
