using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Atoll.Serving.Onnx;
using Xunit;

namespace Atoll.Tests.Prediction;

/// <summary>The Open Inference Protocol's REST routes, over the same models.</summary>
public sealed class OpenInferenceTests(PredictionServer server) : IClassFixture<PredictionServer>
{
    private static readonly (string Name, TensorElementType Type, string Datatype)[] Types =
    [
        ("b", TensorElementType.Bool, "BOOL"), ("i8", TensorElementType.Int8, "INT8"), ("i16", TensorElementType.Int16, "INT16"),
        ("i32", TensorElementType.Int32, "INT32"), ("i64", TensorElementType.Int64, "INT64"), ("u8", TensorElementType.UInt8, "UINT8"),
        ("u16", TensorElementType.UInt16, "UINT16"), ("u32", TensorElementType.UInt32, "UINT32"), ("u64", TensorElementType.UInt64, "UINT64"),
        ("f32", TensorElementType.Float, "FP32"), ("f64", TensorElementType.Double, "FP64"), ("s", TensorElementType.String, "BYTES"),
    ];

    /// <summary>Values of each type in JSON, at the ends of its range.</summary>
    private static readonly Dictionary<string, string> Values = new()
    {
        ["BOOL"] = "true,false", ["INT8"] = "-128,127", ["INT16"] = "-32768,32767", ["INT32"] = "-2147483648,2147483647",
        ["INT64"] = "-9223372036854775808,9007199254740993", ["UINT8"] = "0,255", ["UINT16"] = "0,65535", ["UINT32"] = "0,4294967295",
        ["UINT64"] = "0,18446744073709551615", ["FP32"] = "0.1,-3.4028235E+38", ["FP64"] = "0.1,1.7976931348623157E+308", ["BYTES"] = "\"caf\u00e9\",\"\"",
    };

    [Fact]
    public async Task Health_and_server_metadata_are_told_to_anybody()
    {
        using var anybody = server.Server.ClientFor(null);
        foreach (var path in (string[])["/v2/health/live", "/v2/health/ready"])
        {
            using var answer = await anybody.GetAsync(path, TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }
        var metadata = JsonNode.Parse(await anybody.GetStringAsync("/v2?test_1=1", TestContext.Current.CancellationToken))!;
        Assert.Equal("atoll", (string)metadata["name"]!);
        Assert.NotNull((string)metadata["version"]!);
        Assert.Equal(["classification", "model_repository", "model_configuration", "binary_tensor_data", "parameters", "statistics"], metadata["extensions"]!.AsArray().Select(extension => (string)extension!));
    }

    [Fact]
    public async Task The_server_is_called_as_its_operator_says()
    {
        await using var named = new TestServer { Settings = ["--Prediction:ServerName=triton"] };
        await named.InitializeAsync();
        using var anybody = named.ClientFor(null);
        Assert.Equal("triton", (string)JsonNode.Parse(await anybody.GetStringAsync("/v2", TestContext.Current.CancellationToken))!["name"]!);
    }

    [Fact]
    public async Task Model_metadata_tells_names_datatypes_and_shapes()
    {
        var text = await server.Client.GetStringAsync("/v2/models/churn?x=1", TestContext.Current.CancellationToken);
        Assert.Equal(
            """
            {"name":"churn","versions":["1"],"platform":"onnxruntime_onnx","inputs":[{"name":"age","datatype":"FP32","shape":[-1,1]},{"name":"income","datatype":"FP32","shape":[-1,1]},{"name":"married","datatype":"BYTES","shape":[-1,1]},{"name":"city","datatype":"BYTES","shape":[-1,1]}],"outputs":[{"name":"label","datatype":"BYTES","shape":[-1]},{"name":"probabilities","datatype":"FP32","shape":[-1,2]}]}
            """, text);
        Assert.Equal(text, await server.Client.GetStringAsync("/v2/models/churn/versions/1", TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("GET", "/v2/models/churn/ready", 200, null)]
    [InlineData("GET", "/v2/models/churn/versions/1/ready", 200, null)]
    [InlineData("GET", "/v2/models/nobody/ready", 404, "Request for unknown model: 'nobody' is not found")]
    [InlineData("GET", "/v2/models/nobody", 404, "Request for unknown model: 'nobody' is not found")]
    [InlineData("POST", "/v2/models/nobody/infer", 404, "Request for unknown model: 'nobody' is not found")]
    [InlineData("POST", "/v2/models/churn/versions/9/infer", 404, "Request for unknown model: 'churn' version 9 is not found")]
    [InlineData("GET", "/v2/models/churn/versions/9/ready", 404, "Request for unknown model: 'churn' version 9 is not found")]
    [InlineData("GET", "/v2/models/churn/versions/latest", 404, "Request for unknown model: 'churn' version latest is not found")]
    [InlineData("GET", "/v2/models/churn/infer", 405, "Method Not Allowed")]
    [InlineData("POST", "/v2/models/churn/versions/1", 405, "Method Not Allowed")]
    [InlineData("POST", "/v2/health/live", 405, "Method Not Allowed")]
    [InlineData("DELETE", "/v2", 405, "Method Not Allowed")]
    [InlineData("GET", "/v2/nothing", 404, "Not Found")]
    [InlineData("POST", "/v2/systemsharedmemory/status", 405, "Method Not Allowed")]
    [InlineData("GET", "/v2/trace/setting", 404, "Not Found")]
    [InlineData("GET", "/v2/models/churn/versions/1/nothing", 404, "Not Found")]
    [InlineData("PUT", "/v2/models/churn/nothing", 404, "Not Found")]
    public async Task Addresses_are_answered_as_the_protocol_says(string method, string path, int status, string? error)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var answer = await server.Client.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(status, (int)answer.StatusCode);
        var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        if (error is null) return;
        Assert.Equal("application/json", answer.Content.Headers.ContentType?.MediaType);
        Assert.Equal(error, (string)JsonNode.Parse(text)!["error"]!);
    }

    [Fact]
    public async Task A_caller_without_a_credential_is_refused_in_the_words_of_the_protocol()
    {
        using var anybody = server.Server.ClientFor(null);
        using var answer = await anybody.GetAsync("/v2/models/churn", TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.NotNull((string)JsonNode.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["error"]!);
    }

    [Fact]
    public async Task Tensors_of_every_datatype_go_in_and_come_out_exactly()
    {
        await server.RegisterAsync("echo", PredictionModels.Echo(Types));
        var flat = Types.Select(type => Tensor(type, $"[{Values[type.Datatype]},{Values[type.Datatype]}]")).ToList();
        var nested = Types.Select(type => Tensor(type, $"[[{Values[type.Datatype]}],[{Values[type.Datatype]}]]")).ToList();
        foreach (var inputs in (List<string>[])[flat, nested])
        {
            var (status, text) = await InferAsync("echo", $$"""{"id":"a\"1","parameters":{"priority":3,"anything":"goes","binary_data_output":false},"inputs":[{{string.Join(',', inputs)}}]}""");
            Assert.True(status == 200, text);
            var expected = Types.Select(type =>
                $$"""{"name":"{{type.Name}}_out","datatype":"{{type.Datatype}}","shape":[2,2],"data":[{{Values[type.Datatype]}},{{Values[type.Datatype]}}]}""");
            Assert.Equal($$"""{"id":"a\"1","model_name":"echo","model_version":"1","outputs":[{{string.Join(',', expected)}}]}""", text);
        }

        static string Tensor((string Name, TensorElementType Type, string Datatype) type, string data) =>
            $$"""{"name":"{{type.Name}}","shape":[2,2],"datatype":"{{type.Datatype}}","data":{{data}}}""";
    }

    [Fact]
    public async Task Data_may_stand_before_what_it_needs_and_outputs_are_chosen()
    {
        await server.RegisterAsync("pair", PredictionModels.Echo(("a", TensorElementType.Int64, "INT64"), ("b", TensorElementType.String, "BYTES")));
        var (status, text) = await InferAsync("pair", """
            {"outputs":[{"name":"b_out","parameters":{"binary_data":false}}],"extra":[{}],
             "inputs":[{"data":[["x","y"]],"shape":[1,2],"more":1,"datatype":"BYTES","name":"b"},{"datatype":"INT64","data":[1,2],"name":"a","shape":[1,2]}]}
            """);
        Assert.Equal(200, status);
        Assert.Equal("""{"model_name":"pair","model_version":"1","outputs":[{"name":"b_out","datatype":"BYTES","shape":[1,2],"data":["x","y"]}]}""", text);
        var (empty, answer) = await InferAsync("pair", """{"inputs":[{"name":"a","shape":[0,2],"datatype":"INT64","data":[]},{"name":"b","shape":[0,2],"datatype":"BYTES","data":[]}]}""");
        Assert.True(empty == 200, answer);
        Assert.Contains("\"shape\":[0,2],\"data\":[]", answer);
    }

    /// <summary>Body with <c>§</c> for a good input <c>a</c>; fragments of the error parted by |.</summary>
    public static TheoryData<string, int, string> Refusals => new()
    {
        { "", 400, "empty" },
        { "{", 400, "not valid JSON" },
        { "[]", 400, "is a list" },
        { "{}", 400, "no 'inputs'" },
        { "{\"inputs\":{}}", 400, "'inputs' is an object" },
        { "{\"inputs\":[1]}", 400, "inputs[0] is the number 1" },
        { "{\"inputs\":[]}", 400, "expected 2 inputs but got 0 inputs for model 'refuse'|'a', 'f'" },
        { "{\"inputs\":[§]}", 400, "expected 2 inputs but got 1 inputs|Missing 'f'" },
        { "{\"inputs\":[§,§]}", 400, "'a' already exists" },
        { "{\"id\":7,\"inputs\":[§]}", 400, "'id' is the number 7" },
        { "{\"inputs\":[{\"name\":\"z\",\"shape\":[1,2],\"datatype\":\"INT64\",\"data\":[1,2]}]}", 400, "unexpected inference input 'z' for model 'refuse'|'a', 'f'" },
        { "{\"inputs\":[{\"shape\":[1,2],\"datatype\":\"INT64\",\"data\":[1,2]}]}", 400, "inputs[0] has no 'name'" },
        { "{\"inputs\":[{\"name\":5,\"shape\":[1,2],\"datatype\":\"INT64\",\"data\":[1,2]}]}", 400, "inputs[0].name is the number 5" },
        { "{\"inputs\":[{\"name\":\"a\",\"datatype\":\"INT64\",\"data\":[1,2]}]}", 400, "'a' has no 'shape'" },
        { "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"data\":[1,2]}]}", 400, "'a' has no 'datatype'" },
        { "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"INT64\"}]}", 400, "'a' has no 'data'" },
        { "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"INT32\",\"data\":[1,2]}]}", 400, "unexpected datatype INT32 for inference input 'a', expecting INT64" },
        { "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"LONG\",\"data\":[1,2]}]}", 400, "unknown datatype 'LONG'" },
        { "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,3],\"datatype\":\"INT64\",\"data\":[1,2,3]}]}", 400, "unexpected shape for input 'a' for model 'refuse'. Expected [-1,2], got [1,3]" },
        { "{\"inputs\":[{\"name\":\"a\",\"shape\":[2],\"datatype\":\"INT64\",\"data\":[1,2]}]}", 400, "Expected [-1,2], got [2]" },
        { "{\"inputs\":[{\"name\":\"a\",\"shape\":[2,-5],\"datatype\":\"INT64\",\"data\":[1,2]}]}", 400, "[2,-5]" },
        { "{\"inputs\":[{\"name\":\"a\",\"shape\":[4611686018427387904,4],\"datatype\":\"INT64\",\"data\":[1]}]}", 400, "causes total element count to exceed maximum size" },
        { "{\"inputs\":[{\"name\":\"a\",\"shape\":[1000000000,2],\"datatype\":\"INT64\",\"data\":[1]}]}", 400, "more than the request body holds" },
        { "{\"inputs\":[{\"name\":\"a\",\"shape\":[1.5,2],\"datatype\":\"INT64\",\"data\":[1]}]}", 400, "inputs[0].shape[0]" },
        { "{\"inputs\":[{\"name\":\"a\",\"shape\":\"x\",\"datatype\":\"INT64\",\"data\":[1]}]}", 400, "inputs[0].shape is the text" },
        { "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"INT64\",\"data\":[1]}]}", 400, "input 'a' of shape [1,2]: 'data' has 1 elements, expected 2" },
        { "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"INT64\",\"data\":[1,2,3]}]}", 400, "'data' has 3 elements, expected 2" },
        { "{\"inputs\":[{\"name\":\"a\",\"shape\":[2,2],\"datatype\":\"INT64\",\"data\":[[1],[2,3,4]]}]}", 400, "list of 1 where the shape says 2" },
        { "{\"inputs\":[{\"name\":\"a\",\"shape\":[2,2],\"datatype\":\"INT64\",\"data\":[1,[2],3,4]}]}", 400, "neither flat nor nested" },
        { "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"INT64\",\"data\":[[[1,2]]]}]}", 400, "neither flat nor nested" },
        { "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"INT64\",\"data\":[1.5,2]}]}", 400, "element 0 is the number 1.5, expected INT64" },
        { "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"INT64\",\"data\":[1,9223372036854775808]}]}", 400, "element 1|expected INT64" },
        { "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"INT64\",\"data\":[1,\"2\"]}]}", 400, "element 1 is the text \"2\"" },
        { "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"INT64\",\"data\":5}]}", 400, "inputs[0].data is the number 5" },
        { "{\"inputs\":[§,{\"name\":\"f\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[\"NaN\",1]}]}", 400, "element 0 is the text \"NaN\", expected FP32" },
        { "{\"inputs\":[§,{\"name\":\"f\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[NaN,1]}]}", 400, "not valid JSON" },
        { "{\"inputs\":[§,{\"name\":\"f\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[null,1]}]}", 400, "element 0 is null" },
        { "{\"inputs\":[§,{\"name\":\"f\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1e39,1]}]}", 400, "element 0" },
        { "{\"inputs\":[§,{\"name\":\"f\",\"shape\":[2,2],\"datatype\":\"FP32\",\"data\":[1,2,3,4]}]}", 400, "both are 'N'" },
        { "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"INT64\",\"parameters\":{\"binary_data_size\":16}}]}", 400, "must specify valid 'Inference-Header-Content-Length'" },
        { "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"INT64\",\"parameters\":{\"shared_memory_region\":\"r\"}}]}", 501, "shared memory" },
        { "{\"parameters\":{\"triton_x\":1},\"inputs\":[§]}", 400, "reserved prefix" },
        { "{\"parameters\":[],\"inputs\":[§]}", 400, "'parameters' of request is a list" },
        { "{\"inputs\":[§],\"outputs\":[{\"name\":\"q\"}]}", 400, "unexpected inference output 'q' for model 'refuse'|'a_out'" },
        { "{\"inputs\":[§],\"outputs\":[{\"name\":\"a_out\"},{\"name\":\"a_out\"}]}", 400, "'a_out' already requested" },
        { "{\"inputs\":[§],\"outputs\":[{}]}", 400, "outputs[0] has no 'name'" },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task A_bad_infer_request_is_refused_before_the_model_sees_it(string body, int status, string fragments)
    {
        if (!_isRegistered)
        {
            await server.RegisterAsync("refuse", PredictionModels.Echo(("a", TensorElementType.Int64, "INT64"), ("f", TensorElementType.Float, "FP32")));
            _isRegistered = true;
        }
        var (actual, text) = await InferAsync("refuse", body.Replace("§", """{"name":"a","shape":[1,2],"datatype":"INT64","data":[1,2]}""", StringComparison.Ordinal));
        Assert.True(status == actual, $"{actual}: {text}");
        var error = (string)JsonNode.Parse(text)!["error"]!;
        foreach (var fragment in fragments.Split('|')) Assert.Contains(fragment, error, StringComparison.Ordinal);
    }

    private static bool _isRegistered;

    [Fact]
    public async Task Both_protocols_give_the_same_answer_for_the_same_model()
    {
        var (status, text) = await InferAsync("churn", """
            {"inputs":[{"name":"age","shape":[2,1],"datatype":"FP32","data":[60,20]},{"name":"income","shape":[2,1],"datatype":"FP32","data":[0,0]},
             {"name":"married","shape":[2,1],"datatype":"BYTES","data":["No",""]},{"name":"city","shape":[2,1],"datatype":"BYTES","data":["Rome","Rome"]}]}
            """);
        Assert.True(status == 200, text);
        var raw = await server.PredictAsync("churn", """{"rows":[{"age":60,"income":0,"married":"No","city":"Rome"},{"age":20,"income":0,"city":"Rome"}]}""");
        Assert.Equal(
            raw["predictions"]!.AsArray().Select(one => (string)one!["label"]!),
            JsonNode.Parse(text)!["outputs"]![0]!["data"]!.AsArray().Select(label => (string)label!));
    }

    private async Task<(int Status, string Text)> InferAsync(string model, string body)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var answer = await server.Client.PostAsync($"/v2/models/{model}/infer", content, TestContext.Current.CancellationToken);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }
}
