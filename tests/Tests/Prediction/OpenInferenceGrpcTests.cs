using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Json;
using System.Runtime.InteropServices;
using System.Text;
using Atoll.Contracts;
using Atoll.Platform.Grpc;
using Atoll.Prediction.OpenInference.Grpc.Messages;
using Atoll.Serving.Onnx;
using Atoll.Tests.Platform.Grpc;
using Atoll.Tests.Tenancy;
using Google.Protobuf;
using InputTensor = Atoll.Prediction.OpenInference.Grpc.Messages.ModelInferRequest.Types.InferInputTensor;
using RequestedOutput = Atoll.Prediction.OpenInference.Grpc.Messages.ModelInferRequest.Types.InferRequestedOutputTensor;

namespace Atoll.Tests.Prediction;

/// <summary>The Open Inference Protocol's service, over the same models as its REST routes.</summary>
public sealed class OpenInferenceGrpcTests(PredictionServer server) : IClassFixture<PredictionServer>, IDisposable
{
    private const string Service = "/inference.GRPCInferenceService/";

    private static readonly (string Name, TensorElementType Type, string Datatype)[] Types =
    [
        ("b", TensorElementType.Bool, "BOOL"), ("i8", TensorElementType.Int8, "INT8"), ("i16", TensorElementType.Int16, "INT16"),
        ("i32", TensorElementType.Int32, "INT32"), ("i64", TensorElementType.Int64, "INT64"), ("u8", TensorElementType.UInt8, "UINT8"),
        ("u16", TensorElementType.UInt16, "UINT16"), ("u32", TensorElementType.UInt32, "UINT32"), ("u64", TensorElementType.UInt64, "UINT64"),
        ("f32", TensorElementType.Float, "FP32"), ("f64", TensorElementType.Double, "FP64"), ("f16", TensorElementType.Float16, "FP16"),
        ("bf16", TensorElementType.BFloat16, "BF16"), ("s", TensorElementType.String, "BYTES"),
    ];

    private readonly GrpcTestClient _client = new(server.Server.Server.Address, server.Client.DefaultRequestHeaders.Authorization!.Parameter);

    public void Dispose() => _client.Dispose();

    [Fact]
    public async Task Health_and_server_metadata_are_told_to_anybody()
    {
        using var anybody = new GrpcTestClient(server.Server.Server.Address);
        Assert.True((await anybody.CallAsync<ServerLiveResponse>(Service + "ServerLive", new ServerLiveRequest())).Response!.Live);
        Assert.True((await anybody.CallAsync<ServerReadyResponse>(Service + "ServerReady", new ServerReadyRequest())).Response!.Ready);
        var metadata = (await anybody.CallAsync<ServerMetadataResponse>(Service + "ServerMetadata", new ServerMetadataRequest())).Response!;
        Assert.Equal("atoll", metadata.Name);
        Assert.NotEmpty(metadata.Version);
        Assert.Equal(["classification", "model_repository", "model_configuration", "binary_tensor_data", "parameters", "statistics"], metadata.Extensions);
    }

    [Fact]
    public async Task A_raw_bool_that_is_neither_0_nor_1_becomes_1_before_native_code_sees_it()
    {
        await server.RegisterAsync("grpc-flag", PredictionModels.Echo(("b", TensorElementType.Bool, "BOOL")));
        var response = await InferAsync(new ModelInferRequest
        {
            ModelName = "grpc-flag", Inputs = { new InputTensor { Name = "b", Datatype = "BOOL", Shape = { 1, 2 } } }, RawInputContents = { ByteString.CopyFrom(0xFF, 0) },
        });
        Assert.Equal([1, 0], Assert.Single(response.RawOutputContents).ToByteArray());
    }

    [Fact]
    public async Task A_caller_without_a_credential_is_unauthenticated()
    {
        foreach (var credential in (string?[])[null, "atl_00000000000000000000000000000000"])
        {
            using var anybody = new GrpcTestClient(server.Server.Server.Address, credential);
            foreach (var method in (string[])["ModelReady", "ModelMetadata", "ModelInfer", "ModelStreamInfer"])
                Assert.Equal(StatusCode.Unauthenticated, (await anybody.SendAsync(Service + method, GrpcTestClient.Frame([]))).Status);
        }
    }

    [Fact]
    public async Task Models_tell_whether_they_are_ready_and_what_they_take()
    {
        Assert.True((await _client.CallAsync<ModelReadyResponse>(Service + "ModelReady", new ModelReadyRequest { Name = "churn" })).Response!.Ready);
        Assert.True((await _client.CallAsync<ModelReadyResponse>(Service + "ModelReady", new ModelReadyRequest { Name = "churn", Version = "1" })).Response!.Ready);
        foreach (var (name, version) in ((string, string)[])[("nobody", ""), ("churn", "9"), ("churn", "latest")])
            Assert.False((await _client.CallAsync<ModelReadyResponse>(Service + "ModelReady", new ModelReadyRequest { Name = name, Version = version })).Response!.Ready);

        var (metadata, _) = await _client.CallAsync<ModelMetadataResponse>(Service + "ModelMetadata", new ModelMetadataRequest { Name = "churn" });
        Assert.Equal(("churn", "onnxruntime_onnx", "1"), (metadata!.Name, metadata.Platform, Assert.Single(metadata.Versions)));
        Assert.Equal(
            ["age FP32 -1,1", "income FP32 -1,1", "married BYTES -1,1", "city BYTES -1,1", "label BYTES -1", "probabilities FP32 -1,2"],
            metadata.Inputs.Concat(metadata.Outputs).Select(tensor => $"{tensor.Name} {tensor.Datatype} {string.Join(',', tensor.Shape)}"));
        var (_, unknown) = await _client.CallAsync<ModelMetadataResponse>(Service + "ModelMetadata", new ModelMetadataRequest { Name = "nobody" });
        Assert.Equal((StatusCode.NotFound, "Request for unknown model: 'nobody' is not found"), (unknown.Status, unknown.Message));
    }

    [Fact]
    public async Task Tensors_of_every_datatype_go_in_raw_and_come_out_exactly()
    {
        await server.RegisterAsync("grpc-echo", PredictionModels.Echo(Types));
        var random = new Random(7);
        foreach (var rows in (int[])[1, 3, 0])
        {
            var request = new ModelInferRequest { ModelName = "grpc-echo", Id = "é1" };
            foreach (var (name, type, datatype) in Types)
            {
                request.Inputs.Add(new InputTensor { Name = name, Datatype = datatype, Shape = { rows, 2 } });
                request.RawInputContents.Add(ByteString.CopyFrom(RawOf(type, rows * 2, random)));
            }
            var response = await InferAsync(request);
            Assert.Equal(("grpc-echo", "1", "é1"), (response.ModelName, response.ModelVersion, response.Id));
            Assert.Equal(Types.Select(type => $"{type.Name}_out {type.Datatype} {rows},2"), response.Outputs.Select(output => $"{output.Name} {output.Datatype} {string.Join(',', output.Shape)}"));
            Assert.Equal(request.RawInputContents, response.RawOutputContents);
            Assert.All(response.Outputs, output => Assert.Null(output.Contents));
        }
    }

    [Fact]
    public async Task Tensors_may_stand_in_contents_and_come_out_raw()
    {
        var types = Types.Where(type => type.Datatype is not ("FP16" or "BF16")).ToArray();
        await server.RegisterAsync("grpc-contents", PredictionModels.Echo(types));
        var request = new ModelInferRequest { ModelName = "grpc-contents", Outputs = { types.Reverse().Select(type => new RequestedOutput { Name = type.Name + "_out" }) } };
        var contents = new Dictionary<string, (InferTensorContents Contents, byte[] Raw)>
        {
            ["BOOL"] = (new() { BoolContents = { true, false } }, [1, 0]),
            ["INT8"] = (new() { IntContents = { -128, 127 } }, [0x80, 0x7F]),
            ["INT16"] = (new() { IntContents = { short.MinValue, 1 } }, Bytes<short>(short.MinValue, 1)),
            ["INT32"] = (new() { IntContents = { int.MinValue, int.MaxValue } }, Bytes(int.MinValue, int.MaxValue)),
            ["INT64"] = (new() { Int64Contents = { long.MinValue, long.MaxValue } }, Bytes(long.MinValue, long.MaxValue)),
            ["UINT8"] = (new() { UintContents = { 0, 255 } }, [0, 255]),
            ["UINT16"] = (new() { UintContents = { 0, 65535 } }, [0, 0, 255, 255]),
            ["UINT32"] = (new() { UintContents = { 0, uint.MaxValue } }, Bytes<uint>(0, uint.MaxValue)),
            ["UINT64"] = (new() { Uint64Contents = { 0, ulong.MaxValue } }, Bytes<ulong>(0, ulong.MaxValue)),
            ["FP32"] = (new() { Fp32Contents = { float.NaN, -0f } }, Bytes(float.NaN, -0f)),
            ["FP64"] = (new() { Fp64Contents = { double.PositiveInfinity, 0.1 } }, Bytes(double.PositiveInfinity, 0.1)),
            ["BYTES"] = (new() { BytesContents = { ByteString.Empty, ByteString.CopyFrom(0, 0xFF, 7) } }, [0, 0, 0, 0, 3, 0, 0, 0, 0, 0xFF, 7]),
        };
        foreach (var (name, _, datatype) in types) request.Inputs.Add(new InputTensor { Name = name, Datatype = datatype, Shape = { 1, 2 }, Contents = contents[datatype].Contents });
        var response = await InferAsync(request);
        Assert.Equal(types.Reverse().Select(type => type.Name + "_out"), response.Outputs.Select(output => output.Name));
        Assert.Equal(types.Reverse().Select(type => Convert.ToHexString(contents[type.Datatype].Raw)), response.RawOutputContents.Select(raw => Convert.ToHexString(raw.Span)));
    }

    [Fact]
    public async Task A_scalar_goes_in_and_comes_out()
    {
        await server.RegisterAsync("grpc-scalar", PredictionModels.Scalar());
        var response = await InferAsync(new ModelInferRequest
        {
            ModelName = "grpc-scalar", Inputs = { new InputTensor { Name = "x", Datatype = "FP32" } }, RawInputContents = { ByteString.CopyFrom(Bytes(2.5f)) },
        });
        Assert.Empty(Assert.Single(response.Outputs).Shape);
        Assert.Equal(Bytes(2.5f), Assert.Single(response.RawOutputContents).ToByteArray());
    }

    [Fact]
    public async Task Both_doors_give_the_same_answer_for_the_same_model()
    {
        var request = new ModelInferRequest { ModelName = "churn", ModelVersion = "1", Parameters = { ["priority"] = new InferParameter { Uint64Param = 3 } } };
        foreach (var name in (string[])["age", "income"])
            request.Inputs.Add(new InputTensor { Name = name, Datatype = "FP32", Shape = { 2, 1 }, Contents = new InferTensorContents { Fp32Contents = { name == "age" ? [60, 20] : [0f, 0] } } });
        foreach (var name in (string[])["married", "city"])
            request.Inputs.Add(new InputTensor { Name = name, Datatype = "BYTES", Shape = { 2, 1 }, Contents = new InferTensorContents { BytesContents = { ByteString.CopyFromUtf8("No"), ByteString.Empty } } });
        var response = await InferAsync(request);
        Assert.Equal(["leaves", "stays"], Texts(response.RawOutputContents[0]));
        Assert.Equal([0.1f, 0.9f, 0.9f, 0.1f], MemoryMarshal.Cast<byte, float>(response.RawOutputContents[1].Span).ToArray().Select(value => MathF.Round(value, 4)));
    }

    /// <summary>What is done to a good request for the model <c>a: INT64[-1,2], f: FP32[-1,2]</c>, the status, and fragments of the message parted by |.</summary>
    private static readonly Dictionary<string, (Action<ModelInferRequest> Spoil, StatusCode Status, string Fragments)> Refusals = new()
    {
        ["unknown model"] = (request => request.ModelName = "nobody", StatusCode.NotFound, "Request for unknown model: 'nobody' is not found"),
        ["no model"] = (request => request.ModelName = "", StatusCode.NotFound, "Request for unknown model"),
        ["unknown version"] = (request => request.ModelVersion = "9", StatusCode.NotFound, "Request for unknown model: 'grpc-refuse' version 9"),
        ["no inputs"] = (request => { request.Inputs.Clear(); request.RawInputContents.Clear(); }, StatusCode.InvalidArgument, "expected 2 inputs but got 0 inputs for model 'grpc-refuse'"),
        ["unknown input"] = (request => request.Inputs[0].Name = "z", StatusCode.InvalidArgument, "unexpected inference input 'z' for model 'grpc-refuse'"),
        ["input twice"] = (request => request.Inputs[1] = request.Inputs[0].Clone(), StatusCode.InvalidArgument, "'a' already exists"),
        ["other datatype"] = (request => request.Inputs[0].Datatype = "INT32", StatusCode.InvalidArgument, "unexpected datatype INT32 for inference input 'a', expecting INT64"),
        ["unknown datatype"] = (request => request.Inputs[0].Datatype = "LONG", StatusCode.InvalidArgument, "unknown datatype 'LONG'"),
        ["other shape"] = (request => request.Inputs[0].Shape[1] = 3, StatusCode.InvalidArgument, "unexpected shape for input 'a' for model 'grpc-refuse'. Expected [-1,2], got [1,3]"),
        ["negative shape"] = (request => request.Inputs[0].Shape[0] = -1, StatusCode.InvalidArgument, "[-1,2]"),
        ["endless shape"] = (request => request.Inputs[0].Shape[0] = long.MaxValue, StatusCode.InvalidArgument, "causes total element count to exceed maximum size"),
        ["large shape"] = (request => request.Inputs[0].Shape[0] = 1L << 40, StatusCode.InvalidArgument, "input byte size mismatch for input 'a'"),
        ["many dimensions"] = (request => request.Inputs[0].Shape.AddRange(Enumerable.Repeat(1L, 20)), StatusCode.InvalidArgument, "more than 16 dimensions"),
        ["raw too short"] = (request => request.RawInputContents[0] = ByteString.CopyFrom(new byte[15]), StatusCode.InvalidArgument, "Expected 16, got 15"),
        ["raw missing"] = (request => request.RawInputContents.RemoveAt(1), StatusCode.InvalidArgument, "unable to find data for input tensor 'f'"),
        ["raw too many"] = (request => request.RawInputContents.Add(ByteString.Empty), StatusCode.InvalidArgument, "expected 2 entries of raw_input_contents, got 3"),
        ["raw and contents"] = (request => request.Inputs[0].Contents = new InferTensorContents { Int64Contents = { 1, 2 } }, StatusCode.InvalidArgument, "contents field must not be specified when using raw_input_contents for 'a'"),
        ["no data"] = (request => request.RawInputContents.Clear(), StatusCode.InvalidArgument, "expected 2 elements of INT64, got 0"),
        ["other contents"] = (request => { request.RawInputContents.Clear(); request.Inputs[0].Contents = new InferTensorContents { IntContents = { 1, 2 } }; }, StatusCode.InvalidArgument, "got 0 and 2 of another type"),
        ["free dimension"] = (request => { request.Inputs[1].Shape[0] = 2; request.RawInputContents[1] = ByteString.CopyFrom(new byte[16]); }, StatusCode.InvalidArgument, "both are 'N'"),
        ["unknown output"] = (request => request.Outputs.Add(new RequestedOutput { Name = "q" }), StatusCode.InvalidArgument, "unexpected inference output 'q'"),
        ["output twice"] = (request => request.Outputs.Add([new RequestedOutput { Name = "a_out" }, new RequestedOutput { Name = "a_out" }]), StatusCode.InvalidArgument, "'a_out' already requested"),
        ["classification"] = (request => request.Outputs.Add(new RequestedOutput { Name = "a_out", Parameters = { ["classification"] = new InferParameter { StringParam = "1" } } }), StatusCode.InvalidArgument, "unable to parse 'classification' of output 'a_out'"),
        ["negative classification"] = (request => request.Outputs.Add(new RequestedOutput { Name = "a_out", Parameters = { ["classification"] = new InferParameter { Int64Param = -1 } } }), StatusCode.InvalidArgument, "expected an int64_param of at least 0"),
        ["shared memory in"] = (request => request.Inputs[0].Parameters["shared_memory_region"] = new InferParameter { StringParam = "r" }, StatusCode.Unimplemented, "shared memory"),
        ["shared memory out"] = (request => request.Outputs.Add(new RequestedOutput { Name = "a_out", Parameters = { ["shared_memory_region"] = new InferParameter { StringParam = "r" } } }), StatusCode.Unimplemented, "shared_memory_region"),
        ["reserved parameter"] = (request => request.Parameters["triton_x"] = new InferParameter { BoolParam = true }, StatusCode.InvalidArgument, "reserved prefix"),
    };

    [Fact]
    public async Task A_bad_request_is_refused_before_the_model_sees_it()
    {
        await server.RegisterAsync("grpc-refuse", PredictionModels.Echo(("a", TensorElementType.Int64, "INT64"), ("f", TensorElementType.Float, "FP32")));
        var good = new ModelInferRequest
        {
            ModelName = "grpc-refuse",
            Id = "7",
            Inputs = { new InputTensor { Name = "a", Datatype = "INT64", Shape = { 1, 2 } }, new InputTensor { Name = "f", Datatype = "FP32", Shape = { 1, 2 } } },
            RawInputContents = { ByteString.CopyFrom(new byte[16]), ByteString.CopyFrom(new byte[8]) },
        };
        await InferAsync(good);
        using var stream = _client.Open(Service + "ModelStreamInfer");
        foreach (var (name, (spoil, status, fragments)) in Refusals)
        {
            var bad = good.Clone();
            spoil(bad);
            var (_, answer) = await _client.CallAsync<ModelInferResponse>(Service + "ModelInfer", bad);
            Assert.True(status == answer.Status, $"{name}: {answer.Status} {answer.Message}");
            foreach (var fragment in fragments.Split('|')) Assert.Contains(fragment, answer.Message, StringComparison.Ordinal);

            // In a stream it is an answer, and the stream goes on.
            await stream.WriteAsync(bad);
            var told = (await stream.ReadAsync<ModelStreamInferResponse>())!;
            Assert.Equal((answer.Message, "7"), (told.ErrorMessage, told.InferResponse.Id));
        }
    }

    [Theory]
    [InlineData("000000000500000041", "incomplete string data for inference input 's', expecting string of length 5 but only 1 bytes available")]
    [InlineData("0100000041000000", "incomplete string length indicator for inference input 's', expecting 4 bytes but only 3 bytes available")]
    [InlineData("000000000000000000000000", "unexpected number of string elements 3 for inference input 's', expecting 2")]
    [InlineData("0400000041414141", "unexpected number of string elements 1 for inference input 's', expecting 2")]
    [InlineData("FFFFFFFF00000000", "incomplete string data for inference input 's', expecting string of length 4294967295")]
    [InlineData("00000000", "unexpected number of string elements for inference input 's', expecting 2")]
    public async Task Strings_that_do_not_fill_the_tensor_are_refused(string hex, string fragment)
    {
        await server.RegisterAsync("grpc-strings", PredictionModels.Echo(("s", TensorElementType.String, "BYTES")));
        var request = new ModelInferRequest
        {
            ModelName = "grpc-strings", Inputs = { new InputTensor { Name = "s", Datatype = "BYTES", Shape = { 1, 2 } } }, RawInputContents = { ByteString.CopyFrom(Convert.FromHexString(hex)) },
        };
        var (_, answer) = await _client.CallAsync<ModelInferResponse>(Service + "ModelInfer", request);
        Assert.Equal(StatusCode.InvalidArgument, answer.Status);
        Assert.Contains(fragment, answer.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_value_out_of_the_range_of_its_datatype_is_refused()
    {
        await server.RegisterAsync("grpc-narrow", PredictionModels.Echo(("i8", TensorElementType.Int8, "INT8"), ("u16", TensorElementType.UInt16, "UINT16")));
        foreach (var (signed, unsigned) in ((int, uint)[])[(128, 0), (-129, 0), (0, 65536)])
        {
            var request = new ModelInferRequest
            {
                ModelName = "grpc-narrow",
                Inputs =
                {
                    new InputTensor { Name = "i8", Datatype = "INT8", Shape = { 1, 2 }, Contents = new InferTensorContents { IntContents = { 0, signed } } },
                    new InputTensor { Name = "u16", Datatype = "UINT16", Shape = { 1, 2 }, Contents = new InferTensorContents { UintContents = { 0, unsigned } } },
                },
            };
            var (_, answer) = await _client.CallAsync<ModelInferResponse>(Service + "ModelInfer", request);
            Assert.Equal(StatusCode.InvalidArgument, answer.Status);
            Assert.Contains("out of the range", answer.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_stream_gives_one_answer_for_each_request_and_says_that_it_is_the_last()
    {
        using var stream = _client.Open(Service + "ModelStreamInfer");
        for (var i = 1; i <= 5; i++)
        {
            await stream.WriteAsync(Price($"{i}", i, new InferParameter { BoolParam = true }));
            var answer = (await stream.ReadAsync<ModelStreamInferResponse>())!;
            Assert.Equal(("", $"{i}", 2f * i), (answer.ErrorMessage, answer.InferResponse.Id, BinaryPrimitives.ReadSingleLittleEndian(answer.InferResponse.RawOutputContents[0].Span)));
            Assert.Equal("triton_final_response", Assert.Single(answer.InferResponse.Parameters).Key);
            Assert.True(answer.InferResponse.Parameters["triton_final_response"].BoolParam);
        }
        stream.Complete();
        Assert.Null(await stream.ReadAsync<ModelStreamInferResponse>());
        Assert.Equal(StatusCode.OK, (await stream.EndAsync()).Status);
    }

    [Fact]
    public async Task A_stream_ends_at_an_error_when_the_client_asks_for_it()
    {
        using var stream = _client.Open(Service + "ModelStreamInfer", ("triton_grpc_error", "true"));
        await stream.WriteAsync(Price("1", 1));
        Assert.NotNull(await stream.ReadAsync<ModelStreamInferResponse>());
        await stream.WriteAsync(new ModelInferRequest { ModelName = "nobody" });
        Assert.Null(await stream.ReadAsync<ModelStreamInferResponse>());
        Assert.Equal((StatusCode.NotFound, "Request for unknown model: 'nobody' is not found"), ((await stream.EndAsync()).Status, (await stream.EndAsync()).Message));
    }

    [Fact]
    public async Task A_stream_ends_when_its_key_is_revoked()
    {
        var me = (await server.Client.GetFromJsonAsync("/api/v1/me", AtollJson.Default.CallerResponse))!;
        var key = await server.Client.CreateKeyAsync(me.Principal);
        using var client = new GrpcTestClient(server.Server.Server.Address, key.Secret);
        using var stream = client.Open(Service + "ModelStreamInfer");
        await stream.WriteAsync(Price("1", 1));
        Assert.Equal("", (await stream.ReadAsync<ModelStreamInferResponse>())!.ErrorMessage);
        Assert.Equal(HttpStatusCode.NoContent, await server.Client.DeleteAsync($"/api/v1/principals/{me.Principal}/keys/{key.Id}").StatusAsync());
        await stream.WriteAsync(Price("2", 2));
        Assert.Null(await stream.ReadAsync<ModelStreamInferResponse>());
        Assert.Equal(StatusCode.Unauthenticated, (await stream.EndAsync()).Status);
    }

    [Fact]
    public async Task A_large_tensor_goes_through_in_both_directions_compressed_or_not()
    {
        await server.RegisterAsync("grpc-large", PredictionModels.Echo(("f", TensorElementType.Float, "FP32")));
        var raw = new byte[1_600_000];
        new Random(3).NextBytes(raw);
        var request = new ModelInferRequest { ModelName = "grpc-large", Inputs = { new InputTensor { Name = "f", Datatype = "FP32", Shape = { raw.Length / 8, 2 } } }, RawInputContents = { ByteString.CopyFrom(raw) } };
        Assert.Equal(raw, (await InferAsync(request)).RawOutputContents[0].ToByteArray());
        var answer = await _client.SendAsync(Service + "ModelInfer", GrpcTestClient.Frame(request.ToByteArray(), "gzip"), ("grpc-encoding", "gzip"), ("grpc-accept-encoding", "gzip"));
        Assert.Equal("gzip", answer.Metadata["grpc-encoding"]);
        Assert.Equal(raw, ModelInferResponse.Parser.ParseFrom(Assert.Single(answer.Messages)).RawOutputContents[0].ToByteArray());

        request.RawInputContents[0] = ByteString.CopyFrom(new byte[2_000_000]);
        Assert.Equal(StatusCode.ResourceExhausted, (await _client.CallAsync<ModelInferResponse>(Service + "ModelInfer", request)).Answer.Status);
    }

    /// <summary>More than a connection's window on its way at once, on both ways into the model.</summary>
    [Fact]
    public async Task Many_large_requests_on_one_connection_keep_within_its_window()
    {
        await server.RegisterAsync("grpc-window", PredictionModels.Echo(("f", TensorElementType.Float, "FP32")));
        var raw = new byte[200_000];
        new Random(3).NextBytes(raw);
        var request = new ModelInferRequest { ModelName = "grpc-window", Inputs = { new InputTensor { Name = "f", Datatype = "FP32", Shape = { raw.Length / 8, 2 } } }, RawInputContents = { ByteString.CopyFrom(raw) } };
        await Task.WhenAll(Enumerable.Range(0, 150).Select(async _ => Assert.Equal(raw, (await InferAsync(request)).RawOutputContents[0].ToByteArray())));
    }

    private async Task<ModelInferResponse> InferAsync(ModelInferRequest request)
    {
        var (response, answer) = await _client.CallAsync<ModelInferResponse>(Service + "ModelInfer", request);
        Assert.True(answer.Status == StatusCode.OK, $"{answer.Status}: {answer.Message}");
        return response!;
    }

    private static ModelInferRequest Price(string id, float rooms, InferParameter? enableEmptyFinal = null)
    {
        var request = new ModelInferRequest
        {
            ModelName = "price", Id = id, Inputs = { new InputTensor { Name = "rooms", Datatype = "FP32", Shape = { 1, 1 } } }, RawInputContents = { ByteString.CopyFrom(Bytes(rooms)) },
        };
        if (enableEmptyFinal is not null) request.Parameters["triton_enable_empty_final_response"] = enableEmptyFinal;
        return request;
    }

    private static byte[] Bytes<T>(params T[] values) where T : unmanaged => MemoryMarshal.AsBytes<T>(values).ToArray();

    private static byte[] RawOf(TensorElementType type, int count, Random random)
    {
        using var raw = new MemoryStream();
        for (var i = 0; i < count; i++)
        {
            var element = new byte[type == TensorElementType.String ? random.Next(6) : TensorElements.Size(type)];
            random.NextBytes(element);
            if (type == TensorElementType.Bool) element[0] &= 1;
            if (type == TensorElementType.String) raw.Write(BitConverter.GetBytes(element.Length));
            raw.Write(element);
        }
        return raw.ToArray();
    }

    private static IEnumerable<string> Texts(ByteString raw)
    {
        var bytes = raw.ToByteArray();
        for (var at = 0; at < bytes.Length;)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(at));
            yield return Encoding.UTF8.GetString(bytes, at + 4, length);
            at += 4 + length;
        }
    }
}
