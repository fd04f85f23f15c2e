using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.RegularExpressions;
using Atoll.Contracts;
using Atoll.Prediction;
using Atoll.Prediction.OpenInference.Grpc.Messages;
using Atoll.Platform.Grpc;
using Atoll.Registry;
using Atoll.Tests.Platform.Grpc;
using Google.Protobuf;
using Microsoft.Extensions.DependencyInjection;
using InputTensor = Atoll.Prediction.OpenInference.Grpc.Messages.ModelInferRequest.Types.InferInputTensor;
using RequestedOutput = Atoll.Prediction.OpenInference.Grpc.Messages.ModelInferRequest.Types.InferRequestedOutputTensor;

namespace Atoll.Tests.Prediction;

/// <summary>The short way answers what the long way answers, and nobody comes in by it who may not.</summary>
public sealed class ExpressLaneTests(PredictionServer server) : IClassFixture<PredictionServer>
{
    private const string Infer = "/inference.GRPCInferenceService/ModelInfer";

    private PredictionRunner Runner => server.Server.Server.Services.GetRequiredService<PredictionRunner>();

    public static TheoryData<string, string> Requests => new()
    {
        { "/api/v1/endpoints/churn:predict", """{"rows":[{"age":60,"city":"Rome"},{"age":20,"married":"No","income":1}]}""" },
        { "/api/v1/endpoints/churn:predict", """{"top":1,"rows":[{"age":45,"income":2,"city":"Rome","married":"No"}]}""" },
        { "/api/v1/endpoints/price:predict", """{"rows":[{"rooms":3}]}""" },
        { "/v2/models/price/infer", """{"inputs":[{"name":"rooms","shape":[2,1],"datatype":"FP32","data":[[3],[4]]}]}""" },
        { "/v2/models/price/infer", """{"id":"a","inputs":[{"name":"rooms","shape":[1,1],"datatype":"FP32","data":[3]}],"outputs":[{"name":"value","parameters":{"binary_data":true}}]}""" },
        { "/v2/models/price/infer", """{"inputs":[{"name":"rooms","shape":[3,1],"datatype":"FP32","data":[3, 4.5 ,-1]}],"outputs":[{"name":"value"}],"id":"b"}""" },
        { "/v2/models/topics/infer", """{"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["loan"]}],"outputs":[{"name":"probabilities","parameters":{"classification":2}}]}""" },
        { "/v2/models/topics/infer", """{"inputs":[{"name":"text","shape":[2],"datatype":"BYTES","data":["card",""]}]}""" },
    };

    [Theory]
    [MemberData(nameof(Requests))]
    public async Task Both_ways_answer_the_same_bytes(string path, string body)
    {
        var slow = await SendAsync(server.Client, path, body, isPlain: false);
        Assert.Equal(HttpStatusCode.OK, slow.Status);
        for (var i = 0; i < 3; i++)
        {
            var before = Runner.AtOnce.Sum();
            var fast = await SendAsync(server.Client, path, body, isPlain: true);
            Assert.Equal(slow, fast);
            Assert.Equal(before + 1, Runner.AtOnce.Sum());
        }
    }

    [Theory]
    [InlineData("/api/v1/endpoints/churn:predict", """{"rows":[{"age":"old"}]}""")]
    [InlineData("/api/v1/endpoints/churn:predict", """{"rows":[{"aeg":1}]}""")]
    [InlineData("/api/v1/endpoints/churn:predict", "{")]
    [InlineData("/api/v1/endpoints/nobody:predict", """{"rows":[{}]}""")]
    [InlineData("/v2/models/price/infer", """{"inputs":[{"name":"rooms","shape":[2,1],"datatype":"FP32","data":[3]}]}""")]
    [InlineData("/v2/models/price/infer", """{"inputs":[{"name":"rooms","shape":[1,1],"datatype":"FP64","data":[3]}]}""")]
    [InlineData("/v2/models/price/infer", "")]
    [InlineData("/v2/models/nobody/infer", """{"inputs":[]}""")]
    public async Task Both_ways_refuse_in_the_same_words(string path, string body)
    {
        await SendAsync(server.Client, "/v2/models/price/infer", """{"inputs":[{"name":"rooms","shape":[1,1],"datatype":"FP32","data":[3]}]}""", isPlain: true);
        var fast = await SendAsync(server.Client, path, body, isPlain: true);
        Assert.InRange((int)fast.Status, 400, 499);
        Assert.Equal(await SendAsync(server.Client, path, body, isPlain: false), fast);
    }

    [Fact]
    public async Task A_tenant_above_its_rate_is_sent_away_at_once_in_the_words_of_the_long_way()
    {
        const string path = "/v2/models/price/infer", body = """{"inputs":[{"name":"rooms","shape":[1,1],"datatype":"FP32","data":[3]}]}""";
        await SendAsync(server.Client, path, body, isPlain: true);
        var caller = await server.Client.GetFromJsonAsync("/api/v1/me", AtollJson.Default.CallerResponse, TestContext.Current.CancellationToken);
        var limit = $"/api/v1/tenants/{caller!.Tenant}/limits/predictionsPerSecondMax";
        (await server.Server.Platform.PutAsJsonAsync(limit, new { value = 0.0001 }, TestContext.Current.CancellationToken)).EnsureSuccessStatusCode();
        try
        {
            var before = Runner.RefusedAtOnce.Sum();
            while ((await SendAsync(server.Client, path, body, isPlain: true)).Status == HttpStatusCode.OK) Assert.Equal(before, Runner.RefusedAtOnce.Sum());
            Assert.Equal(before + 1, Runner.RefusedAtOnce.Sum());
            var fast = await SendAsync(server.Client, path, body, isPlain: true);
            Assert.Equal(HttpStatusCode.TooManyRequests, fast.Status);
            Assert.Equal(before + 2, Runner.RefusedAtOnce.Sum());
            Assert.Equal(await SendAsync(server.Client, path, body, isPlain: false), fast);
            Assert.Equal(before + 2, Runner.RefusedAtOnce.Sum());

            using var client = new GrpcTestClient(server.Server.Server.Address, server.Client.DefaultRequestHeaders.Authorization!.Parameter);
            Assert.Equal(StatusCode.ResourceExhausted, (await client.CallAsync<ModelInferResponse>(Infer, Price())).Answer.Status);
            Assert.Equal(before + 3, Runner.RefusedAtOnce.Sum());
        }
        finally
        {
            (await server.Server.Platform.DeleteAsync(limit, TestContext.Current.CancellationToken)).EnsureSuccessStatusCode();
        }
    }

    [Fact]
    public async Task Calls_of_grpc_are_answered_alike_too()
    {
        using var client = new GrpcTestClient(server.Server.Server.Address, server.Client.DefaultRequestHeaders.Authorization!.Parameter);
        var request = Price();
        request.Outputs.Add(new RequestedOutput { Name = "value" });
        var slow = await client.SendAsync(Infer, GrpcTestClient.Frame(request.ToByteArray()), ("grpc-timeout", "90m"));
        Assert.Equal(StatusCode.OK, slow.Status);
        for (var i = 0; i < 3; i++)
        {
            var before = Runner.AtOnce.Sum();
            var fast = await client.SendAsync(Infer, GrpcTestClient.Frame(request.ToByteArray()), ("grpc-timeout", "9S"));
            Assert.Equal(slow.Messages, fast.Messages);
            Assert.Equal(StatusCode.OK, fast.Status);
            Assert.Equal(before + 1, Runner.AtOnce.Sum());
        }
        foreach (var bytes in (byte[][])[[], [0, 0, 0, 0, 9, 1], GrpcTestClient.Frame([0xFF, 0xFF]), GrpcTestClient.Frame(new ModelInferRequest { ModelName = "nobody" }.ToByteArray())])
        {
            var fast = await client.SendAsync(Infer, bytes);
            var again = await client.SendAsync(Infer, bytes, ("grpc-timeout", "90m"));
            Assert.NotEqual(StatusCode.OK, fast.Status);
            Assert.Equal((again.Status, again.Message), (fast.Status, fast.Message));
        }
    }

    [Fact]
    public async Task Another_tenants_credential_on_the_same_connection_finds_nothing()
    {
        var (_, stranger) = await server.Server.CreateTenantAsync();
        using var handler = new SocketsHttpHandler { MaxConnectionsPerServer = 1 };
        using var http = new HttpClient(handler) { BaseAddress = new Uri(server.Server.Server.Address) };
        foreach (var (path, body) in ((string, string)[])[("/api/v1/endpoints/price:predict", """{"rows":[{"rooms":3}]}"""), ("/v2/models/price/infer", """{"inputs":[{"name":"rooms","shape":[1,1],"datatype":"FP32","data":[3]}]}""")])
        {
            for (var i = 0; i < 3; i++)
            {
                http.DefaultRequestHeaders.Authorization = server.Client.DefaultRequestHeaders.Authorization;
                Assert.Equal(HttpStatusCode.OK, (await SendAsync(http, path, body, isPlain: true)).Status);
                http.DefaultRequestHeaders.Authorization = stranger.DefaultRequestHeaders.Authorization;
                Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(http, path, body, isPlain: true)).Status);
                http.DefaultRequestHeaders.Authorization = null;
                Assert.Equal(HttpStatusCode.Unauthorized, (await SendAsync(http, path, body, isPlain: true)).Status);
            }
        }

        using var client = new GrpcTestClient(server.Server.Server.Address, stranger.DefaultRequestHeaders.Authorization!.Parameter);
        Assert.Equal(StatusCode.NotFound, (await client.CallAsync<ModelInferResponse>(Infer, Price())).Answer.Status);
    }

    [Fact]
    public async Task A_permission_that_is_taken_away_and_a_key_that_is_revoked_stop_at_once()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        const string path = "/v2/models/price/infer", body = """{"inputs":[{"name":"rooms","shape":[1,1],"datatype":"FP32","data":[3]}]}""";
        (await server.Client.PostAsJsonAsync("/api/v1/principals", new { name = "robot", permissions = new[] { Permissions.Predict } }, cancellationToken)).EnsureSuccessStatusCode();
        using var made = await server.Client.PostAsJsonAsync("/api/v1/principals/robot/keys", new { }, cancellationToken);
        var key = (await made.Content.ReadFromJsonAsync(AtollJson.Default.CreatedApiKeyResponse, cancellationToken))!;
        using var robot = server.Server.ClientFor(key.Secret);
        for (var i = 0; i < 3; i++) Assert.Equal(HttpStatusCode.OK, (await SendAsync(robot, path, body, isPlain: true)).Status);

        (await server.Client.DeleteAsync($"/api/v1/principals/robot/grants/{Permissions.Predict}", cancellationToken)).EnsureSuccessStatusCode();
        Assert.Equal(HttpStatusCode.Forbidden, (await SendAsync(robot, path, body, isPlain: true)).Status);
        (await server.Client.PutAsync($"/api/v1/principals/robot/grants/{Permissions.Predict}", null, cancellationToken)).EnsureSuccessStatusCode();
        for (var i = 0; i < 3; i++) Assert.Equal(HttpStatusCode.OK, (await SendAsync(robot, path, body, isPlain: true)).Status);
        (await server.Client.DeleteAsync("/api/v1/principals/robot", cancellationToken)).EnsureSuccessStatusCode();
        Assert.Equal(HttpStatusCode.Unauthorized, (await SendAsync(robot, path, body, isPlain: true)).Status);
    }

    [Fact]
    public async Task A_new_version_answers_from_the_next_request_on()
    {
        const string path = "/v2/models/moving/infer", body = """{"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[3]}]}""";
        for (var version = 1; version <= 3; version++)
        {
            await server.RegisterAsync("moving", PredictionModels.Constant(version));
            for (var i = 0; i < 3; i++)
                Assert.Contains($"\"model_version\":\"{version}\"", (await SendAsync(server.Client, path, body, isPlain: true)).Body, StringComparison.Ordinal);
        }
    }

    private static ModelInferRequest Price() => new()
    {
        ModelName = "price", Id = "7", Inputs = { new InputTensor { Name = "rooms", Datatype = "FP32", Shape = { 1, 1 } } }, RawInputContents = { ByteString.CopyFrom(BitConverter.GetBytes(3f)) },
    };

    /// <param name="isPlain">False for the long way.</param>
    private static async Task<(HttpStatusCode Status, string? Type, string Body)> SendAsync(HttpClient client, string path, string body, bool isPlain)
    {
        using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        if (!isPlain) content.Headers.ContentEncoding.Add("identity");
        using var answer = await client.PostAsync(path, content, TestContext.Current.CancellationToken);
        var text = Encoding.Latin1.GetString(await answer.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken));

        // Each request has a trace of its own.
        text = Regex.Replace(text, "\"traceId\":\"[^\"]*\"", "");
        return (answer.StatusCode, answer.Content.Headers.ContentType?.ToString(), text);
    }
}
