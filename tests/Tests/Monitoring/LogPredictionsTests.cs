using System.Net;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.Prediction.OpenInference.Grpc.Messages;
using Atoll.Tests.Platform.Grpc;
using Atoll.Tests.Platform.Imaging;
using Atoll.Tests.Prediction;
using Atoll.Tests.Tenancy;
using Google.Protobuf;
using InputTensor = Atoll.Prediction.OpenInference.Grpc.Messages.ModelInferRequest.Types.InferInputTensor;

namespace Atoll.Tests.Monitoring;

public sealed class LogPredictionsTests(PredictionServer server) : IClassFixture<PredictionServer>
{
    private const string Trace = "4bf92f3577b34da6a3ce929d0e0e4736";

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nothing_is_kept_unless_the_tenant_asks_for_it()
    {
        await server.RegisterAsync("silent", PredictionModels.Constant(5));
        await server.PredictAsync("silent", """{"rows":[{"x":1}]}""");
        var log = await ReadAsync("silent");
        Assert.Equal((0, 30), (log.Rate, log.Days));
        Assert.Empty(log.Files);
    }

    [Fact]
    public async Task Rows_are_kept_with_answer_version_time_and_trace_and_without_the_credential()
    {
        await server.RegisterAsync("kept-rows", PredictionModels.Churn());
        await PutAsync("kept-rows", """{"rate":1,"days":7}""");
        using (var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/endpoints/kept-rows:predict?unknown=ignore"))
        {
            request.Headers.TryAddWithoutValidation("traceparent", $"00-{Trace}-00f067aa0ba902b7-01");
            request.Content = new StringContent("""{"rows":[{"age":60,"married":"Yes","nonsense":1},{"city":"Paris"}]}""", Encoding.UTF8, "application/json");
            using var answer = await server.Client.SendAsync(request, Cancelled);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }
        await server.PredictAsync("kept-rows", new StringContent("age,city\n20,Rome\n", Encoding.UTF8, "text/csv"));
        var text = await LinesAsync("kept-rows");
        var lines = text.TrimEnd('\n').Split('\n').Select(line => JsonNode.Parse(line)!).ToList();
        Assert.Equal(2, lines.Count);
        Assert.Equal(Trace, (string?)lines[0]["trace"]);
        Assert.Equal(("kept-rows", 1), ((string?)lines[0]["model"], (int)lines[0]["version"]!));
        Assert.Equal(DateTimeKind.Utc, ((DateTime)lines[0]["time"]!).Kind);
        Assert.Equal("""[{"age":60,"married":"Yes"},{"city":"Paris"}]""", lines[0]["rows"]!.ToJsonString());
        Assert.Equal(2, lines[0]["output"]!["predictions"]!.AsArray().Count);
        Assert.Equal("""[{"age":20,"city":"Rome"}]""", lines[1]["rows"]!.ToJsonString());
        Assert.DoesNotContain(server.Client.DefaultRequestHeaders.Authorization!.Parameter!, text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tensors_of_both_protocols_are_kept_alike()
    {
        await server.RegisterAsync("kept-tensors", PredictionModels.Constant(5));
        await PutAsync("kept-tensors", """{"rate":1}""");
        const string Body = """{"inputs":[{"name":"x","shape":[2,1],"datatype":"FP32","data":[1,2.5]}]}""";
        using (var answer = await server.Client.PostAsync("/v2/models/kept-tensors/infer", new StringContent(Body, Encoding.UTF8, "application/json"), Cancelled))
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        using (var grpc = new GrpcTestClient(server.Server.Server.Address, server.Client.DefaultRequestHeaders.Authorization!.Parameter))
        {
            float[] values = [1, 2.5f];
            Assert.NotNull((await grpc.CallAsync<ModelInferResponse>("/inference.GRPCInferenceService/ModelInfer", new ModelInferRequest
            {
                ModelName = "kept-tensors", Inputs = { new InputTensor { Name = "x", Datatype = "FP32", Shape = { 2, 1 } } },
                RawInputContents = { ByteString.CopyFrom(MemoryMarshal.AsBytes<float>(values)) },
            })).Response);
        }
        var lines = (await LinesAsync("kept-tensors")).TrimEnd('\n').Split('\n').Select(line => JsonNode.Parse(line)!).ToList();
        Assert.Equal(2, lines.Count);
        Assert.Equal("""[{"name":"x","datatype":"FP32","shape":[2,1],"data":[1,2.5]}]""", lines[0]["inputs"]!.ToJsonString());
        Assert.Equal(lines[0]["inputs"]!.ToJsonString(), lines[1]["inputs"]!.ToJsonString());
        Assert.Equal(lines[0]["outputs"]!.ToJsonString(), lines[1]["outputs"]!.ToJsonString());
        Assert.Equal([6, 7.5f], lines[0]["outputs"]![0]!["data"]!.AsArray().Select(value => (float)value!));
    }

    [Fact]
    public async Task Images_are_kept_by_size_and_digest()
    {
        await PutAsync("colours", """{"rate":1}""");
        var image = TestImages.SolidPng(0, 0, 255);
        using var content = new ByteArrayContent(image) { Headers = { ContentType = new("image/png") } };
        await server.PredictAsync("colours", content);
        await PutAsync("colours", """{"rate":0}""");
        var line = JsonNode.Parse((await LinesAsync("colours")).TrimEnd('\n'))!;
        Assert.Equal(image.Length, (int)line["images"]![0]!["bytes"]!);
        Assert.Equal(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(image)), (string?)line["images"]![0]!["sha256"]);
    }

    [Fact]
    public async Task A_log_can_be_switched_off_and_deleted()
    {
        await server.RegisterAsync("passing", PredictionModels.Constant(5));
        await PutAsync("passing", """{"rate":1,"days":3}""");
        await server.PredictAsync("passing", """{"rows":[{"x":1}]}""");
        await PutAsync("passing", """{"rate":0}""");
        await server.PredictAsync("passing", """{"rows":[{"x":1}]}""");
        Assert.Single((await LinesAsync("passing")).TrimEnd('\n').Split('\n'));
        Assert.Equal(3, (await ReadAsync("passing")).Days);
        Assert.Equal(HttpStatusCode.NoContent, await server.Client.DeleteAsync("/api/v1/endpoints/passing/log", Cancelled).StatusAsync());
        Assert.Empty((await ReadAsync("passing")).Files);
    }

    [Theory]
    [InlineData("""{"rate":1.5}""")]
    [InlineData("""{"rate":-0.1}""")]
    [InlineData("""{"rate":1,"days":0}""")]
    [InlineData("""{"rate":1,"days":100000}""")]
    public async Task What_cannot_be_kept_is_refused(string body) =>
        Assert.Equal("400 invalid-field", await server.Client.PutAsync("/api/v1/endpoints/churn/log", new StringContent(body, Encoding.UTF8, "application/json"), Cancelled).CodeAsync());

    [Theory]
    [InlineData("2030-01-01")]
    [InlineData("..%2F..%2F..%2Fatoll.db")]
    [InlineData("2030-13-01")]
    public async Task A_day_that_is_not_there_is_not_found(string day) =>
        Assert.Equal(HttpStatusCode.NotFound, await server.Client.GetAsync($"/api/v1/endpoints/churn/log/{day}", Cancelled).StatusAsync());

    [Fact]
    public async Task Who_may_only_ask_for_predictions_reads_none_of_others()
    {
        await server.Client.CreatePrincipalAsync("only-predicts", [Permissions.Predict]);
        using var client = server.Server.ClientFor((await server.Client.CreateKeyAsync("only-predicts")).Secret);
        Assert.Equal(HttpStatusCode.Forbidden, await client.GetAsync("/api/v1/endpoints/churn/log", Cancelled).StatusAsync());
        Assert.Equal(HttpStatusCode.Forbidden, await client.GetAsync("/api/v1/endpoints/churn/log/2030-01-01", Cancelled).StatusAsync());
    }

    private async Task PutAsync(string endpoint, string body)
    {
        using var answer = await server.Client.PutAsync($"/api/v1/endpoints/{endpoint}/log", new StringContent(body, Encoding.UTF8, "application/json"), Cancelled);
        await answer.ReadAsync<PredictionLogResponse>(HttpStatusCode.OK);
    }

    private async Task<PredictionLogResponse> ReadAsync(string endpoint)
    {
        using var answer = await server.Client.GetAsync($"/api/v1/endpoints/{endpoint}/log", Cancelled);
        return await answer.ReadAsync<PredictionLogResponse>(HttpStatusCode.OK);
    }

    /// <summary>The only day's lines; what waits is written when they are asked for.</summary>
    private async Task<string> LinesAsync(string endpoint)
    {
        var today = DateTime.UnixEpoch.AddMilliseconds(TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds()).ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture);
        using var answer = await server.Client.GetAsync($"/api/v1/endpoints/{endpoint}/log/{today}", Cancelled);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("application/x-ndjson", answer.Content.Headers.ContentType!.MediaType);
        return await answer.Content.ReadAsStringAsync(Cancelled);
    }
}
