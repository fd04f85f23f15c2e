using Atoll.Serving.Onnx;

namespace Atoll.Tests.Serving;

/// <summary>What is kept between the runs of a model, and what must not be.</summary>
public sealed class OnnxCallTests
{
    [Fact]
    public void A_run_like_the_last_one_allocates_nothing()
    {
        using var session = OnnxSession.Load(Doubled());
        for (var i = 0; i < 50; i++) Assert.Equal(2f * i, Run(session, 1, i));
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1_000; i++) Run(session, 1, i);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        for (var rows = 2; rows < 5; rows++) Assert.Equal(14f, Run(session, rows, 7));

        static float Run(OnnxSession session, int rows, float value)
        {
            using var call = OnnxCall.Rent(session);
            call.Allocate(0, rows, 1).Span<float>().Fill(value);
            call.Run();
            return call.Outputs[0].Span<float>()[rows - 1];
        }
    }

    [Fact]
    public void Outputs_whose_shape_depends_on_the_data_are_never_filled_twice()
    {
        var graph = new OnnxGraphBuilder("found");
        graph.Output("where", graph.Node("NonZero", [graph.Input("x", TensorElementType.Float, "N")]), TensorElementType.Int64, 1, "M");
        using var session = OnnxSession.Load(graph.ToBytes());
        var random = new Random(5);
        for (var i = 0; i < 200; i++)
        {
            using var call = OnnxCall.Rent(session);
            var x = call.Allocate(0, 4).Span<float>();
            for (var j = 0; j < x.Length; j++) x[j] = random.Next(2);
            call.Run();
            var expected = Enumerable.Range(0, 4).Where(j => call.Inputs[0].Span<float>()[j] != 0).Select(j => (long)j);
            Assert.Equal(expected, call.Outputs[0].Span<long>().ToArray());
        }
        Assert.True(session.HasFreeOutputs);
    }

    [Fact]
    public void Texts_of_the_last_request_are_gone()
    {
        var graph = new OnnxGraphBuilder("echo");
        graph.Output("y", graph.Node("Identity", [graph.Input("x", TensorElementType.String, "N")]), TensorElementType.String, "N");
        using var session = OnnxSession.Load(graph.ToBytes());
        foreach (var text in (string[])["secret", "", "other"])
        {
            using var call = OnnxCall.Rent(session);
            var x = call.Allocate(0, 2);
            if (text.Length > 0) x.SetUtf8(1, System.Text.Encoding.UTF8.GetBytes(text));
            call.Run();
            Assert.Equal(["", text], call.Outputs[0].ToStrings());
        }
    }

    [Fact]
    public void An_input_that_is_an_output_too_is_never_that_of_the_last_request()
    {
        var graph = new OnnxGraphBuilder("through");
        var x = graph.Input("x", TensorElementType.Float, "N");
        graph.Output("y", graph.Node("Add", [x, x]), TensorElementType.Float, "N");
        graph.Output("z", graph.Node("Identity", [x]), TensorElementType.Float, "N");
        using var session = OnnxSession.Load(graph.ToBytes());
        for (var i = 0; i < 5; i++)
        {
            using var call = OnnxCall.Rent(session);
            call.Allocate(0, 1).Span<float>()[0] = i;
            call.Run();
            Assert.Equal((2f * i, (float)i), (call.Outputs[0].Span<float>()[0], call.Outputs[1].Span<float>()[0]));
        }
    }

    [Fact]
    public void An_output_that_was_replaced_does_not_stay()
    {
        using var session = OnnxSession.Load(Doubled());
        for (var i = 0; i < 3; i++)
        {
            using var call = OnnxCall.Rent(session);
            call.Allocate(0, 1, 1).Span<float>()[0] = 4;
            call.Run();
            Assert.Equal(8, call.Outputs[0].Span<float>()[0]);
            call.Replace(0, OnnxTensor.FromStrings(["eight"], 1));
        }
    }

    [Fact]
    public void A_run_that_fails_leaves_the_call_usable()
    {
        var graph = new OnnxGraphBuilder("gather");
        var table = graph.Constant("table", (float[])[1, 2, 3], 3);
        graph.Output("y", graph.Node("Gather", [table, graph.Input("i", TensorElementType.Int64, "N")]), TensorElementType.Float, "N");
        using var session = OnnxSession.Load(graph.ToBytes());
        foreach (var index in (long[])[1, 99, 2, 99, 0])
        {
            using var call = OnnxCall.Rent(session);
            call.Allocate(0, 1).Span<long>()[0] = index;
            if (index > 2)
            {
                Assert.Throws<OnnxException>(call.Run);
                continue;
            }
            call.Run();
            Assert.Equal(index + 1, call.Outputs[0].Span<float>()[0]);
        }
        Assert.False(session.HasFreeOutputs);
    }

    [Fact]
    public async Task Calls_of_many_models_on_many_threads_do_not_meet()
    {
        var seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var sessions = Enumerable.Range(0, 8).Select(_ => OnnxSession.Load(Doubled())).ToArray();
        await Task.WhenAll(Enumerable.Range(0, 6).Select(worker => Task.Run(() =>
        {
            var random = new Random(seed + worker);
            for (var i = 0; i < 3_000; i++)
            {
                using var call = OnnxCall.Rent(sessions[random.Next(sessions.Length)]);
                var rows = random.Next(1, 4);
                var value = random.Next(1_000_000);
                call.Allocate(0, rows, 1).Span<float>().Fill(value);
                call.Run();
                Assert.Equal(Enumerable.Repeat(2f * value, rows), call.Outputs[0].Span<float>().ToArray());
            }
        }, TestContext.Current.CancellationToken)));
        foreach (var session in sessions) session.Dispose();
    }

    private static byte[] Doubled()
    {
        var graph = new OnnxGraphBuilder("doubled");
        var x = graph.Input("x", TensorElementType.Float, "N", 1);
        graph.Output("y", graph.Node("Add", [x, x]), TensorElementType.Float, "N", 1);
        return graph.ToBytes();
    }
}
