using System.Net;
using System.Text;
using Atoll.Prediction;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Xunit;

namespace Atoll.Tests.Prediction;

/// <summary>How many predictions run and wait, and what happens to those that nobody waits for any more.</summary>
public sealed class AdmissionTests
{
    [Fact]
    public async Task Permits_are_given_in_turn_and_refused_when_too_many_wait()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        using var permits = new RunPermits(Options.Create(new PredictionOptions { RunsMax = 1, WaitingMax = 1 }));
        Assert.Equal(Admission.Admitted, await permits.EnterAsync("ten_a", 10, cancellationToken));
        var second = permits.EnterAsync("ten_a", 10, cancellationToken).AsTask();
        Assert.False(second.IsCompleted);
        Assert.Equal(Admission.Busy, await permits.EnterAsync("ten_a", 10, cancellationToken));
        permits.Leave();
        Assert.Equal(Admission.Admitted, await second);

        // Who gives up makes room for another to wait.
        using var impatient = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var third = permits.EnterAsync("ten_a", 10, impatient.Token).AsTask();
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => third);
        var fourth = permits.EnterAsync("ten_a", 10, cancellationToken).AsTask();
        permits.Leave();
        Assert.Equal(Admission.Admitted, await fourth);
        permits.Leave();
        Assert.Equal(Admission.Admitted, await permits.EnterAsync("ten_a", 10, cancellationToken));
    }

    [Fact]
    public async Task A_tenant_cannot_fill_the_waiting_room()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        using var permits = new RunPermits(Options.Create(new PredictionOptions { RunsMax = 1, WaitingMax = 3 }));
        Assert.Equal(Admission.Admitted, await permits.EnterAsync("ten_a", 2, cancellationToken));
        var waiting = new List<Task<Admission>> { permits.EnterAsync("ten_a", 2, cancellationToken).AsTask(), permits.EnterAsync("ten_a", 2, cancellationToken).AsTask() };
        Assert.Equal(Admission.TenantBusy, await permits.EnterAsync("ten_a", 2, cancellationToken));
        waiting.Add(permits.EnterAsync("ten_b", 2, cancellationToken).AsTask());
        Assert.DoesNotContain(waiting, task => task.IsCompleted);
        Assert.Equal(Admission.Busy, await permits.EnterAsync("ten_c", 2, cancellationToken));
        foreach (var task in waiting)
        {
            permits.Leave();
            Assert.Equal(Admission.Admitted, await task);
        }
    }

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
        var permits = server.Server.Services.GetRequiredService<RunPermits>();

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
            Assert.False(slow.IsCompleted);
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
        Assert.Equal(Admission.Admitted, await permits.EnterAsync("ten_a", 10, cancellationToken));
        permits.Leave();

        Task<HttpResponseMessage> PostAsync(string endpoint, CancellationToken token) =>
            client.PostAsync($"/api/v1/endpoints/{endpoint}:predict", Json("""{"rows":[{"x":0}]}"""), token);

        static StringContent Json(string text) => new(text, Encoding.UTF8, "application/json");
    }
}
