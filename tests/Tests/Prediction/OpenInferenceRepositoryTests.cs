using System.Data;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Atoll.Deployments;
using Atoll.Platform.Database;
using Atoll.Platform.Grpc;
using Atoll.Prediction.OpenInference;
using Atoll.Prediction.OpenInference.Grpc;
using Atoll.Prediction.OpenInference.Grpc.Messages;
using Atoll.Serving.Onnx;
using Atoll.Tests.Platform.Grpc;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Atoll.Tests.Prediction;

/// <summary>Configuration, statistics and the repository of the Open Inference Protocol.</summary>
public sealed class OpenInferenceRepositoryTests(PredictionServer server) : IClassFixture<PredictionServer>
{
    [Fact]
    public async Task The_configuration_is_one_from_which_clients_make_requests()
    {
        var text = await server.Client.GetStringAsync("/v2/models/price/config", TestContext.Current.CancellationToken);
        Assert.Equal(
            """
            {"name":"price","platform":"onnxruntime_onnx","backend":"onnxruntime","version_policy":{"all":{}},"max_batch_size":100,"input":[{"name":"rooms","data_type":"TYPE_FP32","format":"FORMAT_NONE","dims":[1],"is_shape_tensor":false,"allow_ragged_batch":false,"optional":false}],"output":[{"name":"value","data_type":"TYPE_FP32","dims":[1],"reshape":{"shape":[]},"label_filename":"","is_shape_tensor":false},{"name":"lower","data_type":"TYPE_FP32","dims":[1],"reshape":{"shape":[]},"label_filename":"","is_shape_tensor":false},{"name":"upper","data_type":"TYPE_FP32","dims":[1],"reshape":{"shape":[]},"label_filename":"","is_shape_tensor":false}],"instance_group":[{"name":"price","kind":"KIND_CPU","count":1}],"default_model_filename":"model.onnx","parameters":{},"model_transaction_policy":{"decoupled":false}}
            """, text);
        Assert.Equal(text, await server.Client.GetStringAsync("/v2/models/price/versions/1/config", TestContext.Current.CancellationToken));

        // An input of one dimension has no batch in front of it.
        var intents = JsonNode.Parse(await server.Client.GetStringAsync("/v2/models/intents/config", TestContext.Current.CancellationToken))!;
        Assert.Equal(0, (int)intents["max_batch_size"]!);
        Assert.Equal("TYPE_STRING", (string)intents["input"]![0]!["data_type"]!);
        Assert.Equal("[-1]", intents["input"]![0]!["dims"]!.ToJsonString());
    }

    [Fact]
    public async Task A_model_is_brought_into_memory_when_its_request_is_there_whole()
    {
        // A model that no other test has in memory under another name.
        await server.RegisterAsync("trickled", PredictionModels.Echo(("trickled", TensorElementType.Float, "FP32")));
        const string Body = """{"inputs":[{"name":"trickled","shape":[1,2],"datatype":"FP32","data":[1,2]}]}""";
        var address = new Uri(server.Server.Server.Address);
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(address.Host, address.Port, TestContext.Current.CancellationToken);
        await using var stream = tcp.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(
            $"POST /v2/models/trickled/infer HTTP/1.1\r\nHost: {address.Authority}\r\nAuthorization: {server.Client.DefaultRequestHeaders.Authorization}\r\n"
            + $"Content-Type: application/json\r\nContent-Length: {Body.Length}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"), TestContext.Current.CancellationToken);
        using var reader = new StreamReader(stream, Encoding.ASCII);

        // The server says 'continue' once the handler reads, and then has nothing to read.
        Assert.StartsWith("HTTP/1.1 100", await reader.ReadLineAsync(TestContext.Current.CancellationToken));
        Assert.Empty((await StatsAsync("/v2/models/trickled/stats"))["memory_usage"]!.AsArray());
        await stream.WriteAsync(Encoding.ASCII.GetBytes(Body), TestContext.Current.CancellationToken);
        Assert.Contains("HTTP/1.1 200", await reader.ReadToEndAsync(TestContext.Current.CancellationToken));
        Assert.NotEmpty((await StatsAsync("/v2/models/trickled/stats"))["memory_usage"]!.AsArray());
    }

    [Fact]
    public async Task A_model_whose_artifact_is_damaged_is_not_ready_and_says_so_everywhere()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var (tenant, client) = await server.Server.CreateTenantAsync();
        await PredictionServer.RegisterAsync(server.Server, tenant.Tenant.Id, "broken", PredictionModels.Price());
        Assert.Equal(200, (int)(await client.GetAsync("/v2/models/broken/ready", cancellationToken)).StatusCode);
        server.Server.Server.Services.GetRequiredService<ServedModels>().Forget(tenant.Tenant.Id);
        foreach (var blob in Directory.EnumerateFiles(Path.Combine(server.Server.DataPath, "blobs", tenant.Tenant.Id), "*", SearchOption.AllDirectories))
            await File.WriteAllTextAsync(blob, "not what was stored", cancellationToken);

        Assert.Equal(503, (int)(await client.GetAsync("/v2/models/broken/ready", cancellationToken)).StatusCode);
        using var infer = await client.PostAsync(
            "/v2/models/broken/infer", new StringContent("""{"inputs":[{"name":"rooms","shape":[1,1],"datatype":"FP32","data":[1]}]}"""), cancellationToken);
        Assert.Equal(503, (int)infer.StatusCode);
        Assert.Contains("damaged or lost", await infer.Content.ReadAsStringAsync(cancellationToken));
        using var predict = await client.PostAsync("/api/v1/endpoints/broken:predict", new StringContent("""{"rows":[{"rooms":1}]}""", null, "application/json"), cancellationToken);
        Assert.Equal((503, "artifact-damaged"), ((int)predict.StatusCode, (string)JsonNode.Parse(await predict.Content.ReadAsStringAsync(cancellationToken))!["code"]!));
        using var download = await client.GetAsync("/api/v1/models/broken/versions/1/artifact", cancellationToken);
        Assert.Equal((503, "artifact-damaged"), ((int)download.StatusCode, (string)JsonNode.Parse(await download.Content.ReadAsStringAsync(cancellationToken))!["code"]!));
    }

    /// <summary>The second request is told from memory: had it been tried again, the log would have another line.</summary>
    [Fact]
    public async Task A_model_that_cannot_be_loaded_says_why_and_for_how_long_it_is_not_tried_again()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var made = PredictionModels.Price();
        await server.RegisterAsync("hopeless", (made.Onnx[..^20], made.Signature));
        var models = server.Server.Server.Services.GetRequiredService<ServedModels>();
        var failures = models.Snapshot().Failures;
        for (var i = 0; i < 2; i++)
        {
            using var predict = await server.Client.PostAsync("/api/v1/endpoints/hopeless:predict", new StringContent("""{"rows":[{"rooms":1}]}""", null, "application/json"), cancellationToken);
            var problem = JsonNode.Parse(await predict.Content.ReadAsStringAsync(cancellationToken))!;
            Assert.Equal((503, "model-not-loadable", TimeSpan.FromSeconds(5)), ((int)predict.StatusCode, (string)problem["code"]!, predict.Headers.RetryAfter!.Delta!.Value));
            Assert.Contains("Version 1 of the model 'hopeless' could not be loaded", (string)problem["detail"]!);
            Assert.Contains("protobuf", (string)problem["detail"]!, StringComparison.OrdinalIgnoreCase);
            using var infer = await PostAsync("/v2/models/hopeless/infer", """{"inputs":[{"name":"rooms","shape":[1,1],"datatype":"FP32","data":[1]}]}""");
            Assert.Equal((503, TimeSpan.FromSeconds(5)), ((int)infer.StatusCode, infer.Headers.RetryAfter!.Delta!.Value));
            using var load = await PostAsync("/v2/repository/models/hopeless/load", "");
            Assert.Equal(400, (int)load.StatusCode);
            Assert.Contains("failed to load 'hopeless'", await load.Content.ReadAsStringAsync(cancellationToken));
        }
        Assert.Equal(1, models.Snapshot().Failures - failures);
    }

    [Fact]
    public async Task Statistics_count_samples_runs_and_times_until_the_model_leaves_memory()
    {
        await server.RegisterAsync("counted", PredictionModels.Price());
        var stats = await StatsAsync("/v2/models/counted/stats");
        Assert.Equal((0, 0, 0), (Count(stats, "success"), (long)stats["inference_count"]!, (long)stats["last_inference"]!));

        for (var i = 0; i < 2; i++)
        {
            using var answer = await PostAsync("/v2/models/counted/infer", """{"inputs":[{"name":"rooms","shape":[3,1],"datatype":"FP32","data":[1,2,3]}]}""");
            Assert.Equal(200, (int)answer.StatusCode);
        }
        await server.PredictAsync("counted", """{"rows":[{"rooms":1},{"rooms":2}]}""");
        using (var bad = await PostAsync("/v2/models/counted/infer", """{"inputs":[]}""")) Assert.Equal(400, (int)bad.StatusCode);

        stats = await StatsAsync("/v2/models/counted/versions/1/stats");
        Assert.Equal(("counted", "1"), ((string)stats["name"]!, (string)stats["version"]!));
        Assert.Equal((8, 3), ((long)stats["inference_count"]!, (long)stats["execution_count"]!));
        Assert.Equal((3, 0, 3, 3, 3, 3), (Count(stats, "success"), Count(stats, "fail"), Count(stats, "queue"), Count(stats, "compute_input"), Count(stats, "compute_infer"), Count(stats, "compute_output")));
        var times = stats["inference_stats"]!;
        Assert.True((long)times["success"]!["ns"]! >= (long)times["compute_infer"]!["ns"]! && (long)times["compute_infer"]!["ns"]! > 0);
        var now = server.Server.Server.Services.GetRequiredService<TimeProvider>().GetUtcNow().ToUnixTimeMilliseconds();
        Assert.InRange((long)stats["last_inference"]!, now - 600_000, now);
        Assert.True((long)stats["memory_usage"]![0]!["byte_size"]! > 0);

        var all = JsonNode.Parse(await server.Client.GetStringAsync("/v2/models/stats", TestContext.Current.CancellationToken))!["model_stats"]!.AsArray();
        Assert.Single(all, one => (string)one!["name"]! == "counted");

        using (var unload = await PostAsync("/v2/repository/models/counted/unload", """{"parameters":{"unload_dependents":false}}""")) Assert.Equal(200, (int)unload.StatusCode);
        all = JsonNode.Parse(await server.Client.GetStringAsync("/v2/models/stats", TestContext.Current.CancellationToken))!["model_stats"]!.AsArray();
        Assert.DoesNotContain(all, one => (string)one!["name"]! == "counted");
        stats = await StatsAsync("/v2/models/counted/stats");
        Assert.Equal((0, 0), (Count(stats, "success"), stats["memory_usage"]!.AsArray().Count));
    }

    [Fact]
    public async Task The_index_lists_every_version_and_only_the_tenants_own()
    {
        await server.RegisterAsync("listed", PredictionModels.Constant(1));
        await server.RegisterAsync("listed", PredictionModels.Constant(2));
        foreach (var body in (string[])["", "{}", """{"ready":true}""", """{"ready":false}"""])
        {
            using var answer = await PostAsync("/v2/repository/index", body);
            var index = JsonNode.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!.AsArray();
            Assert.Equal(
                ["""{"name":"listed","version":"1","state":"READY","reason":""}""", """{"name":"listed","version":"2","state":"READY","reason":""}"""],
                index.Where(row => (string)row!["name"]! == "listed").Select(row => row!.ToJsonString()));
        }
        var (_, other) = await server.Server.CreateTenantAsync();
        using var theirs = await other.PostAsync("/v2/repository/index", null, TestContext.Current.CancellationToken);
        Assert.Equal("[]", await theirs.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_long_index_is_whole_over_http_keeps_no_reader_open_and_is_refused_over_grpc()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var (tenant, client) = await server.Server.CreateTenantAsync();
        foreach (var name in (string[])["a", "b", "c"]) await PredictionServer.RegisterAsync(server.Server, tenant.Tenant.Id, name, PredictionModels.Constant(1));
        await using var scope = server.Server.Server.Services.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenant.Tenant.Id);
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        await AddVersionsAsync("b", 2, GrpcInference.ListMax - 2);

        // Between two rows of a page the connection is free.
        var rows = new List<(string Name, int Number)>();
        await foreach (var row in EndpointVersion.ReadAllAsync(db, cancellationToken))
        {
            Assert.Equal(ConnectionState.Closed, db.Database.GetDbConnection().State);
            rows.Add((row.Name, row.Number));
        }
        Assert.Equal([("a", 1), .. Enumerable.Range(1, GrpcInference.ListMax - 2).Select(number => ("b", number)), ("c", 1)], rows);

        using var grpc = new GrpcTestClient(server.Server.Server.Address, client.DefaultRequestHeaders.Authorization!.Parameter);
        var (index, _) = await grpc.CallAsync<RepositoryIndexResponse>("/inference.GRPCInferenceService/RepositoryIndex", new RepositoryIndexRequest());
        Assert.Equal(GrpcInference.ListMax, index!.Models.Count);
        await AddVersionsAsync("a", 2, 2);
        var (_, refused) = await grpc.CallAsync<RepositoryIndexResponse>("/inference.GRPCInferenceService/RepositoryIndex", new RepositoryIndexRequest());
        Assert.Equal((StatusCode.ResourceExhausted, "There are more than 50000 versions, too many for one message. Over HTTP POST /v2/repository/index sends all of them."), (refused.Status, refused.Message));
        using var answer = await client.PostAsync("/v2/repository/index", null, cancellationToken);
        Assert.Equal(GrpcInference.ListMax + 1, JsonNode.Parse(await answer.Content.ReadAsStringAsync(cancellationToken))!.AsArray().Count);

        Task AddVersionsAsync(string model, int from, int to) => db.Database.ExecuteSqlAsync(
            $"""
            WITH RECURSIVE numbers(number) AS (SELECT {from} UNION ALL SELECT number + 1 FROM numbers WHERE number < {to})
            INSERT INTO model_versions ("Id", "TenantId", "ModelId", "Number", "Digest", "Bytes", "ServingDigest", "ReportDigest", "Algorithm", "Signature", "Metrics", "Lineage", "CreatedUtc")
            SELECT models."Id" || '_' || number, models."TenantId", models."Id", number, '', 0, '', '', '', '', '', '', models."CreatedUtc"
            FROM numbers JOIN models ON models."Name" = {model} AND models."TenantId" = {tenant.Tenant.Id}
            """, cancellationToken);
    }

    [Fact]
    public async Task Load_brings_a_model_into_memory_and_unload_takes_it_out()
    {
        await server.RegisterAsync("moved", PredictionModels.Constant(3));
        foreach (var body in (string[])["", "{}", """{"parameters":{}}"""])
        {
            using var load = await PostAsync("/v2/repository/models/moved/load", body);
            Assert.Equal((200, ""), ((int)load.StatusCode, await load.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)));
            Assert.True(await IsLoadedAsync());
            using var unload = await PostAsync("/v2/repository/models/moved/unload", body);
            Assert.Equal((200, ""), ((int)unload.StatusCode, await unload.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)));
            Assert.False(await IsLoadedAsync());
        }
        using var answer = await PostAsync("/v2/models/moved/infer", """{"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[1]}]}""");
        Assert.Equal(200, (int)answer.StatusCode);

        async Task<bool> IsLoadedAsync()
        {
            var services = server.Server.Server.Services;
            var route = await services.GetRequiredService<RouteTable>().FindAsync(server.TenantId, "moved", null, TestContext.Current.CancellationToken);
            if (!services.GetRequiredService<ServedModels>().TryPeek(server.TenantId, route!.ServingDigest, out var lease)) return false;
            lease.Dispose();
            return true;
        }
    }

    [Theory]
    [InlineData("/v2/repository/index", "{", 400, "failed to parse the request JSON buffer")]
    [InlineData("/v2/repository/index", "[]", 400, "failed to parse the request JSON buffer")]
    [InlineData("/v2/repository/index", """{"ready":1}""", 400, "Unable to parse 'ready'")]
    [InlineData("/v2/repository/index", """{"a":[[[[[[[[[[[[1]]]]]]]]]]]]}""", 400, "failed to parse the request JSON buffer")]
    [InlineData("/v2/repository/models/nobody/load", "", 404, "failed to load 'nobody', failed to poll from model repository")]
    [InlineData("/v2/repository/models/nobody/unload", "", 404, "Request for unknown model: 'nobody' is not found")]
    [InlineData("/v2/repository/models/price/load", """{"parameters":{"file:1/model.onnx":"AAAA"}}""", 400, "failed to load 'price', the parameter 'config' is required when a file is given")]
    [InlineData("/v2/repository/models/price/load", """{"parameters":{"config":"{}","file:1/model.onnx":"A!"}}""", 400, "failed to load 'price', unable to parse 'file:1/model.onnx', expected a string of base64")]
    [InlineData("/v2/repository/models/price/load", """{"parameters":{"config":"{}","file:1/model.onnx":1}}""", 400, "failed to load 'price', unable to parse 'file:1/model.onnx', expected a string of base64")]
    [InlineData("/v2/repository/models/price/load", """{"parameters":{"config":"{}","file:1/a.onnx":"AAAA","file:1/b.onnx":"AAAA"}}""", 400, "failed to load 'price', there are two files of the version 1")]
    [InlineData("/v2/repository/models/price/load", """{"parameters":{"config":"{}","file:../../model.onnx":"AAAA"}}""", 400, "failed to load 'price', parameter 'file:../../model.onnx' is not a file of a version")]
    [InlineData("/v2/repository/models/Bad%20Name/load", """{"parameters":{"config":"{}","file:1/model.onnx":"AAAA"}}""", 400, "failed to load 'Bad Name', ")]
    [InlineData("/v2/repository/models/price/load", """{"parameters":{"config":{}}}""", 400, "failed to load 'price', unable to parse 'config', expected a string")]
    [InlineData("/v2/repository/models/price/load", """{"parameters":{"config":"{"}}""", 400, "failed to load 'price', unable to parse 'config': ")]
    [InlineData("/v2/repository/models/price/load", """{"parameters":{"config":"[]"}}""", 400, "failed to load 'price', unable to parse 'config': ")]
    [InlineData("/v2/repository/models/price/load", """{"parameters":{"config":"{\"max_batch_size\":1e99}"}}""", 400, "failed to load 'price', unable to parse 'config': ")]
    [InlineData("/v2/repository/models/price/load", """{"parameters":{"config":"{\"name\":\"other\"}"}}""", 400, "failed to load 'price', 'config' is of the model 'other'")]
    [InlineData("/v2/repository/models/price/load", """{"parameters":{"config":"{\"platform\":\"tensorrt_plan\"}"}}""", 501, "failed to load 'price', the platform 'tensorrt_plan' is not supported")]
    [InlineData("/v2/repository/models/price/load", """{"parameters":{"config":"{\"backend\":\"python\"}"}}""", 501, "failed to load 'price', the backend 'python' is not supported")]
    [InlineData("/v2/repository/models/nobody/load", """{"parameters":{"config":"{}"}}""", 404, "failed to load 'nobody', failed to poll from model repository")]
    [InlineData("/v2/repository/models/price/load", """{"parameters":{"colour":1}}""", 400, "failed to load 'price', unrecognized parameter 'colour'")]
    [InlineData("/v2/repository/models/price/load", """{"parameters":[]}""", 400, "Unable to parse 'parameters'")]
    [InlineData("/v2/repository/models/price/unload", """{"parameters":{"unload_dependents":"no"}}""", 400, "Unable to parse 'unload_dependents'")]
    [InlineData("/v2/repository/models/price/unload", """{"parameters":{"\ud800":1}}""", 400, "failed to parse the request JSON buffer")]
    [InlineData("/v2/repository/models/price", "", 404, "Not Found")]
    public async Task What_the_repository_does_not_do_is_refused_in_the_words_of_the_protocol(string path, string body, int status, string error)
    {
        using var answer = await PostAsync(path, body);
        var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(status == (int)answer.StatusCode, text);
        Assert.StartsWith(error, (string)JsonNode.Parse(text)!["error"]!, StringComparison.Ordinal);
    }

    private static long Count(JsonNode stats, string step) => (long)stats["inference_stats"]![step]!["count"]!;

    private async Task<JsonNode> StatsAsync(string path) =>
        Assert.Single(JsonNode.Parse(await server.Client.GetStringAsync(path, TestContext.Current.CancellationToken))!["model_stats"]!.AsArray())!;

    private Task<HttpResponseMessage> PostAsync(string path, string body) =>
        server.Client.PostAsync(path, body.Length == 0 ? null : new StringContent(body), TestContext.Current.CancellationToken);
}
