using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Atoll.Serving.Onnx;
using Xunit;

namespace Atoll.Tests.Prediction;

/// <summary>The classification extension of the Open Inference Protocol, and the parameters of its requests.</summary>
public sealed class ClassificationTests(PredictionServer server) : IClassFixture<PredictionServer>
{
    private const string Cash = """{"name":"text","shape":[2],"datatype":"BYTES","data":["cash","card"]}""";

    [Theory]
    [InlineData(1, "[2,1]", """["0.700000:1:cash","0.700000:0:card"]""")]
    [InlineData(2, "[2,2]", """["0.700000:1:cash","0.100000:0:card","0.700000:0:card","0.100000:1:cash"]""")]
    [InlineData(99, "[2,4]", """["0.700000:1:cash","0.100000:0:card","0.100000:2:loan","0.100000:3:none","0.700000:0:card","0.100000:1:cash","0.100000:2:loan","0.100000:3:none"]""")]
    public async Task The_highest_elements_are_told_with_their_labels(int classes, string shape, string data)
    {
        var outputs = await InferAsync("intents", $$$"""{"inputs":[{{{Cash}}}],"outputs":[{"name":"label"},{"name":"probabilities","parameters":{"classification":{{{classes}}} }}]}""");
        Assert.Equal("""{"name":"label","datatype":"BYTES","shape":[2],"data":["cash","card"]}""", outputs[0]!.ToJsonString());
        Assert.Equal($$"""{"name":"probabilities","datatype":"BYTES","shape":{{shape}},"data":{{data}}}""", outputs[1]!.ToJsonString());
    }

    [Fact]
    public async Task Zero_classes_are_the_tensor_itself()
    {
        var outputs = await InferAsync("intents", $$$"""{"inputs":[{{{Cash}}}],"outputs":[{"name":"probabilities","parameters":{"classification":0}}]}""");
        Assert.Equal("FP32", (string)outputs[0]!["datatype"]!);
    }

    [Fact]
    public async Task An_output_without_classes_has_one_for_each_row()
    {
        var outputs = await InferAsync(
            "price", """{"inputs":[{"name":"rooms","shape":[2,1],"datatype":"FP32","data":[2,-3.5]}],"outputs":[{"name":"value","parameters":{"classification":3}}]}""");
        Assert.Equal("""{"name":"value","datatype":"BYTES","shape":[2,1],"data":["4.000000:0","-7.000000:0"]}""", outputs[0]!.ToJsonString());
    }

    [Fact]
    public async Task An_empty_batch_has_no_classes()
    {
        var outputs = await InferAsync(
            "intents", """{"inputs":[{"name":"text","shape":[0],"datatype":"BYTES","data":[]}],"outputs":[{"name":"probabilities","parameters":{"classification":2}}]}""");
        Assert.Equal("""{"name":"probabilities","datatype":"BYTES","shape":[0,2],"data":[]}""", outputs[0]!.ToJsonString());
    }

    [Fact]
    public void Every_number_has_its_order_and_its_text()
    {
        var free = new OnnxValueInfo("o", TensorElementType.Float, [-1, 3]);
        Assert.Equal(["5.000000:2", "-1.000000:1", "nan:0", "inf:0", "0.000001:1", "-inf:2"], Make(free, [float.NaN, -1, 5, float.PositiveInfinity, 1e-6f, float.NegativeInfinity], 2, 3));
        Assert.Equal(["18446744073709551615:1", "9223372036854775808:0", "7:2"], Make(free with { Type = TensorElementType.UInt64 }, [9223372036854775808ul, ulong.MaxValue, 7ul], 1, 3));
        Assert.Equal(["1:2", "-128:0", "-128:1"], Make(free with { Type = TensorElementType.Int8 }, [sbyte.MinValue, sbyte.MinValue, (sbyte)1], 1, 3));

        // Without a batch the classes stand alone.
        using var tensor = OnnxTensor.Create([0.25, 0.5, -1e300], 3);
        Assert.Null(Atoll.Prediction.OpenInference.Classification.Make(tensor, new OnnxValueInfo("o", TensorElementType.Double, [3]), 2, ["a", "b", "c"], out var texts));
        using (texts)
        {
            Assert.Equal([2], texts!.Shape);
            Assert.Equal(["0.500000:1:b", "0.250000:0:a"], texts.ToStrings());
        }

        static string[] Make<T>(OnnxValueInfo info, T[] values, params long[] shape) where T : unmanaged
        {
            using var tensor = OnnxTensor.Create(values, shape);
            Assert.Null(Atoll.Prediction.OpenInference.Classification.Make(tensor, info, 3, [], out var texts));
            using (texts) return texts!.ToStrings();
        }
    }

    [Fact]
    public async Task Outputs_that_have_no_order_are_refused()
    {
        await server.RegisterAsync("words", PredictionModels.Echo(("s", TensorElementType.String, "BYTES")));
        Assert.Equal(
            "class result not available for output due to unsupported type 'BYTES'",
            await RefuseAsync("words", """{"inputs":[{"name":"s","shape":[1,2],"datatype":"BYTES","data":["a","b"]}],"outputs":[{"name":"s_out","parameters":{"classification":1}}]}"""));
        Assert.StartsWith(
            "Unable to parse 'classification' of output 's_out'",
            await RefuseAsync("words", """{"inputs":[],"outputs":[{"name":"s_out","parameters":{"classification":-1}}]}"""), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Classes_may_be_wanted_in_binary()
    {
        using var content = new StringContent(
            $$$"""{"inputs":[{{{Cash}}}],"outputs":[{"name":"probabilities","parameters":{"classification":1,"binary_data":true}}]}""");
        using var answer = await server.Client.PostAsync("/v2/models/intents/infer", content, TestContext.Current.CancellationToken);
        var bytes = await answer.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
        Assert.EndsWith("\x0f\0\0\00.700000:1:cash\x0f\0\0\00.700000:0:card", Encoding.UTF8.GetString(bytes), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"sequence_id":0,"sequence_start":false,"sequence_end":true,"priority":18446744073709551615,"timeout":0,"custom":{"a":[1]},"x":1.5}""", null)]
    [InlineData("""{"sequence_id":"abc","sequence_start":true,"timeout":18446744073709551615}""", null)]
    [InlineData("""{"sequence_id":1.5}""", "Unable to parse 'sequence_id' of request")]
    [InlineData("""{"sequence_id":-1}""", "Unable to parse 'sequence_id' of request")]
    [InlineData("""{"sequence_start":1}""", "Unable to parse 'sequence_start' of request")]
    [InlineData("""{"sequence_end":"yes"}""", "Unable to parse 'sequence_end' of request")]
    [InlineData("""{"priority":"high"}""", "Unable to parse 'priority' of request: it is the text \"high\"")]
    [InlineData("""{"timeout":-5}""", "Unable to parse 'timeout' of request")]
    [InlineData("""{"triton_enable_empty_final_response":true}""", "parameter 'triton_enable_empty_final_response' uses a reserved prefix 'triton_'")]
    public async Task Parameters_of_requests_are_taken_or_refused(string parameters, string? error)
    {
        var body = $$"""{"parameters":{{parameters}},"inputs":[{{Cash}}]}""";
        if (error is null) await InferAsync("intents", body);
        else Assert.StartsWith(error, await RefuseAsync("intents", body), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_ends_when_the_timeout_of_its_request_is_over()
    {
        await server.RegisterAsync("slow", PredictionModels.Slow(), isTried: false);
        using var content = new StringContent("""{"parameters":{"timeout":20000},"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[1]}]}""");
        using var answer = await server.Client.PostAsync("/v2/models/slow/infer", content, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Equal("""{"error":"Request timeout expired"}""", await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    private async Task<JsonArray> InferAsync(string model, string body)
    {
        using var content = new StringContent(body);
        using var answer = await server.Client.PostAsync($"/v2/models/{model}/infer", content, TestContext.Current.CancellationToken);
        var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, text);
        return JsonNode.Parse(text)!["outputs"]!.AsArray();
    }

    private async Task<string> RefuseAsync(string model, string body)
    {
        using var content = new StringContent(body);
        using var answer = await server.Client.PostAsync($"/v2/models/{model}/infer", content, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        return (string)JsonNode.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["error"]!;
    }
}
