using System.Net;
using System.Net.Http.Json;
using Atoll.Contracts;
using Atoll.Tests.Prediction;
using Atoll.Tests.Serving;
using Xunit;

namespace Atoll.Tests.Deployments;

/// <summary>Which share of the models is served as weights, and why not the others.</summary>
public sealed class DescribeServingTests
{
    [Fact]
    public async Task Operators_see_the_share_of_shared_models_of_all_tenants_and_reasons_without_names_and_numbers()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        await using var server = new TestServer();
        await server.InitializeAsync();
        var (first, client) = await server.CreateTenantAsync();
        var (second, _) = await server.CreateTenantAsync();
        await PredictionServer.RegisterAsync(server, first.Tenant.Id, "one", PredictionModels.Constant(1));
        await PredictionServer.RegisterAsync(server, second.Tenant.Id, "two", PredictionModels.Constant(2));
        foreach (var tenant in (string[])[first.Tenant.Id, second.Tenant.Id])
            await PredictionServer.RegisterAsync(server, tenant, "own", (TestModels.Endless(), PredictionModels.Constant(0).Signature));
        (await client.PutAsync("/api/v1/endpoints/one/pin", null, cancellationToken)).EnsureSuccessStatusCode();

        var serving = (await server.Platform.GetFromJsonAsync("/api/v1/serving", AtollJson.Default.ServingResponse, cancellationToken))!;
        Assert.Equal((4, 2), (serving.Versions, serving.Shared));
        var reason = Assert.Single(serving.OwnReasons);
        Assert.Equal((2, "It has control flow (Loop)."), (reason.Versions, reason.Reason));
        Assert.Equal((1, 1, 1, 0, 1), (serving.Memory.Models, serving.Memory.Shared, serving.Memory.Graphs, serving.Memory.Hot, serving.Memory.Pinned));
        Assert.InRange(serving.Memory.Bytes, serving.Memory.PinnedBytes, serving.Memory.BytesMax);
        Assert.Equal(HttpStatusCode.Forbidden, (await client.GetAsync("/api/v1/serving", cancellationToken)).StatusCode);
    }
}
