using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.Platform.Grpc;
using Atoll.Prediction.OpenInference.Grpc.Messages;
using Atoll.Serving.Onnx;
using Atoll.Tests.ModelImports;
using Atoll.Tests.Platform.Grpc;
using Google.Protobuf;
using InputTensor = Atoll.Prediction.OpenInference.Grpc.Messages.ModelInferRequest.Types.InferInputTensor;
using RequestedOutput = Atoll.Prediction.OpenInference.Grpc.Messages.ModelInferRequest.Types.InferRequestedOutputTensor;

namespace Atoll.Tests.Prediction;

/// <summary>Configuration, statistics, repository and classification over gRPC, each beside its REST route; and loads with files, over both.</summary>
public sealed class OpenInferenceGrpcRepositoryTests(PredictionServer server) : IClassFixture<PredictionServer>, IDisposable
{
    private const string Service = "/inference.GRPCInferenceService/";

    private readonly GrpcTestClient _client = new(server.Server.Server.Address, server.Client.DefaultRequestHeaders.Authorization!.Parameter);

    public void Dispose() => _client.Dispose();

    [Fact]
    public async Task Metadata_configuration_and_statistics_are_those_of_the_routes()
    {
        var metadata = await CallAsync<ModelMetadataResponse>("ModelMetadata", new ModelMetadataRequest { Name = "churn" });
        await IsSameAsync("/v2/models/churn", metadata);
        var config = (await CallAsync<ModelConfigResponse>("ModelConfig", new ModelConfigRequest { Name = "churn", Version = "1" })).Config;
        Assert.Equal((DataType.TypeString, 100), (config.Input[2].DataType, config.MaxBatchSize));
        await IsSameAsync("/v2/models/churn/config", config);

        await InferAsync(Price(1));
        var statistics = await CallAsync<ModelStatisticsResponse>("ModelStatistics", new ModelStatisticsRequest { Name = "price" });
        Assert.True(Assert.Single(statistics.ModelStats).InferenceStats.Success.Count > 0);
        await IsSameAsync("/v2/models/price/stats", statistics);
        var all = await CallAsync<ModelStatisticsResponse>("ModelStatistics", new ModelStatisticsRequest());
        Assert.Contains(all.ModelStats, one => one.Name == "price" && one.MemoryUsage[0].ByteSize > 0);
        foreach (var (method, request) in ((string, IMessage)[])[("ModelConfig", new ModelConfigRequest { Name = "nobody" }), ("ModelStatistics", new ModelStatisticsRequest { Name = "nobody" })])
            await IsRefusedAsync(method, request, StatusCode.NotFound, "Request for unknown model: 'nobody' is not found");
    }

    [Fact]
    public async Task The_repository_lists_loads_and_unloads()
    {
        await server.RegisterAsync("grpc-listed", PredictionModels.Constant(1));
        var index = await CallAsync<RepositoryIndexResponse>("RepositoryIndex", new RepositoryIndexRequest { Ready = true });
        Assert.Equal(("1", "READY", ""), Assert.Single(index.Models, one => one.Name == "grpc-listed") is var one ? (one.Version, one.State, one.Reason) : default);

        await CallAsync<RepositoryModelLoadResponse>("RepositoryModelLoad", new RepositoryModelLoadRequest { ModelName = "grpc-listed" });
        Assert.NotEmpty((await StatsAsync()).MemoryUsage);
        await CallAsync<RepositoryModelUnloadResponse>("RepositoryModelUnload", new RepositoryModelUnloadRequest
        {
            ModelName = "grpc-listed", Parameters = { ["unload_dependents"] = new ModelRepositoryParameter { BoolParam = false } },
        });
        Assert.Empty((await StatsAsync()).MemoryUsage);

        async Task<ModelStatistics> StatsAsync() => Assert.Single((await CallAsync<ModelStatisticsResponse>("ModelStatistics", new ModelStatisticsRequest { Name = "grpc-listed" })).ModelStats);
    }

    [Fact]
    public async Task What_the_repository_does_not_do_is_refused_in_the_words_of_the_protocol()
    {
        await IsRefusedAsync("RepositoryIndex", new RepositoryIndexRequest { RepositoryName = "other" }, StatusCode.Unimplemented, "'repository_name' specification is not supported");
        await IsRefusedAsync("RepositoryModelLoad", Load("nobody"), StatusCode.NotFound, "failed to load 'nobody', failed to poll from model repository");
        await IsRefusedAsync("RepositoryModelLoad", Load("price", ("colour", new() { BoolParam = true })), StatusCode.InvalidArgument, "failed to load 'price', unrecognized parameter 'colour'");
        await IsRefusedAsync("RepositoryModelLoad", Load("price", ("config", new() { BoolParam = true })), StatusCode.InvalidArgument, "failed to load 'price', unable to parse 'config', expected a string");
        await IsRefusedAsync("RepositoryModelLoad", Load("price", ("config", new() { StringParam = "{" })), StatusCode.InvalidArgument, "failed to load 'price', unable to parse 'config': ");
        await IsRefusedAsync("RepositoryModelLoad", Load("price", ("file:1/model.onnx", new() { StringParam = "AAAA" })), StatusCode.InvalidArgument, "failed to load 'price', unable to parse 'file:1/model.onnx', expected bytes");
        await IsRefusedAsync("RepositoryModelUnload", new RepositoryModelUnloadRequest { ModelName = "nobody" }, StatusCode.NotFound, "Request for unknown model: 'nobody' is not found");
        await IsRefusedAsync(
            "RepositoryModelUnload", new RepositoryModelUnloadRequest { ModelName = "price", Parameters = { ["unload_dependents"] = new ModelRepositoryParameter { StringParam = "no" } } },
            StatusCode.InvalidArgument, "Unable to parse 'unload_dependents'");
    }

    [Theory]
    [InlineData("TraceSetting")]
    [InlineData("LogSettings")]
    [InlineData("CudaSharedMemoryStatus")]
    public async Task Methods_that_are_not_offered_are_unimplemented(string method)
    {
        var answer = await _client.SendAsync(Service + method, GrpcTestClient.Frame([]));
        Assert.Equal(StatusCode.Unimplemented, answer.Status);
        Assert.Contains(method, answer.Message);
    }

    [Theory]
    [InlineData("/v2/trace/setting")]
    [InlineData("/v2/models/price/trace/setting")]
    [InlineData("/v2/logging")]
    [InlineData("/v2/cudasharedmemory/status")]
    public async Task Routes_that_are_not_offered_are_not_found(string path)
    {
        using var answer = await server.Client.GetAsync(path, TestContext.Current.CancellationToken);
        Assert.Equal((404, """{"error":"Not Found"}"""), ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)));
    }

    [Fact]
    public async Task A_load_over_grpc_brings_a_model_along()
    {
        var load = Load("grpc-brought", ("config", new() { StringParam = """{"backend":"onnxruntime","max_batch_size":8}""" }), ("file:1/model.onnx", new() { BytesParam = ByteString.CopyFrom(ForeignModels.Tensor()) }));
        await CallAsync<RepositoryModelLoadResponse>("RepositoryModelLoad", load);
        var request = new ModelInferRequest
        {
            ModelName = "grpc-brought", Inputs = { new InputTensor { Name = "x", Datatype = "FP32", Shape = { 1, 3 }, Contents = new InferTensorContents { Fp32Contents = { 1, 1, 2 } } } },
        };
        Assert.Equal("1", (await InferAsync(request)).ModelVersion);

        // The same file again is the same version; another one is the next.
        await CallAsync<RepositoryModelLoadResponse>("RepositoryModelLoad", load);
        Assert.Equal("1", (await InferAsync(request)).ModelVersion);
        load.Parameters["file:1/model.onnx"].BytesParam = ByteString.CopyFrom(ForeignModels.Tensor(bias: 2));
        await CallAsync<RepositoryModelLoadResponse>("RepositoryModelLoad", load);
        Assert.Equal("2", (await InferAsync(request)).ModelVersion);

        load.Parameters["file:1/model.onnx"].BytesParam = ByteString.CopyFromUtf8("this is no model");
        await IsRefusedAsync("RepositoryModelLoad", load, StatusCode.InvalidArgument, "failed to load 'grpc-brought', The file is not a model");
        Assert.Equal("2", (await InferAsync(request)).ModelVersion);
    }

    [Fact]
    public async Task A_load_over_rest_brings_versions_along_in_the_order_of_their_folders()
    {
        var body = new JsonObject
        {
            ["parameters"] = new JsonObject
            {
                ["config"] = """{"name":"brought"}""",
                ["file:10/model.onnx"] = Convert.ToBase64String(ForeignModels.Tensor(bias: 10)),
                ["file:2/model.onnx"] = Convert.ToBase64String(ForeignModels.Tensor(bias: 2)),
            },
        };
        for (var times = 0; times < 2; times++)
        {
            using var answer = await server.Client.PostAsync("/v2/repository/models/brought/load", new StringContent(body.ToJsonString()), TestContext.Current.CancellationToken);
            Assert.Equal((200, ""), ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)));
        }
        var version = (await server.Client.GetFromJsonAsync("/api/v1/models/brought/versions/latest", AtollJson.Default.ModelVersionResponse, TestContext.Current.CancellationToken))!;
        Assert.Equal((2, "model.onnx"), (version.Version, version.Lineage.File));
        Assert.Equal(ForeignModels.Tensor(bias: 10), await server.Client.GetByteArrayAsync("/api/v1/models/brought/versions/2/artifact", TestContext.Current.CancellationToken));
        var scores = await ModelImportTests.InferAsync(server.Client, "brought", """{"inputs":[{"name":"x","datatype":"FP32","shape":[1,3],"data":[0,0,0]}]}""");
        Assert.Equal("2", (string)scores["model_version"]!);
    }

    [Fact]
    public async Task Classes_over_grpc_are_those_over_rest()
    {
        var request = new ModelInferRequest
        {
            ModelName = "intents",
            Inputs = { new InputTensor { Name = "text", Datatype = "BYTES", Shape = { 2 }, Contents = new InferTensorContents { BytesContents = { ByteString.CopyFromUtf8("cash"), ByteString.CopyFromUtf8("x") } } } },
            Outputs = { new RequestedOutput { Name = "probabilities", Parameters = { ["classification"] = new InferParameter { Int64Param = 2 } } } },
        };
        var output = await InferAsync(request);
        Assert.Equal(("BYTES", "2,2"), (output.Outputs[0].Datatype, string.Join(',', output.Outputs[0].Shape)));
        var rest = await ModelImportTests.InferAsync(
            server.Client, "intents", """{"inputs":[{"name":"text","datatype":"BYTES","shape":[2],"data":["cash","x"]}],"outputs":[{"name":"probabilities","parameters":{"classification":2}}]}""");
        var texts = rest["outputs"]![0]!["data"]!.AsArray().Select(text => (string)text!).ToList();
        Assert.Equal("0.700000:1:cash", texts[0]);
        Assert.Equal(string.Concat(texts.Select(text => $"{Encoding.Latin1.GetString(BitConverter.GetBytes(text.Length))}{text}")), output.RawOutputContents[0].ToString(Encoding.Latin1));
    }

    [Fact]
    public async Task A_scalar_goes_in_and_comes_out()
    {
        await server.RegisterAsync("grpc-scalar", PredictionModels.Scalar());
        var response = await InferAsync(new ModelInferRequest
        {
            ModelName = "grpc-scalar", Inputs = { new InputTensor { Name = "x", Datatype = "FP32" } }, RawInputContents = { ByteString.CopyFrom(BitConverter.GetBytes(1.5f)) },
        });
        Assert.Empty(Assert.Single(response.Outputs).Shape);
        Assert.Equal(BitConverter.GetBytes(1.5f), response.RawOutputContents[0].ToByteArray());
    }

    [Fact]
    public async Task The_parameter_timeout_ends_a_request_as_over_rest()
    {
        await server.RegisterAsync("grpc-slow", PredictionModels.Slow(), isTried: false);
        var request = new ModelInferRequest
        {
            ModelName = "grpc-slow", Inputs = { new InputTensor { Name = "x", Datatype = "FP32", Shape = { 1, 1 } } }, RawInputContents = { ByteString.CopyFrom(BitConverter.GetBytes(0.5f)) },
            Parameters = { ["timeout"] = new InferParameter { Int64Param = 20_000 } },
        };
        await IsRefusedAsync("ModelInfer", request, StatusCode.Unavailable, "Request timeout expired");
    }

    [Theory]
    [InlineData("path")]
    [InlineData("header")]
    public async Task A_platform_administrator_names_the_tenant(string how)
    {
        var name = (await server.Client.GetFromJsonAsync("/api/v1/me", AtollJson.Default.CallerResponse, TestContext.Current.CancellationToken))!.Tenant;
        using var platform = new GrpcTestClient(server.Server.Server.Address, server.Server.Platform.DefaultRequestHeaders.Authorization!.Parameter);
        var method = how == "path" ? $"/t/{name}{Service}ModelConfig" : Service + "ModelConfig";
        (string, string)[] headers = how == "path" ? [] : [("atoll-tenant", name)];
        var (config, answer) = await platform.CallAsync<ModelConfigResponse>(method, new ModelConfigRequest { Name = "churn" }, headers);
        Assert.True(answer.Status == StatusCode.OK, answer.Message);
        Assert.Equal("churn", config!.Config.Name);
    }

    private static RepositoryModelLoadRequest Load(string model, params (string Name, ModelRepositoryParameter Value)[] parameters)
    {
        var load = new RepositoryModelLoadRequest { ModelName = model };
        foreach (var (name, value) in parameters) load.Parameters[name] = value;
        return load;
    }

    private static ModelInferRequest Price(float rooms) => new()
    {
        ModelName = "price", Inputs = { new InputTensor { Name = "rooms", Datatype = "FP32", Shape = { 1, 1 } } }, RawInputContents = { ByteString.CopyFrom(BitConverter.GetBytes(rooms)) },
    };

    private Task<ModelInferResponse> InferAsync(ModelInferRequest request) => CallAsync<ModelInferResponse>("ModelInfer", request);

    private async Task<T> CallAsync<T>(string method, IMessage request) where T : class, IMessage<T>, new()
    {
        var (response, answer) = await _client.CallAsync<T>(Service + method, request);
        Assert.True(answer.Status == StatusCode.OK, $"{answer.Status}: {answer.Message}");
        return response!;
    }

    private async Task IsRefusedAsync(string method, IMessage request, StatusCode status, string message)
    {
        var answer = await _client.SendAsync(Service + method, GrpcTestClient.Frame(request.ToByteArray()));
        Assert.True(answer.Status == status, $"{answer.Status}: {answer.Message}");
        Assert.StartsWith(message, answer.Message, StringComparison.Ordinal);
    }

    private async Task IsSameAsync(string path, IMessage message)
    {
        var parser = new JsonParser(JsonParser.Settings.Default);
        var json = await server.Client.GetStringAsync(path, TestContext.Current.CancellationToken);
        Assert.Equal(message, parser.Parse(json, message.Descriptor));
    }
}
