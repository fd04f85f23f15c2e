using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using Atoll.Platform.Telemetry;
using Atoll.Tests.Prediction;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Trace;

namespace Atoll.Tests.Platform.Telemetry;

/// <summary>Alone: the packages of OpenTelemetry listen to every server in the process.</summary>
[Collection(AloneCollection.Name)]
public sealed class TelemetryExportTests : IAsyncLifetime
{
    private const string TraceId = "4bf92f3577b34da6a3ce929d0e0e4736";

    private readonly ConcurrentQueue<(string Path, byte[] Body, string? Credential)> _received = [];
    private WebApplication _collector = null!;
    private string _address = "";

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _collector = builder.Build();
        _collector.Run(async context =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body, context.RequestAborted);
            _received.Enqueue((context.Request.Path, body.ToArray(), context.Request.Headers["x-key"]));
        });
        await _collector.StartAsync(TestContext.Current.CancellationToken);
        _address = _collector.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
    }

    public ValueTask DisposeAsync() => _collector.DisposeAsync();

    [Theory]
    [InlineData("--Telemetry:TraceShare=1", "00", true)]
    [InlineData("--Telemetry:TraceShare=0", "01", false)]
    [InlineData("--Telemetry:TraceAsCallersSay=true", "01", true)]
    [InlineData("--Telemetry:TraceAsCallersSay=true", "00", false)]
    public async Task Metrics_and_chosen_traces_reach_the_collector_also_at_the_stop(string setting, string flags, bool isTraced)
    {
        var server = new TestServer { Settings = [$"--Telemetry:OtlpEndpoint={_address}", "--Telemetry:OtlpProtocol=http", "--Telemetry:OtlpHeaders=x-key=secret", setting] };
        await server.InitializeAsync();
        var (tenant, client) = await server.CreateTenantAsync();
        await PredictionServer.RegisterAsync(server, tenant.Tenant.Id, "five", PredictionModels.Constant(5));
        using (var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/endpoints/five:predict"))
        {
            request.Headers.TryAddWithoutValidation("traceparent", $"00-{TraceId}-00f067aa0ba902b7-{flags}");
            request.Content = new StringContent("""{"rows":[{"x":1}]}""", Encoding.UTF8, "application/json");
            using var answer = await client.SendAsync(request, TestContext.Current.CancellationToken);
            answer.EnsureSuccessStatusCode();
        }
        await server.DisposeAsync();

        var metrics = _received.Where(received => received.Path == "/v1/metrics").ToList();
        Assert.NotEmpty(metrics);
        Assert.All(metrics, received => Assert.Equal("secret", received.Credential));
        foreach (var name in (string[])["nv_inference_count", "http.server.request.duration", "atoll.cache.hits", "dotnet.gc.collections"])
            Assert.Contains(metrics, received => Holds(received.Body, Encoding.UTF8.GetBytes(name)));

        var ofRequest = _received.Where(received => received.Path == "/v1/traces" && Holds(received.Body, Convert.FromHexString(TraceId))).ToList();
        Assert.Equal(isTraced, ofRequest.Count > 0);
        if (!isTraced) return;
        foreach (var word in (string[])["queue", "run", "load", "POST /api/v1/endpoints/{endpoint}:predict", tenant.Tenant.Name])
            Assert.Contains(ofRequest, received => Holds(received.Body, Encoding.UTF8.GetBytes(word)));
    }

    [Theory]
    [InlineData("00000000000000000000000000000001")]
    [InlineData("ffffffffffffffffffffffffffffffff")]
    public void Callers_do_not_decide_by_their_trace_id_whether_they_are_traced(string id)
    {
        var sampler = new TelemetryExport.OwnChoiceSampler(new TraceIdRatioBasedSampler(0.5));
        var caller = new ActivityContext(ActivityTraceId.CreateFromString(id), ActivitySpanId.CreateRandom(), ActivityTraceFlags.Recorded, isRemote: true);
        var chosen = Enumerable.Range(0, 1_000).Count(_ => sampler.ShouldSample(new SamplingParameters(caller, caller.TraceId, "request", ActivityKind.Server)).Decision == SamplingDecision.RecordAndSample);
        Assert.InRange(chosen, 300, 700);
    }

    [Fact]
    public async Task Nothing_is_sent_unless_an_endpoint_is_named()
    {
        await using (var server = new TestServer()) await server.InitializeAsync();
        Assert.Empty(_received);
    }

    private static bool Holds(byte[] body, byte[] what) => body.AsSpan().IndexOf(what) >= 0;
}
