using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.Deployments;
using Atoll.Serving;
using Atoll.Tests.Prediction;
using Atoll.Tests.Serving;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Atoll.Tests.Deployments;

/// <summary>What clients see of a model that gets hot and cools: answers, and nothing else.</summary>
public sealed class HotModelTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_hot_model_gets_a_session_of_its_own_and_loses_it_when_it_cools_while_its_answers_stay_equal()
    {
        // Whatever was asked at all is hot, its own session always pays, and only the test looks.
        await using var server = new TestServer
        {
            Configure = builder =>
            {
                builder.Services.AddSingleton(new HotModelOptions { Share = 1e-9, GainMin = -1_000 });
                builder.Services.Remove(builder.Services.Single(service => service.ImplementationType == typeof(HotModelWatch)));
            },
        };
        await server.InitializeAsync();
        var (tenant, client) = await server.CreateTenantAsync();
        await PredictionServer.RegisterAsync(server, tenant.Tenant.Id, "dense", (HotModelsTests.Dense(), new ModelSignature
        {
            Task = TaskKinds.Tensors, SampleType = SampleTypes.Tensors,
            Inputs = [new TensorSpec { Name = "x", Datatype = "FP32", Shape = [-1, 64] }], Outputs = [new TensorSpec { Name = "y", Datatype = "FP32", Shape = [-1, 1] }],
        }));
        var models = server.Server.Services.GetRequiredService<ServedModels>();
        var expected = await AskAsync();
        Assert.Equal(0, await HotAsync());

        await models.Hot.TickAsync(Token);
        Assert.Equal(1, await HotAsync());
        Assert.Equal(expected, await AskAsync(), 1e-5f);

        // Asked since the last look: still hot. Not asked: not any more.
        await models.Hot.TickAsync(Token);
        Assert.Equal(1, await HotAsync());
        await models.Hot.TickAsync(Token);
        Assert.Equal(0, await HotAsync());
        Assert.Equal(expected, await AskAsync(), 1e-5f);
        Assert.Equal(new HotModelsSnapshot(0, 1, 1, 1), models.Hot.Snapshot());

        async Task<float> AskAsync()
        {
            using var answer = await client.PostAsJsonAsync("/v2/models/dense/infer", new
            {
                inputs = new[] { new { name = "x", datatype = "FP32", shape = new[] { 1, 64 }, data = Enumerable.Range(0, 64).Select(i => i / 64f) } },
            }, Token);
            var text = await answer.Content.ReadAsStringAsync(Token);
            Assert.True(answer.IsSuccessStatusCode, text);
            return (float)JsonNode.Parse(text)!["outputs"]![0]!["data"]![0]!;
        }

        async Task<long> HotAsync() => (await server.Platform.GetFromJsonAsync("/api/v1/serving", AtollJson.Default.ServingResponse, Token))!.Memory.Hot;
    }
}
