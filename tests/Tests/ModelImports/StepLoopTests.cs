using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.ModelImports;
using Atoll.Platform.Database;
using Atoll.Platform.Limits;
using Atoll.Registry;
using Atoll.Tests.Prediction;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Atoll.Tests.ModelImports;

/// <summary>How a model is told to answer many times: with its import, or with a load.</summary>
public sealed class StepLoopTests(TestServer server) : IClassFixture<TestServer>
{
    private const string Steps = """{"states":[{"output":"next","input":"from"}],"done":"done","stepsMax":100}""";

    private const string Config =
        """{"model_transaction_policy":{"decoupled":true},"sequence_batching":{"iterative_sequence":true,"state":[{"output_name":"next","input_name":"from"}]},"parameters":{"done_output":{"string_value":"done"},"steps_max":{"string_value":"100"}}}""";

    private const string Once = """{"model_transaction_policy":{"decoupled":false}}""";

    [Fact]
    public async Task An_import_with_steps_makes_a_model_of_steps()
    {
        var (_, client) = await server.CreateTenantAsync();
        var form = ModelImportTests.Form(PredictionModels.Counter().Onnx, "counter.onnx", null);
        form.Add(new StringContent(Steps), "steps");
        using (var answer = await client.PostAsync("/api/v1/models/counter/versions?wait=true", form, TestContext.Current.CancellationToken))
            Assert.True(answer.StatusCode == HttpStatusCode.Created, await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal(Steps, await StepsAsync(client));
        Assert.Equal(3, await CountAsync(client));
    }

    [Fact]
    public async Task A_load_with_a_configuration_makes_a_model_of_steps_and_one_that_answers_once_again()
    {
        var (_, client) = await server.CreateTenantAsync();
        await ModelImportTests.ImportAsync(client, "counter", PredictionModels.Counter().Onnx);
        Assert.Equal("null", await StepsAsync(client));

        // As often as one likes: the version is made once.
        for (var times = 0; times < 2; times++)
        {
            Assert.Equal("200 ", await LoadAsync(client, Config));
            Assert.Equal((Steps, 2), (await StepsAsync(client), await LatestAsync(client)));
            Assert.Equal(3, await CountAsync(client));
        }
        Assert.Equal("200 ", await LoadAsync(client, """{"max_batch_size":4}"""));
        Assert.Equal(2, await LatestAsync(client));

        // What the server tells is what it takes.
        var told = await client.GetStringAsync("/v2/models/counter/config", TestContext.Current.CancellationToken);
        Assert.True((bool)JsonNode.Parse(told)!["model_transaction_policy"]!["decoupled"]!);
        Assert.Equal("200 ", await LoadAsync(client, told));
        Assert.Equal(2, await LatestAsync(client));

        Assert.Equal("200 ", await LoadAsync(client, Once));
        Assert.Equal(("null", 1), (await StepsAsync(client), await LatestAsync(client)));
        await ModelImportTests.InferAsync(client, "counter", """{"inputs":[{"name":"from","shape":[1,1],"datatype":"FP32","data":[1]},{"name":"by","shape":[1,1],"datatype":"FP32","data":[1]}]}""");
    }

    [Fact]
    public async Task Loads_that_alternate_make_each_version_once()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var (tenant, client) = await server.CreateTenantAsync();
        await ModelImportTests.ImportAsync(client, "counter", PredictionModels.Counter().Onnx);
        await using (var scope = server.Server.Services.CreateAsyncScope())
        {
            scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenant.Tenant.Id);
            await scope.ServiceProvider.GetRequiredService<PlatformDb>().ModelVersions().ExecuteUpdateAsync(set => set.SetProperty(version => version.OwnSessionReason, "it is its own"), cancellationToken);
        }
        var (first, other) = (Convert.ToBase64String(PredictionModels.Counter().Onnx), Convert.ToBase64String(PredictionModels.Counter(limit: 2).Onnx));
        for (var times = 0; times < 3; times++)
        {
            // Configurations alone, one of them with steps to go through.
            Assert.Equal("200 ", await LoadAsync(client, Config));
            Assert.Equal((2, 3), (await LatestAsync(client), await CountAsync(client)));
            Assert.Equal("200 ", await LoadAsync(client, Config.Replace("100", "2", StringComparison.Ordinal)));
            Assert.Equal((3, 2), (await LatestAsync(client), await CountAsync(client)));
            Assert.Equal("200 ", await LoadAsync(client, Once));
            Assert.Equal(("null", 1), (await StepsAsync(client), await LatestAsync(client)));

            // The same with files: one that is new, and one that is there.
            Assert.Equal("200 ", await LoadAsync(client, "{}", other));
            Assert.Equal(4, await LatestAsync(client));
            Assert.Equal("200 ", await LoadAsync(client, Config, first));
            Assert.Equal((2, 3), (await LatestAsync(client), await CountAsync(client)));
            Assert.Equal("200 ", await LoadAsync(client, "{}", first));
            Assert.Equal(2, await LatestAsync(client));
        }
        await using (var scope = server.Server.Services.CreateAsyncScope())
        {
            scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenant.Tenant.Id);
            var reasons = await scope.ServiceProvider.GetRequiredService<PlatformDb>().ModelVersions().OrderBy(version => version.Number).Select(version => version.OwnSessionReason).ToListAsync(cancellationToken);
            Assert.Equal(["it is its own", "it is its own", "it is its own"], reasons.Take(3));
            Assert.Equal(4, reasons.Count);
        }

        // The highest number is not the latest any more.
        Assert.Equal(HttpStatusCode.NoContent, (await client.DeleteAsync("/api/v1/models/counter/versions/4", cancellationToken)).StatusCode);
        var listed = JsonNode.Parse(await client.GetStringAsync("/api/v1/models", cancellationToken))!["items"]![0]!;
        Assert.Equal(TaskKinds.Tensors, (string?)listed["task"]);
    }

    [Fact]
    public async Task Loads_of_one_file_at_once_are_one_import()
    {
        var (tenant, client) = await server.CreateTenantAsync();
        var file = Convert.ToBase64String(PredictionModels.Counter().Onnx);
        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => LoadAsync(client, Config, file)));
        Assert.All(answers, answer => Assert.Equal("200 ", answer));
        await using var scope = server.Server.Services.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenant.Tenant.Id);
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        Assert.Equal(
            (1, 1), (await db.ModelImports().CountAsync(TestContext.Current.CancellationToken), await db.ModelVersions().CountAsync(TestContext.Current.CancellationToken)));
    }

    [Fact]
    public async Task A_model_has_as_many_versions_as_the_limit_says()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var (tenant, client) = await server.CreateTenantAsync();
        var limits = $"/api/v1/tenants/{tenant.Tenant.Name}/limits/versionsMax";
        (await server.Platform.PutAsJsonAsync(limits, new PutTenantLimitRequest { Value = 1 }, AtollJson.Default.PutTenantLimitRequest, cancellationToken)).EnsureSuccessStatusCode();
        await ModelImportTests.ImportAsync(client, "counter", PredictionModels.Counter().Onnx);
        var file = PredictionModels.Counter(limit: 2).Onnx;
        using var import = await client.PostAsync("/api/v1/models/counter/versions?wait=true", ModelImportTests.Form(file, "counter.onnx", null), cancellationToken);
        var problem = JsonNode.Parse(await import.Content.ReadAsStringAsync(cancellationToken))!;
        Assert.Equal("409 limit-reached versionsMax 1", $"{(int)import.StatusCode} {problem["code"]} {problem["limit"]} {problem["value"]}");
        Assert.StartsWith("Delete some: atoll models delete counter --version <number>.", (string)problem["remedy"]!, StringComparison.Ordinal);
        using var table = new MultipartFormDataContent { { new StringContent("tabular"), "type" }, { new StringContent("rows"), "name" }, { new ByteArrayContent("a,b\n1,2\n3,4\n"u8.ToArray()), "file", "table.csv" } };
        using (var upload = await client.PostAsync("/api/v1/datasets?wait=true", table, cancellationToken)) Assert.Equal(HttpStatusCode.Created, upload.StatusCode);
        using var run = await client.PostAsJsonAsync("/api/v1/runs", new CreateRunRequest { Dataset = "rows", Model = "counter", Target = "b" }, AtollJson.Default.CreateRunRequest, cancellationToken);
        Assert.Equal((HttpStatusCode.Conflict, ProblemCodes.LimitReached), (run.StatusCode, (string)JsonNode.Parse(await run.Content.ReadAsStringAsync(cancellationToken))!["code"]!));
        foreach (var refused in (string[])[await LoadAsync(client, Config), await LoadAsync(client, "{}", Convert.ToBase64String(file))])
            Assert.StartsWith("""409 {"error":"failed to load 'counter', The model 'counter' has as many versions as a model may have.""", refused, StringComparison.Ordinal);

        // Also for those that were under way when the last place was taken.
        await Assert.ThrowsAsync<LimitReachedException>(() => PredictionServer.RegisterAsync(server, tenant.Tenant.Id, "counter", PredictionModels.Price()));
        Assert.Equal("200 ", await LoadAsync(client, Once));
        Assert.Equal(1, await LatestAsync(client));
        await ModelImportTests.ImportAsync(client, "another", file);
    }

    [Fact]
    public async Task A_file_and_its_steps_may_come_with_one_load()
    {
        var (_, client) = await server.CreateTenantAsync();
        var file = Convert.ToBase64String(PredictionModels.Counter().Onnx);
        for (var times = 0; times < 2; times++)
        {
            Assert.Equal("200 ", await LoadAsync(client, Config, file));
            Assert.Equal((Steps, 1), (await StepsAsync(client), await LatestAsync(client)));
        }
        Assert.Equal(3, await CountAsync(client));
    }

    [Theory]
    [InlineData("""{"model_transaction_policy":{"decoupled":true}}""", "a decoupled model needs sequence_batching")]
    [InlineData("""{"sequence_batching":{"state":[]}}""", "sequence_batching without iterative_sequence is not supported")]
    [InlineData("""{"sequence_batching":{"iterative_sequence":true}}""", "iterative_sequence needs model_transaction_policy with decoupled")]
    [InlineData("""{"model_transaction_policy":{"decoupled":true},"sequence_batching":{"iterative_sequence":true}}""", "A model of steps has states")]
    [InlineData("""{"model_transaction_policy":{"decoupled":true},"sequence_batching":{"iterative_sequence":true},"parameters":{"steps_max":{"string_value":"many"}}}""", "the parameter 'steps_max' is not a whole number")]
    public async Task A_configuration_that_says_it_wrongly_is_refused(string config, string error)
    {
        var (_, client) = await server.CreateTenantAsync();
        await ModelImportTests.ImportAsync(client, "counter", PredictionModels.Counter().Onnx);
        Assert.StartsWith($$"""400 {"error":"failed to load 'counter', {{error}}""", await LoadAsync(client, config), StringComparison.Ordinal);
        Assert.Equal(1, await LatestAsync(client));
    }

    [Theory]
    [InlineData("""{"states":[]}""", "has states, one to")]
    [InlineData("""{"states":[null]}""", "has states, one to")]
    [InlineData("""{"states":[{"output":"next","input":"z"}]}""", "The state 'z' is no input of the model.")]
    [InlineData("""{"states":[{"output":"z","input":"from"}]}""", "The state 'z' is no output of the model.")]
    [InlineData("""{"states":[{"output":"next","input":"from"},{"output":"number","input":"from"}]}""", "The input 'from' is a state twice.")]
    [InlineData("""{"states":[{"output":"next","input":"from"},{"output":"next","input":"by"}]}""", "The output 'next' is a state twice.")]
    [InlineData("""{"states":[{"output":"done","input":"from"}]}""", "The output 'done' is BOOL [-1,1]; the input 'from' that it becomes is FP32 [-1,1].")]
    [InlineData("""{"states":[{"output":"next","input":"from"}],"done":"number"}""", "'number' is no output of type BOOL")]
    [InlineData("""{"states":[{"output":"next","input":"from"}],"stepsMax":0}""", "The number of steps is 0")]
    [InlineData("""{"states":[{"output":"next","input":"from"},{"output":"number","input":"by"}],"done":"done"}""", "nothing is left to answer")]
    public async Task Steps_that_do_not_fit_the_model_are_refused(string steps, string error)
    {
        Assert.Contains(error, StepLoops.Check(JsonSerializer.Deserialize(steps, AtollJson.Default.StepLoop)!, PredictionModels.Counter().Signature));
        if (!error.EndsWith("twice.", StringComparison.Ordinal)) return;
        var (_, client) = await server.CreateTenantAsync();
        var form = ModelImportTests.Form(PredictionModels.Counter().Onnx, "counter.onnx", null);
        form.Add(new StringContent(steps), "steps");
        using var answer = await client.PostAsync("/api/v1/models/counter/versions?wait=true", form, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, answer.StatusCode);
        Assert.Contains(error, await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Shapes_of_a_state_must_go_together()
    {
        var signature = PredictionModels.Counter().Signature;
        var wider = signature with { Outputs = [signature.Outputs[0] with { Shape = [-1, 2] }, .. signature.Outputs.Skip(1)] };
        Assert.Contains("The output 'next' is FP32 [-1,2]", StepLoops.Check(signature.Steps!, wider));
        Assert.Null(StepLoops.Check(signature.Steps!, signature));
    }

    [Theory]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("""{"states":[{"output":null,"input":"x"}]}""")]
    public async Task Steps_that_cannot_be_read_are_a_wrong_field(string steps)
    {
        var (_, client) = await server.CreateTenantAsync();
        var form = ModelImportTests.Form(PredictionModels.Counter().Onnx, "counter.onnx", null);
        form.Add(new StringContent(steps), "steps");
        using var answer = await client.PostAsync("/api/v1/models/counter/versions?wait=true", form, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains("'steps'", await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    private static async Task<string> LoadAsync(HttpClient client, string config, string? file = null)
    {
        var parameters = new JsonObject { ["config"] = config };
        if (file is not null) parameters["file:1/model.onnx"] = file;
        using var answer = await client.PostAsync(
            "/v2/repository/models/counter/load", new StringContent(new JsonObject { ["parameters"] = parameters }.ToJsonString()), TestContext.Current.CancellationToken);
        return $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)}";
    }

    private static async Task<string> StepsAsync(HttpClient client) => JsonSerializer.Serialize(
        (await client.GetFromJsonAsync("/api/v1/models/counter/versions/latest", AtollJson.Default.ModelVersionResponse, TestContext.Current.CancellationToken))!.Signature.Steps!, AtollJson.Default.StepLoop);

    private static async Task<int> LatestAsync(HttpClient client) =>
        (await client.GetFromJsonAsync("/api/v1/models/counter/versions/latest", AtollJson.Default.ModelVersionResponse, TestContext.Current.CancellationToken))!.Version;

    private static async Task<int> CountAsync(HttpClient client)
    {
        using var answer = await client.PostAsync("/v2/models/counter/generate_stream", new StringContent("""{"from":0,"by":1}"""), TestContext.Current.CancellationToken);
        return (await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).Split("data: ").Length - 1;
    }
}
