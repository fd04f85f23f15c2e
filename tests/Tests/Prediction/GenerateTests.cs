using System.IO.Pipelines;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.Deployments;
using Atoll.Platform.Limits;
using Atoll.Platform.Security;
using Atoll.Prediction;
using Atoll.Prediction.OpenInference;
using Atoll.Serving;
using Atoll.Serving.Onnx;
using Atoll.Tests.Tenancy;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Atoll.Tests.Prediction;

/// <summary>Models that answer many times, over REST, and the core under both doors.</summary>
public sealed class GenerateTests(PredictionServer server) : IClassFixture<PredictionServer>
{
    // So much in each answer that all of them do not fit into what lies between server and client: the model waits for who reads.
    private static readonly string Long = $$"""{"from":[{{string.Join(',', Enumerable.Repeat(0, 2_000))}}],"by":[{{string.Join(',', Enumerable.Repeat(1, 2_000))}}]}""";

    [Fact]
    public async Task Each_step_is_an_event_until_the_model_is_done()
    {
        await server.RegisterAsync("counter", PredictionModels.Counter());
        using var answer = await PostAsync("counter/generate_stream", """{"id":"7","from":0,"parameters":{"by":1,"colour":"red"}}""");
        Assert.Equal(("text/event-stream", "utf-8"), (answer.Content.Headers.ContentType!.MediaType, answer.Content.Headers.ContentType.CharSet));
        Assert.Equal(
            "data: {\"id\":\"7\",\"model_name\":\"counter\",\"model_version\":\"1\",\"number\":1}\n\n"
            + "data: {\"id\":\"7\",\"model_name\":\"counter\",\"model_version\":\"1\",\"number\":2}\n\n"
            + "data: {\"id\":\"7\",\"model_name\":\"counter\",\"model_version\":\"1\",\"number\":3}\n\n",
            await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));

        // Rows that are done go on until all are.
        using var rows = await PostAsync("counter/versions/1/generate_stream", """{"from":[0,2],"by":[1,1]}""");
        Assert.Equal(["[1,3]", "[2,4]", "[3,5]"], (await EventsAsync(rows)).Select(one => one["number"]!.ToJsonString()));
    }

    [Theory]
    [InlineData(2, null, 2)]
    [InlineData(null, 2, 2)]
    [InlineData(2, 4, 2)]
    [InlineData(null, null, 5)]
    public async Task The_least_of_the_limits_ends_the_steps(int? ofModel, int? ofRequest, int expected)
    {
        var name = $"limited-{ofModel ?? 0}-{ofRequest ?? 0}";
        await server.RegisterAsync(name, PredictionModels.Counter(limit: 5, ofModel));
        using var answer = await PostAsync($"{name}/generate_stream", $$"""{"from":0,"by":1{{(ofRequest is null ? "" : $",\"parameters\":{{\"steps_max\":{ofRequest}}}")}}}""");
        Assert.Equal(expected, (await EventsAsync(answer)).Count);
    }

    [Fact]
    public async Task A_model_that_answers_once_answers_both_routes()
    {
        using var generate = await PostAsync("churn/generate", """{"age":[61,20],"income":[0,1000],"married":["Yes","No"],"city":["Rome","Oslo"]}""");
        Assert.Equal(
            """{"model_name":"churn","model_version":"1","label":["leaves","stays"],"probabilities":[0.100000024,0.9,0.9,0.1]}""",
            await generate.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        using var stream = await PostAsync("intents/generate_stream", """{"text":"cash"}""");
        Assert.Equal("cash", (string)Assert.Single(await EventsAsync(stream))["label"]!);
        await server.RegisterAsync("generate-scalar", PredictionModels.Scalar());
        using var scalar = await PostAsync("generate-scalar/generate", """{"x":1.5}""");
        Assert.Equal("""{"model_name":"generate-scalar","model_version":"1","y":1.5}""", await scalar.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task One_answer_of_a_model_of_steps_is_taken_and_several_are_an_error()
    {
        await server.RegisterAsync("single", PredictionModels.Counter());
        using var one = await PostAsync("single/generate", """{"from":2,"by":1}""");
        Assert.Equal(3, (int)JsonNode.Parse(await one.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["number"]!);
        await IsRefusedAsync("single/generate", """{"from":0,"by":1}""", 400, "generate expects model to produce exactly 1 response");
        await IsRefusedAsync(
            "single/infer", """{"inputs":[]}""", 501, "HTTP end point infer doesn't support models with decoupled transaction policy");
        using var rows = await server.Client.PostAsync("/api/v1/endpoints/single:predict", new StringContent("""{"rows":[{"from":1}]}""", null, "application/json"), TestContext.Current.CancellationToken);
        Assert.Contains("/v2/models/single/generate_stream", await rows.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("", "failed to parse the request JSON buffer")]
    [InlineData("{", "failed to parse the request JSON buffer")]
    [InlineData("[]", "failed to parse the request JSON buffer")]
    [InlineData("""{"\ud800":1}""", "failed to parse the request JSON buffer")]
    [InlineData("""{"rooms":"\ud800"}""", "unable to parse 'data' of input 'rooms'")]
    [InlineData("{}", "expected 1 inputs but got 0 inputs for model 'price'")]
    [InlineData("""{"rooms":"two"}""", "unable to parse 'data' of input 'rooms'")]
    [InlineData("""{"rooms":[1,"two"]}""", "unable to parse 'data' of input 'rooms'")]
    [InlineData("""{"rooms":null}""", "unable to parse 'data' of input 'rooms'")]
    [InlineData("""{"rooms":{}}""", "unable to parse 'data' of input 'rooms'")]
    [InlineData("""{"rooms":1,"parameters":{"rooms":1}}""", "input 'rooms' already exists in request")]
    [InlineData("""{"rooms":1,"parameters":1}""", "Unable to parse 'parameters'")]
    [InlineData("""{"rooms":1,"id":1}""", "'id' is not a string")]
    [InlineData("""{"rooms":1,"timeout":-1}""", "Unable to parse 'timeout'")]
    [InlineData("""{"rooms":1,"parameters":{"steps_max":0}}""", "Unable to parse 'steps_max'")]
    [InlineData("""{"rooms":1,"triton_x":0}""", "parameter 'triton_x' uses a reserved prefix")]
    public async Task What_is_wrong_is_told_before_the_stream_begins(string body, string error)
    {
        await IsRefusedAsync("price/generate_stream", body, 400, error);
        await IsRefusedAsync("price/generate", body, 400, error);
    }

    [Fact]
    public async Task What_goes_wrong_later_is_an_event()
    {
        await server.RegisterAsync("growing", PredictionModels.Growing());
        using var answer = await PostAsync("growing/generate_stream", """{"from":1,"by":1}""");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var events = await EventsAsync(answer);
        Assert.Equal(2, (int)events[0]["number"]!);
        Assert.Equal("input 'by' has 1 in dimension 0 where input 'from' has 2; both are 'N' for model 'growing'", (string)events[1]["error"]!);
        Assert.Equal(2, events.Count);
        Assert.Equal(0, InProgress);
    }

    [Fact]
    public async Task States_grow_to_what_a_request_may_send_and_no_further()
    {
        await server.RegisterAsync("doubling", PredictionModels.Doubling());
        using var answer = await PostAsync("doubling/generate_stream", """{"from":1}""");
        var events = await EventsAsync(answer);
        Assert.Equal("the states of model 'doubling' have 2097152 bytes after step 19, more than the 2000000 of Atoll:RequestBytesMax", (string?)events[^1]["error"]);
        Assert.Equal(20, events.Count);
    }

    [Theory]
    [InlineData("generate")]
    [InlineData("generate_stream")]
    public async Task A_client_that_does_not_read_holds_no_model(string route)
    {
        var name = $"unread-{route.Length}";
        await server.RegisterAsync(name, PredictionModels.Spreading());

        // Over HTTP/2 a client that does not read takes no more than its window of some 64 KiB, over HTTP/1.1 what fits into the buffers of the system.
        var values = string.Join(',', Enumerable.Repeat("0.12345678", 25));
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/v2/models/{name}/{route}")
        {
            Content = new StringContent($$"""{"x":[{{values}}]}"""), Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        using var answer = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await server.IsFreedAsync(name);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_bytes_of_a_request_are_given_back_before_its_answers_are_sent(bool isStream)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var services = server.Server.Server.Services;
        var body = """{"rooms":3}"""u8.ToArray();

        // The writer waits for as long as the reader holds all that it wrote.
        var pipe = new Pipe(new PipeOptions(writerScheduler: PipeScheduler.Inline, pauseWriterThreshold: body.Length, resumeWriterThreshold: 1, useSynchronizationContext: false));
        var writing = pipe.Writer.WriteAsync(body, cancellationToken).AsTask();
        await pipe.Writer.CompleteAsync();
        Assert.False(writing.IsCompleted);
        using var sent = new WatchedStream(() => writing.IsCompleted);
        var context = new DefaultHttpContext { RequestServices = services };
        context.Features.Set<IRequestBodyPipeFeature>(new Body(pipe.Reader));
        context.Response.Body = sent;
        var caller = new Caller(server.TenantId, "", "", "", []);
        var (runner, answers, check) = (services.GetRequiredService<InferenceRunner>(), services.GetRequiredService<ModelAnswers>(), services.GetRequiredService<ICallerCheck>());
        await (isStream ? Generate.HandleStreamAsync(context, "price", null, caller, runner, answers, check, cancellationToken)
            : Generate.HandleAsync(context, "price", null, caller, runner, answers, check, cancellationToken));
        Assert.Equal(200, context.Response.StatusCode);
        Assert.Equal([true], sent.Seen);
    }

    [Fact]
    public async Task A_tenant_has_a_quarter_of_the_places_between_steps()
    {
        await using var small = new TestServer { Settings = ["--Prediction:WaitingMax=8"] };
        await small.InitializeAsync();
        var (one, _) = await small.CreateTenantAsync();
        var (other, _) = await small.CreateTenantAsync();
        var inProgress = small.Server.Services.GetRequiredService<AnswersInProgress>();
        var (first, _) = inProgress.Begin(one.Tenant.Id);
        var (second, _) = inProgress.Begin(one.Tenant.Id);
        var (third, full) = inProgress.Begin(one.Tenant.Id);

        // It waits for itself, not for others.
        Assert.Equal((null, 429, ProblemCodes.LimitReached), (third, full!.Status, full.Code));
        Assert.StartsWith("The tenant has 2 requests that are answered step by step", full.Detail, StringComparison.Ordinal);
        Assert.Contains("Prediction:WaitingMax", full.Remedy);
        var (others, _) = inProgress.Begin(other.Tenant.Id);
        Assert.NotNull(others);
        var more = new List<IDisposable>();
        for (var i = 0; i < 5; i++) more.Add(inProgress.Begin($"tnt_{i}").Value!);
        var (last, busy) = inProgress.Begin("tnt_5");
        Assert.Equal((null, 503, ProblemCodes.Busy), (last, busy!.Status, busy.Code));
        foreach (var place in (IDisposable[])[first!, second!, others, .. more]) place.Dispose();
        Assert.Equal(0, inProgress.Count);
    }

    [Fact]
    public async Task A_stream_ends_with_the_credential_that_opened_it()
    {
        await server.RegisterAsync("revoked", PredictionModels.Counter(limit: float.MaxValue));
        var me = (await server.Client.GetFromJsonAsync("/api/v1/me", AtollJson.Default.CallerResponse, TestContext.Current.CancellationToken))!;
        var key = await server.Client.CreateKeyAsync(me.Principal);
        using var client = server.Server.ClientFor(key.Secret);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/revoked/generate_stream") { Content = new StringContent(Long) };
        using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
        Assert.Contains("number", await reader.ReadLineAsync(TestContext.Current.CancellationToken));
        Assert.Equal(HttpStatusCode.NoContent, await server.Client.DeleteAsync($"/api/v1/principals/{me.Principal}/keys/{key.Id}", TestContext.Current.CancellationToken).StatusAsync());
        Assert.Contains("The credential no longer works.", await reader.ReadToEndAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_client_that_goes_away_gives_its_place_back()
    {
        await server.RegisterAsync("left", PredictionModels.Counter(limit: float.MaxValue));
        using (var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/left/generate_stream") { Content = new StringContent(Long) })
        {
            using var answer = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
            Assert.Equal(1, InProgress);
        }
        while (InProgress > 0) await Task.Delay(10, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_step_is_made_when_its_answer_is_asked_for_and_no_place_to_run_is_held_between()
    {
        // One place only: who held it between two steps would let nobody else run.
        await using var small = new TestServer { Settings = ["--Prediction:RunsMax=1", "--Prediction:WaitingMax=1"] };
        await small.InitializeAsync();
        var (tenant, client) = await small.CreateTenantAsync();
        await PredictionServer.RegisterAsync(small, tenant.Tenant.Id, "pulled", PredictionModels.Counter());
        await PredictionServer.RegisterAsync(small, tenant.Tenant.Id, "price", PredictionModels.Price());
        var services = small.Server.Services;
        var answers = services.GetRequiredService<ModelAnswers>();
        var inProgress = services.GetRequiredService<AnswersInProgress>();
        var route = (await services.GetRequiredService<RouteTable>().FindAsync(tenant.Tenant.Id, "pulled", null, TestContext.Current.CancellationToken))!;
        using var lease = await services.GetRequiredService<ServedModels>().GetAsync(route, TestContext.Current.CancellationToken);
        using var tensors = Inputs(lease, route);
        await using (var steps = answers.RunAsync(route, tensors, null, null, TestContext.Current.CancellationToken).GetAsyncEnumerator(TestContext.Current.CancellationToken))
        {
            Assert.True(await steps.MoveNextAsync());
            Assert.Equal((1, 1, false), (lease.Session.Statistics[RunStatistics.Step.ComputeInfer].Count, inProgress.Count, steps.Current.IsLast));
            using var other = await client.PostAsync("/v2/models/price/generate", new StringContent("""{"rooms":1}"""), TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.OK, other.StatusCode);

            // Those that have begun are bounded like those that wait.
            using var second = await client.PostAsync("/v2/models/pulled/generate_stream", new StringContent("""{"from":1,"by":1}"""), TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.TooManyRequests, second.StatusCode);
            Assert.Equal(1, lease.Session.Statistics[RunStatistics.Step.ComputeInfer].Count);
            Assert.True(await steps.MoveNextAsync());
            Assert.Equal(2, lease.Session.Statistics[RunStatistics.Step.ComputeInfer].Count);
        }
        Assert.Equal(0, inProgress.Count);
    }

    [Fact]
    public async Task A_timeout_is_for_all_steps_together()
    {
        await server.RegisterAsync("timed", PredictionModels.Counter(limit: float.MaxValue));
        using var answer = await PostAsync("timed/generate_stream", """{"from":0,"by":1,"timeout":20000}""");
        var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.Contains("Request timeout expired", text);
    }

    private int InProgress => server.Server.Server.Services.GetRequiredService<AnswersInProgress>().Count;

    private static InferTensors Inputs(ModelLease lease, Atoll.Deployments.Route route)
    {
        var tensors = new InferTensors().Begin(route.Endpoint, lease.Session);
        foreach (var (name, value) in ((string, float)[])[("from", 0), ("by", 1)])
        {
            Assert.Null(tensors.CheckInput(name, "FP32", [1, 1], out var index, out _));
            tensors.Allocate(index, [1, 1]).Span<float>()[0] = value;
        }
        return tensors;
    }

    private Task<HttpResponseMessage> PostAsync(string path, string body) =>
        server.Client.PostAsync($"/v2/models/{path}", new StringContent(body, new MediaTypeHeaderValue("application/json")), TestContext.Current.CancellationToken);

    private async Task IsRefusedAsync(string path, string body, int status, string error)
    {
        using var answer = await PostAsync(path, body);
        var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(status == (int)answer.StatusCode, text);
        Assert.Equal("application/json", answer.Content.Headers.ContentType!.MediaType);
        Assert.StartsWith(error, (string)JsonNode.Parse(text)!["error"]!, StringComparison.Ordinal);
    }

    private static async Task<IReadOnlyList<JsonNode>> EventsAsync(HttpResponseMessage answer)
    {
        var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, text);
        return [.. text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Select(one => JsonNode.Parse(one["data: ".Length..])!)];
    }

    private sealed class Body(PipeReader reader) : IRequestBodyPipeFeature
    {
        public PipeReader Reader => reader;
    }

    /// <summary>Asks something whenever bytes come.</summary>
    private sealed class WatchedStream(Func<bool> ask) : MemoryStream
    {
        public List<bool> Seen { get; } = [];

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Seen.Add(ask());
            return base.WriteAsync(buffer, cancellationToken);
        }
    }
}
