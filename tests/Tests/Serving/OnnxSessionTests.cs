using Atoll.Serving.Onnx;

namespace Atoll.Tests.Serving;

public sealed class OnnxSessionTests(ITestOutputHelper output)
{
    private static readonly float[] Weights = [0.5f, -1f, 2f];

    [Fact]
    public void Logistic_regression_gives_the_probabilities_of_the_formula()
    {
        using var session = OnnxSession.Load(TestModels.Logistic(Weights, 0.25f));
        using var x = OnnxTensor.Create<float>([1, 2, 3, -1, 0, 0.5f], 2, 3);

        using var y = Assert.Single(session.Run(x));

        Assert.Equal([2, 1], y.Shape);
        Assert.Equal(1 / (1 + MathF.Exp(-4.75f)), y.Span<float>()[0], 1e-6f);
        Assert.Equal(1 / (1 + MathF.Exp(-0.75f)), y.Span<float>()[1], 1e-6f);
    }

    [Fact]
    public void Signature_is_read_with_names_types_and_free_dimensions()
    {
        using var session = OnnxSession.Load(TestModels.Logistic(Weights, 0));

        var input = Assert.Single(session.Inputs);
        Assert.Equal(("x", TensorElementType.Float, "Float [N, 3]"), (input.Name, input.Type, input.Describe()));
        Assert.Equal([-1, 3], input.Shape);
        Assert.Equal(["N", ""], input.DimensionNames);
        Assert.True(input.HasShape);
        Assert.Equal("probability", Assert.Single(session.Outputs).Name);
        Assert.Equal((0, -1), (session.IndexOfInput("x"), session.IndexOfInput("z")));
        Assert.Equal((0, -1), (session.IndexOfOutput("probability"), session.IndexOfOutput("x")));
    }

    [Fact]
    public void Input_without_a_declared_shape_takes_any_shape()
    {
        var graph = new OnnxGraphBuilder("any");
        graph.Output("y", graph.Node("Neg", [graph.Input("x", TensorElementType.Float)]), TensorElementType.Float);
        var model = graph.ToModel();
        model.Graph.Input[0].Type.TensorType.Shape = null;
        model.Graph.Output[0].Type.TensorType.Shape = null;
        using var session = OnnxSession.Load(Google.Protobuf.MessageExtensions.ToByteArray(model));
        using var x = OnnxTensor.Create<float>([1, 2], 1, 2);

        using var y = Assert.Single(session.Run(x));

        Assert.False(session.Inputs[0].HasShape);
        Assert.Equal("Float of any shape", session.Inputs[0].Describe());
        Assert.Equal([1, 2], y.Shape);
    }

    [Fact]
    public void Preallocated_outputs_are_filled_without_managed_allocation()
    {
        using var session = OnnxSession.Load(TestModels.Logistic(Weights, 0.25f));
        using var x = OnnxTensor.Create<float>([1, 2, 3], 1, 3);
        using var y = OnnxTensor.Allocate<float>(1, 1);
        for (var i = 0; i < 100; i++) session.Run([x], [y]);

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++) session.Run([x], [y]);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.Equal(0, allocated);
        Assert.Equal(1 / (1 + MathF.Exp(-4.75f)), y.Span<float>()[0], 1e-6f);
    }

    [Fact]
    public void Wrong_inputs_are_refused_with_what_was_expected()
    {
        using var session = OnnxSession.Load(TestModels.Logistic(Weights, 0));
        using var narrow = OnnxTensor.Allocate<float>(1, 2);
        using var doubles = OnnxTensor.Allocate<double>(1, 3);
        using var flat = OnnxTensor.Allocate<float>(3);
        using var good = OnnxTensor.Allocate<float>(1, 3);
        using var output1 = OnnxTensor.Allocate<float>(1, 1);

        Refuses("Input 'x' takes Float [N, 3], not Float [1, 2].", () => session.Run(narrow));
        Refuses("Input 'x' takes Float [N, 3], not Double [1, 3].", () => session.Run(doubles));
        Refuses("Input 'x' takes Float [N, 3], not Float [3].", () => session.Run(flat));
        Refuses("Input 'x' takes Float [N, 3], not null.", () => session.Run((OnnxTensor)null!));
        Refuses("The model takes 1 inputs (x), not 2.", () => session.Run(good, good));
        Refuses("The model gives 1 outputs (probability), not 0.", () => session.Run([good], []));
        Refuses("Output 'probability' gives Float [N, 1], which a tensor Float [1, 3] cannot take.", () => session.Run([good], [good]));
        session.Run([good], [output1]);
    }

    [Fact]
    public void Failure_inside_the_model_is_a_typed_error_and_the_session_lives_on()
    {
        using var silence = new SilentLog();
        using var session = OnnxSession.Load(TestModels.Reshape());
        using var x = OnnxTensor.Create<float>([1, 2, 3, 4], 4);
        using var bad = OnnxTensor.Create<long>([3, 3], 2);
        using var good = OnnxTensor.Create<long>([2, 2], 2);

        var failure = Assert.Throws<OnnxException>(() => session.Run(x, bad));
        Assert.NotEqual(OnnxErrorCode.Ok, failure.Code);
        Assert.Contains("Reshape", failure.Message, StringComparison.Ordinal);

        using var y = Assert.Single(session.Run(x, good));
        Assert.Equal([2, 2], y.Shape);
    }

    [Fact]
    public void Preallocated_output_of_another_batch_is_a_typed_error()
    {
        using var silence = new SilentLog();
        using var session = OnnxSession.Load(TestModels.Logistic(Weights, 0));
        using var x = OnnxTensor.Allocate<float>(2, 3);
        using var y = OnnxTensor.Allocate<float>(1, 1);
        Assert.Throws<OnnxException>(() => session.Run([x], [y]));
    }

    [Fact]
    public void Models_that_are_none_are_refused_by_kind()
    {
        using var silence = new SilentLog();
        Assert.Equal(OnnxErrorCode.NoModel, Assert.Throws<OnnxException>(() => OnnxSession.Load([])).Code);
        Assert.Equal(OnnxErrorCode.InvalidProtobuf, Assert.Throws<OnnxException>(() => OnnxSession.Load("not a model"u8)).Code);
        Assert.Equal(OnnxErrorCode.NoSuchFile, Assert.Throws<OnnxException>(() => OnnxSession.Load("/nowhere/model.onnx")).Code);

        var graph = new OnnxGraphBuilder("unknown");
        graph.Output("y", graph.Node("NoSuchOperator", [graph.Input("x", TensorElementType.Float)]), TensorElementType.Float);
        var failure = Assert.Throws<OnnxException>(() => OnnxSession.Load(graph.ToBytes()));
        Assert.Contains("NoSuchOperator", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Model_is_loaded_from_a_file_whose_name_is_not_ascii()
    {
        var folder = Directory.CreateTempSubdirectory("atoll-tests-").FullName;
        try
        {
            var path = Path.Combine(folder, "modèle-模型.onnx");
            File.WriteAllBytes(path, TestModels.Logistic(Weights, 0));
            using var session = OnnxSession.Load(path);
            Assert.Equal("x", session.Inputs[0].Name);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Output_that_is_no_tensor_is_named_in_the_refusal()
    {
        using var session = OnnxSession.Load(TestModels.ZipMap());
        using var x = OnnxTensor.Allocate<float>(1, 2);
        Assert.Equal(OnnxValueKind.Sequence, session.Outputs[0].Kind);
        var refusal = Assert.Throws<OnnxException>(() => session.Run(x));
        Assert.Equal(OnnxErrorCode.NotImplemented, refusal.Code);
        Assert.Contains("zipmap=False", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Optimised_model_is_loaded_without_optimising_and_gives_the_same()
    {
        var model = TestModels.Logistic(Weights, 0.25f);
        foreach (var format in Enum.GetValues<OnnxModelFormat>())
        {
            var optimised = OnnxOptimizer.Optimize(model, format);
            using var session = OnnxSession.Load(optimised, new OnnxSessionOptions { Optimized = true });
            using var x = OnnxTensor.Create<float>([1, 2, 3], 1, 3);
            using var y = Assert.Single(session.Run(x));
            Assert.Equal("Float [N, 3]", session.Inputs[0].Describe());
            Assert.Equal(1 / (1 + MathF.Exp(-4.75f)), y.Span<float>()[0], 1e-6f);
        }
    }

    [Fact]
    public void Training_settings_give_the_same_result_as_lean_ones()
    {
        var options = new OnnxSessionOptions { IntraOpThreads = 2, MemoryArena = true, MemoryPattern = true, Spinning = true };
        var model = TestModels.Heavy(64, seed: 5);
        using var lean = OnnxSession.Load(model);
        using var busy = OnnxSession.Load(model, options);
        using var x = OnnxTensor.Create<float>(Enumerable.Range(0, 128).Select(i => i / 100f).ToArray(), 2, 64);
        using var expected = Assert.Single(lean.Run(x));
        using var actual = Assert.Single(busy.Run(x));
        for (var i = 0; i < 128; i++) Assert.Equal(expected.Span<float>()[i], actual.Span<float>()[i], 1e-3f);
    }

    [Fact]
    public async Task Run_is_stopped_by_its_token()
    {
        using var silence = new SilentLog();
        using var session = OnnxSession.Load(TestModels.Endless());
        using var x = OnnxTensor.Create<float>([1], []);
        using var stop = new CancellationTokenSource();
        using var options = new OnnxRunOptions(stop.Token);

        var run = Task.Factory.StartNew(() => session.Run([x], options), TaskCreationOptions.LongRunning);
        await stop.CancelAsync();

        var stopped = await Assert.ThrowsAsync<OperationCanceledException>(() => run.WaitAsync(TimeSpan.FromMinutes(1)));
        Assert.Equal(stop.Token, stopped.CancellationToken);
    }

    [Fact]
    public void Disposed_session_refuses_to_run()
    {
        var session = OnnxSession.Load(TestModels.Logistic(Weights, 0));
        using var x = OnnxTensor.Allocate<float>(1, 3);
        session.Dispose();
        session.Dispose();
        Assert.True(session.IsDisposed);
        Assert.Throws<ObjectDisposedException>(() => session.Run(x));
    }

    [Fact]
    public async Task Dispose_while_runs_are_under_way_harms_none_of_them()
    {
        var model = TestModels.Heavy(48, seed: 7);
        for (var round = 0; round < 20; round++)
        {
            var session = OnnxSession.Load(model);
            var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var runners = Enumerable.Range(0, 3).Select(_ => Task.Factory.StartNew(() =>
            {
                using var x = OnnxTensor.Allocate<float>(1, 48);
                using var y = OnnxTensor.Allocate<float>(1, 48);
                x.Span<float>().Fill(1);
                var runs = 0;
                try
                {
                    while (true)
                    {
                        session.Run([x], [y]);
                        Assert.True(y.Span<float>()[0] > 0);
                        runs++;
                        started.TrySetResult();
                    }
                }
                catch (ObjectDisposedException)
                {
                    return runs;
                }
            }, TaskCreationOptions.LongRunning)).ToArray();
            await started.Task;
            session.Dispose();
            Assert.True((await Task.WhenAll(runners)).Sum() > 0);
        }
    }

    [Fact]
    public async Task Threads_that_share_a_session_get_their_own_answers()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        using var session = OnnxSession.Load(TestModels.Logistic(Weights, 0.25f));
        await Task.WhenAll(Enumerable.Range(0, 4).Select(worker => Task.Run(() =>
        {
            var random = new Random(seed + worker);
            using var x = OnnxTensor.Allocate<float>(1, 3);
            using var y = OnnxTensor.Allocate<float>(1, 1);
            for (var i = 0; i < 5_000; i++)
            {
                var sum = 0.25f;
                for (var k = 0; k < 3; k++)
                {
                    x.Span<float>()[k] = random.NextSingle();
                    sum += x.Span<float>()[k] * Weights[k];
                }
                session.Run([x], [y]);
                Assert.Equal(1 / (1 + MathF.Exp(-sum)), y.Span<float>()[0], 1e-5f);
            }
        })));
    }

    private static void Refuses(string message, Action action)
    {
        var refusal = Assert.Throws<OnnxException>(action);
        Assert.Equal((OnnxErrorCode.InvalidArgument, message), (refusal.Code, refusal.Message));
    }
}
