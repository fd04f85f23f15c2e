using System.Globalization;
using System.Net;
using System.Text;
using Atoll.Contracts;
using Atoll.Tests.Prediction;
using Atoll.Tests.Tenancy;

namespace Atoll.Tests.Platform.Telemetry;

public sealed class GetMetricsTests(PredictionServer server) : IClassFixture<PredictionServer>
{
    private const string Row = """{"rows":[{"x":1}]}""";

    [Fact]
    public async Task Predictions_are_counted_by_Tritons_names_and_by_the_pattern_of_their_address()
    {
        // A model of its own: the same bytes would be in memory already.
        await server.RegisterAsync("counted", PredictionModels.Constant(4711));
        var before = await ReadAsync();
        await server.PredictAsync("counted", """{"rows":[{"x":1},{"x":2},{"x":3}]}""");
        await server.PredictAsync("counted", Row);
        using (await server.Client.PostAsync("/api/v1/endpoints/nowhere:predict", new StringContent(Row, Encoding.UTF8, "application/json"), TestContext.Current.CancellationToken)) { }
        var after = await ReadAsync();

        // Other servers of this process count in these, too.
        Assert.InRange(Grown("nv_inference_request_success"), 2, int.MaxValue);
        Assert.InRange(Grown("nv_inference_count"), 4, int.MaxValue);
        Assert.InRange(Grown("nv_inference_exec_count"), 2, int.MaxValue);
        Assert.InRange(Grown("atoll_cache_loads_total"), 1, 1);

        // A request that the express lane passes on has looked twice.
        Assert.InRange(Grown("atoll_cache_hits_total"), 1, 2);
        Assert.Equal(1, Grown("atoll_cache_load_duration_seconds_count"));
        Assert.InRange(after["atoll_cache_size_bytes"], 1, after["atoll_cache_limit_bytes"]);
        const string Route = "http_route=\"/api/v1/endpoints/{endpoint}:predict\"";
        Assert.Equal(2, after.Sum("http_server_request_duration_seconds_count", $"http_response_status_code=\"200\",{Route}") - before.Sum("http_server_request_duration_seconds_count", $"http_response_status_code=\"200\",{Route}"));
        Assert.InRange(after.Sum("http_server_request_duration_seconds_count", $"http_response_status_code=\"404\",{Route}"), 1, 1);

        double Grown(string series) => after[series] - before[series];
    }

    [Fact]
    public async Task No_label_names_a_tenant_a_model_or_an_endpoint()
    {
        await server.RegisterAsync("churn-of-somebody", PredictionModels.Constant(5));
        await server.PredictAsync("churn-of-somebody", Row);
        var lines = await ReadAsync();
        foreach (var series in lines.Series.Where(series => series.Contains('{', StringComparison.Ordinal)))
        {
            Assert.DoesNotContain("churn-of-somebody", series, StringComparison.Ordinal);
            Assert.DoesNotMatch("\"tenant-[0-9]", series);
            Assert.DoesNotContain(server.TenantId, series, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_refusal_of_the_queue_is_counted_with_its_reason()
    {
        await using var limited = new TestServer { Settings = ["--TenantLimits:PredictionsPerSecondMax=0.001"] };
        await limited.InitializeAsync();
        var (tenant, client) = await limited.CreateTenantAsync();
        await PredictionServer.RegisterAsync(limited, tenant.Tenant.Id, "fast", PredictionModels.Constant(5));
        for (var i = 0; i < 3; i++)
            using (await client.PostAsync("/api/v1/endpoints/fast:predict", new StringContent(Row, Encoding.UTF8, "application/json"), TestContext.Current.CancellationToken)) { }
        var lines = new PrometheusLines(await limited.Platform.GetStringAsync("/metrics", TestContext.Current.CancellationToken));
        Assert.Equal(2, lines["atoll_predictions_refused_total{reason=\"too-often\"}"]);
        Assert.Equal(0, lines["atoll_predictions_refused_total{reason=\"full\"}"]);
    }

    [Fact]
    public async Task A_call_of_gRPC_that_failed_is_counted_with_its_own_status()
    {
        byte[] unknownModel = [0, 0, 0, 0, 3, 0x0a, 1, (byte)'x'];
        using var request = new HttpRequestMessage(HttpMethod.Post, "/inference.GRPCInferenceService/ModelMetadata")
        {
            Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new ByteArrayContent(unknownModel),
        };
        request.Content.Headers.ContentType = new("application/grpc");
        using (await server.Client.SendAsync(request, TestContext.Current.CancellationToken)) { }
        Assert.Equal(1, (await ReadAsync()).Sum("http_server_request_duration_seconds_count", "http_route=\"/inference.GRPCInferenceService/ModelMetadata\",rpc_grpc_status_code=\"NotFound\""));
    }

    [Fact]
    public async Task Jobs_that_wait_are_counted_by_kind_and_state()
    {
        var lines = await ReadAsync();
        Assert.Contains("atoll_jobs{kind=\"training.run\",state=\"queued\"}", lines.Series);
        Assert.Contains("atoll_jobs{kind=\"training.run\",state=\"running\"}", lines.Series);
    }

    [Fact]
    public async Task Only_principals_of_the_platform_with_the_permission_read_metrics()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        await server.Server.Platform.CreatePrincipalAsync("prometheus", [Permissions.PlatformObserve]);
        using var prometheus = server.Server.ClientFor((await server.Server.Platform.CreateKeyAsync("prometheus")).Secret);
        using var answer = await prometheus.GetAsync("/metrics", cancellationToken);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", answer.Content.Headers.ContentType!.ToString());
        Assert.Equal(HttpStatusCode.Forbidden, await prometheus.GetAsync("/api/v1/tenants", cancellationToken).StatusAsync());

        Assert.Equal("403 permission-missing", await server.Client.GetAsync("/metrics", cancellationToken).CodeAsync());
        Assert.Equal("400 invalid-field", await server.Client.PutAsync($"/api/v1/principals/admin/grants/{Permissions.PlatformObserve}", null, cancellationToken).CodeAsync());
        using var nobody = server.Server.ClientFor(null);
        Assert.Equal(HttpStatusCode.Unauthorized, await nobody.GetAsync("/metrics", cancellationToken).StatusAsync());
    }

    [Fact]
    public async Task The_page_of_metrics_is_made_from_their_own_words()
    {
        // A server of its own: labels come with what happened.
        await using var own = new TestServer();
        await own.InitializeAsync();
        var (tenant, client) = await own.CreateTenantAsync();
        await PredictionServer.RegisterAsync(own, tenant.Tenant.Id, "loaded", PredictionModels.Constant(5));
        using (await client.PostAsync("/api/v1/endpoints/loaded:predict", new StringContent(Row, Encoding.UTF8, "application/json"), TestContext.Current.CancellationToken)) { }
        var text = await own.Platform.GetStringAsync("/metrics", TestContext.Current.CancellationToken);
        var lines = new PrometheusLines(text);
        var page = new StringBuilder("""
            # Metrics

            What `GET /metrics` tells, in the text format of Prometheus; who may read it and how to chart it is in [observe](../guides/observe.md). Counts begin at zero
            with the process. Metrics whose names begin with `dotnet_` are the runtime's own: memory and pauses of the garbage collector, processor time, working set, thread pool, locks,
            exceptions. They are described in [its documentation](https://learn.microsoft.com/dotnet/core/diagnostics/built-in-metrics-runtime).

            This page is made by a test from what the metrics say of themselves; change that.

            | Name | Type | Labels | Meaning |
            |---|---|---|---|

            """);
        foreach (var help in text.Split('\n').Where(line => line.StartsWith("# HELP ", StringComparison.Ordinal) && !line.StartsWith("# HELP dotnet_", StringComparison.Ordinal)))
        {
            var name = help.Split(' ')[2];
            var labels = lines.Series.Where(series => series.StartsWith(name + "{", StringComparison.Ordinal) || series.StartsWith(name + "_bucket{", StringComparison.Ordinal))
                .SelectMany(series => series[(series.IndexOf('{', StringComparison.Ordinal) + 1)..^1].Split("\",").Select(label => label.Split('=')[0])).Where(label => label != "le").Distinct().Order(StringComparer.Ordinal);
            page.Append(CultureInfo.InvariantCulture, $"| `{name}` | {lines.Types[name]} | {string.Join(", ", labels.Select(label => $"`{label}`"))} | {help[$"# HELP {name} ".Length..]} |\n");
        }
        Golden.Check("docs/reference/metrics.md", page.ToString());
    }

    private async Task<PrometheusLines> ReadAsync() => new(await server.Server.Platform.GetStringAsync("/metrics", TestContext.Current.CancellationToken));
}
