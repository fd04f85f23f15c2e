using System.Runtime.InteropServices;
using Atoll.Platform.Grpc;
using Atoll.Prediction;
using Atoll.Prediction.OpenInference.Grpc.Messages;
using Atoll.Tests.Platform.Grpc;
using Google.Protobuf;
using Microsoft.Extensions.DependencyInjection;
using InputTensor = Atoll.Prediction.OpenInference.Grpc.Messages.ModelInferRequest.Types.InferInputTensor;
using RequestedOutput = Atoll.Prediction.OpenInference.Grpc.Messages.ModelInferRequest.Types.InferRequestedOutputTensor;

namespace Atoll.Tests.Prediction;

/// <summary>Streams of gRPC with several requests in flight, and models that answer many times in them.</summary>
public sealed class InferStreamTests(PredictionServer server) : IClassFixture<PredictionServer>, IDisposable
{
    private const string Service = "/inference.GRPCInferenceService/";

    private readonly GrpcTestClient _client = new(server.Server.Server.Address, server.Client.DefaultRequestHeaders.Authorization!.Parameter);

    public void Dispose() => _client.Dispose();

    [Fact]
    public async Task Each_step_is_an_answer_and_the_last_one_says_so()
    {
        await server.RegisterAsync("grpc-counter", PredictionModels.Counter());
        using var stream = _client.Open(Service + "ModelStreamInfer");
        await stream.WriteAsync(Count("grpc-counter", "a"));
        Assert.Equal(["a number 1 False", "a number 2 False", "a number 3 True"], [await NextAsync(stream), await NextAsync(stream), await NextAsync(stream)]);

        // Outputs by name, a state among them, and fewer steps.
        var request = Count("grpc-counter", "b");
        request.Outputs.Add(new RequestedOutput { Name = "next" });
        request.Parameters["steps_max"] = new InferParameter { Int64Param = 2 };
        await stream.WriteAsync(request);
        Assert.Equal(["b next 1 False", "b next 2 True"], [await NextAsync(stream), await NextAsync(stream)]);

        request.Outputs[0].Parameters["classification"] = new InferParameter { Int64Param = 1 };
        await stream.WriteAsync(request);
        Assert.Equal("b ! output 'next' is a state of the model, which has no classes", await NextAsync(stream));
        stream.Complete();
        Assert.Null(await stream.ReadAsync<ModelStreamInferResponse>());
        Assert.Equal(StatusCode.OK, (await stream.EndAsync()).Status);
    }

    [Fact]
    public async Task An_empty_final_answer_comes_when_it_is_asked_for()
    {
        await server.RegisterAsync("grpc-final", PredictionModels.Counter(limit: 2));
        using var stream = _client.Open(Service + "ModelStreamInfer");
        var request = Count("grpc-final", "a");
        request.Parameters["triton_enable_empty_final_response"] = new InferParameter { BoolParam = true };
        await stream.WriteAsync(request);
        Assert.Equal(["a number 1 False", "a number 2 False"], [await NextAsync(stream), await NextAsync(stream)]);
        var last = (await stream.ReadAsync<ModelStreamInferResponse>())!.InferResponse;
        Assert.Equal(("grpc-final", "1", "a", true, 0, 0), (last.ModelName, last.ModelVersion, last.Id, last.Parameters["triton_final_response"].BoolParam, last.Outputs.Count, last.RawOutputContents.Count));
    }

    [Fact]
    public async Task A_long_answer_lets_others_of_its_stream_pass()
    {
        await server.RegisterAsync("grpc-endless", PredictionModels.Counter(limit: float.MaxValue));
        var inProgress = server.Server.Server.Services.GetRequiredService<AnswersInProgress>();
        using (var stream = _client.Open(Service + "ModelStreamInfer"))
        {
            await stream.WriteAsync(Count("grpc-endless", "long", rows: 2_000));
            Assert.Equal("long number 1 False", await NextAsync(stream));
            await stream.WriteAsync(Price("short", 3));
            for (var answer = ""; !answer.StartsWith("short", StringComparison.Ordinal); answer = await NextAsync(stream)) Assert.DoesNotContain("True", answer);
            Assert.Equal(1, inProgress.Count);
        }

        // Who goes away gives the place back.
        while (inProgress.Count > 0) await Task.Delay(10, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Answers_of_models_that_answer_once_keep_the_order_of_their_requests()
    {
        // Long enough to be worked on beside each other, and each shorter than the one before.
        await server.RegisterAsync("grpc-work", PredictionModels.Echo(("f", Atoll.Serving.Onnx.TensorElementType.Float, "FP32")));
        using var stream = _client.Open(Service + "ModelStreamInfer");
        var ids = Enumerable.Range(0, 40).Select(i => $"{i}").ToList();
        foreach (var id in ids)
        {
            var rows = 20_000 / (int.Parse(id, System.Globalization.CultureInfo.InvariantCulture) + 1);
            var request = id.EndsWith('5')
                ? new ModelInferRequest { ModelName = "nobody", Id = id }
                : new ModelInferRequest { ModelName = "grpc-work", Id = id, Inputs = { new InputTensor { Name = "f", Datatype = "FP32", Shape = { rows, 2 } } }, RawInputContents = { ByteString.CopyFrom(new byte[rows * 8]) } };
            await stream.WriteAsync(request);
        }
        stream.Complete();
        var seen = new List<string>();
        while (await stream.ReadAsync<ModelStreamInferResponse>() is { } answer)
        {
            Assert.Equal(answer.InferResponse.Id.EndsWith('5'), answer.ErrorMessage.Length > 0);
            seen.Add(answer.InferResponse.Id);
        }
        Assert.Equal(ids, seen);
    }

    [Fact]
    public async Task An_error_ends_the_stream_for_those_who_ask_for_it_though_others_are_in_flight()
    {
        await server.RegisterAsync("grpc-ended", PredictionModels.Counter(limit: float.MaxValue));
        using var stream = _client.Open(Service + "ModelStreamInfer", ("triton_grpc_error", "true"));
        await stream.WriteAsync(Count("grpc-ended", "long", rows: 2_000));
        Assert.Equal("long number 1 False", await NextAsync(stream));
        await stream.WriteAsync(new ModelInferRequest { ModelName = "nobody" });
        while (await stream.ReadAsync<ModelStreamInferResponse>() is not null) { }
        Assert.Equal(StatusCode.NotFound, (await stream.EndAsync()).Status);
        Assert.Equal(0, server.Server.Server.Services.GetRequiredService<AnswersInProgress>().Count);
    }

    [Fact]
    public async Task A_client_that_does_not_read_holds_no_model()
    {
        await server.RegisterAsync("grpc-unread", PredictionModels.Spreading());
        using var stream = _client.Open(Service + "ModelStreamInfer");
        await stream.WriteAsync(new ModelInferRequest
        {
            ModelName = "grpc-unread", Id = "a", Inputs = { new InputTensor { Name = "x", Datatype = "FP32", Shape = { 64, 1 } } }, RawInputContents = { ByteString.CopyFrom(new byte[4 * 64]) },
        });
        var services = server.Server.Server.Services;
        var route = (await services.GetRequiredService<Atoll.Deployments.RouteTable>().FindAsync(server.TenantId, "grpc-unread", null, TestContext.Current.CancellationToken))!;
        using (var lease = await services.GetRequiredService<Atoll.Deployments.ServedModels>().GetAsync(route, TestContext.Current.CancellationToken))
            while (lease.Session.Statistics[Atoll.Serving.Onnx.RunStatistics.Step.ComputeInfer].Count == 0) await Task.Delay(10, TestContext.Current.CancellationToken);
        await server.IsFreedAsync("grpc-unread");
    }

    [Fact]
    public async Task A_damaged_model_is_an_answer_and_the_stream_goes_on()
    {
        await server.RegisterAsync("grpc-damaged", PredictionModels.Constant(4711));
        var services = server.Server.Server.Services;
        var route = (await services.GetRequiredService<Atoll.Deployments.RouteTable>().FindAsync(server.TenantId, "grpc-damaged", null, TestContext.Current.CancellationToken))!;
        services.GetRequiredService<Atoll.Deployments.ServedModels>().Unload(server.TenantId, route.ServingDigest);
        foreach (var blob in Directory.EnumerateFiles(Path.Combine(server.Server.DataPath, "blobs", server.TenantId), $"*{route.ServingDigest[^20..]}*", SearchOption.AllDirectories))
            await File.WriteAllTextAsync(blob, "not what was stored", TestContext.Current.CancellationToken);
        using var stream = _client.Open(Service + "ModelStreamInfer");
        await stream.WriteAsync(new ModelInferRequest { ModelName = "grpc-damaged", Id = "a" });
        await stream.WriteAsync(Price("b", 3));
        Assert.StartsWith("a ! What the server stored for this is damaged or lost.", await NextAsync(stream), StringComparison.Ordinal);
        Assert.StartsWith("b ", await NextAsync(stream), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_deadline_ends_all_steps()
    {
        await server.RegisterAsync("grpc-timed", PredictionModels.Counter(limit: float.MaxValue));
        var answer = await _client.SendAsync(Service + "ModelStreamInfer", GrpcTestClient.Frame(Count("grpc-timed", "a", rows: 2_000).ToByteArray()), ("grpc-timeout", "1S"));
        Assert.Equal(StatusCode.DeadlineExceeded, answer.Status);
        Assert.NotEmpty(answer.Messages);
    }

    [Fact]
    public async Task One_answer_is_not_enough_for_a_model_of_steps()
    {
        await server.RegisterAsync("grpc-unary", PredictionModels.Counter());
        var (_, answer) = await _client.CallAsync<ModelInferResponse>(Service + "ModelInfer", Count("grpc-unary", "a"));
        Assert.Equal(StatusCode.Unimplemented, answer.Status);
        Assert.StartsWith("ModelInfer RPC doesn't support models with decoupled transaction policy", answer.Message, StringComparison.Ordinal);
    }

    private static async Task<string> NextAsync(GrpcTestStream stream)
    {
        var answer = (await stream.ReadAsync<ModelStreamInferResponse>())!;
        if (answer.ErrorMessage.Length > 0) return $"{answer.InferResponse.Id} ! {answer.ErrorMessage}";
        var response = answer.InferResponse;
        return $"{response.Id} {response.Outputs[0].Name} {MemoryMarshal.Read<float>(response.RawOutputContents[0].Span)} {response.Parameters["triton_final_response"].BoolParam}";
    }

    /// <param name="rows">Of thousands the answers do not all fit into what lies between server and client: the model waits for who reads.</param>
    private static ModelInferRequest Count(string model, string id, int rows = 1) => new()
    {
        ModelName = model,
        Id = id,
        Inputs = { new InputTensor { Name = "from", Datatype = "FP32", Shape = { rows, 1 } }, new InputTensor { Name = "by", Datatype = "FP32", Shape = { rows, 1 } } },
        RawInputContents = { ByteString.CopyFrom(new byte[rows * sizeof(float)]), ByteString.CopyFrom(MemoryMarshal.AsBytes<float>(Enumerable.Repeat(1f, rows).ToArray())) },
    };

    private static ModelInferRequest Price(string id, float rooms) => new()
    {
        ModelName = "price", Id = id, Inputs = { new InputTensor { Name = "rooms", Datatype = "FP32", Shape = { 1, 1 } } }, RawInputContents = { ByteString.CopyFrom(BitConverter.GetBytes(rooms)) },
    };
}
