using System.Net;
using System.Text;
using Xunit;

namespace Atoll.Tests.Prediction;

/// <summary>What a full server answers, and what happens to runs that nobody waits for any more.</summary>
public sealed class AdmissionTests
{
    /// <summary>One model runs for long: it holds the only permit until its caller goes away, and only then can another run.</summary>
    [Fact]
    public async Task A_full_server_refuses_at_once_and_a_run_stops_when_its_caller_goes_away()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        await using var server = new TestServer { Settings = ["--Prediction:RunsMax=1", "--Prediction:WaitingMax=0"] };
        await server.InitializeAsync();
        var (tenant, client) = await server.CreateTenantAsync();
        await PredictionServer.RegisterAsync(server, tenant.Tenant.Id, "slow", PredictionModels.Slow());
        await PredictionServer.RegisterAsync(server, tenant.Tenant.Id, "fast", PredictionModels.Constant(5));

        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var slow = PostAsync("slow", leaving.Token);

        // The slow one has its permit once another is refused; until then this one simply runs.
        while (true)
        {
            using var answer = await PostAsync("fast", cancellationToken);
            if (answer.StatusCode == HttpStatusCode.ServiceUnavailable)
            {
                Assert.Equal(TimeSpan.FromSeconds(1), answer.Headers.RetryAfter!.Delta);
                Assert.Contains("busy", await answer.Content.ReadAsStringAsync(cancellationToken), StringComparison.Ordinal);
                break;
            }
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            if (!slow.IsCompleted) continue;

            // A fast one had the only place when it came.
            using var refused = await slow;
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
            slow = PostAsync("slow", leaving.Token);
        }
        using (var infer = await client.PostAsync("/v2/models/fast/infer", Json("""{"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[1]}]}"""), cancellationToken))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, infer.StatusCode);
            Assert.StartsWith("{\"error\":", await infer.Content.ReadAsStringAsync(cancellationToken), StringComparison.Ordinal);
        }

        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => slow);
        while (true)
        {
            using var answer = await PostAsync("fast", cancellationToken);
            if (answer.StatusCode == HttpStatusCode.OK) break;
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        }

        Task<HttpResponseMessage> PostAsync(string endpoint, CancellationToken token) =>
            client.PostAsync($"/api/v1/endpoints/{endpoint}:predict", Json("""{"rows":[{"x":0}]}"""), token);

        static StringContent Json(string text) => new(text, Encoding.UTF8, "application/json");
    }

    [Fact]
    public async Task A_tenant_that_asks_too_often_is_told_when_to_come_back_and_others_are_not()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        await using var server = new TestServer { Settings = ["--TenantLimits:PredictionsPerSecondMax=0.5"] };
        await server.InitializeAsync();
        var (tenant, client) = await server.CreateTenantAsync();
        var (other, neighbour) = await server.CreateTenantAsync();
        await PredictionServer.RegisterAsync(server, tenant.Tenant.Id, "fast", PredictionModels.Constant(5));
        await PredictionServer.RegisterAsync(server, other.Tenant.Id, "fast", PredictionModels.Constant(5));

        Assert.Equal(HttpStatusCode.OK, (await AskAsync(client)).StatusCode);
        var refused = await AskAsync(client);
        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 2);
        Assert.Contains("predictionsPerSecondMax", await refused.Content.ReadAsStringAsync(cancellationToken), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(neighbour)).StatusCode);

        Task<HttpResponseMessage> AskAsync(HttpClient of) => of.PostAsync(
            "/api/v1/endpoints/fast:predict", new StringContent("""{"rows":[{"x":0}]}""", Encoding.UTF8, "application/json"), cancellationToken);
    }
}
