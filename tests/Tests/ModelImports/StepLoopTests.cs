using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.ModelImports;
using Atoll.Tests.Prediction;

namespace Atoll.Tests.ModelImports;

/// <summary>How a model is told to answer many times: with its import, or with a load.</summary>
public sealed class StepLoopTests(TestServer server) : IClassFixture<TestServer>
{
    private const string Steps = """{"states":[{"output":"next","input":"from"}],"done":"done","stepsMax":100}""";

    private const string Config =
        """{"model_transaction_policy":{"decoupled":true},"sequence_batching":{"iterative_sequence":true,"state":[{"output_name":"next","input_name":"from"}]},"parameters":{"done_output":{"string_value":"done"},"steps_max":{"string_value":"100"}}}""";

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

        Assert.Equal("200 ", await LoadAsync(client, """{"model_transaction_policy":{"decoupled":false}}"""));
        Assert.Equal(("null", 3), (await StepsAsync(client), await LatestAsync(client)));
        await ModelImportTests.InferAsync(client, "counter", """{"inputs":[{"name":"from","shape":[1,1],"datatype":"FP32","data":[1]},{"name":"by","shape":[1,1],"datatype":"FP32","data":[1]}]}""");
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
