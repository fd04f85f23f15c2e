using Atoll.Serving;
using Atoll.Serving.Onnx;

namespace Atoll.Tests.Serving;

/// <summary>Requests that wait for one model run together, and each gets what it would get alone.</summary>
public sealed class BatchLineTests
{
    private const int RowsMax = 16;

    [Fact]
    public async Task Each_request_gets_its_own_rows_back()
    {
        using var session = OnnxSession.Load(RowWise());
        var (runs, rows) = (0, 0L);
        var random = new Random(4);
        for (var round = 0; round < 12; round++)
        {
            var calls = Enumerable.Range(0, random.Next(2, 6)).Select(_ => Call(session, random.Next(1, 4), random)).ToArray();
            await RunAllAsync(calls, (call, count) =>
            {
                call.Run();
                runs++;
                rows += count;
            });
            foreach (var call in calls) Check(call);
        }

        // The first three rounds run each request alone; from then on there is a run a round.
        Assert.True(runs < 12 + (3 * 5), $"{runs} runs");
        Assert.True(rows > runs);
    }

    [Fact]
    public async Task A_model_whose_rows_depend_on_each_other_is_never_batched_again()
    {
        var graph = new OnnxGraphBuilder("mixing");
        var x = graph.Input("x", TensorElementType.Float, "N", 1);
        graph.Output("y", graph.Node("Sub", [x, graph.Node("ReduceMean", [x])]), TensorElementType.Float, "N", 1);
        using var session = OnnxSession.Load(graph.ToBytes());
        var random = new Random(5);
        var calls = Enumerable.Range(0, 3).Select(_ => Filled(session, 2, random)).ToArray();
        Assert.NotNull(BatchLine.Of(calls[0], RowsMax));
        await RunAllAsync(calls, (call, _) => call.Run());
        foreach (var call in calls)
        {
            var given = call.Inputs[0].Span<float>();
            Assert.Equal((given[0] - given[1]) / 2, call.Outputs[0].Span<float>()[0], 3);
        }
        Assert.Null(BatchLine.Of(calls[0], RowsMax));
        foreach (var call in calls) call.Dispose();
    }

    [Fact]
    public async Task What_is_wrong_with_one_request_is_told_to_that_one_only()
    {
        var graph = new OnnxGraphBuilder("gather");
        var table = graph.Constant("table", (float[])[1, 2, 3], 3);
        graph.Output("y", graph.Node("Gather", [table, graph.Input("i", TensorElementType.Int64, "N")]), TensorElementType.Float, "N");
        using var session = OnnxSession.Load(graph.ToBytes());
        for (var round = 0; round < 6; round++)
        {
            var calls = new long[] { 1, round > 3 ? 99 : 0, 2 }.Select(index =>
            {
                var call = OnnxCall.Rent(session);
                call.Allocate(0, 1).Span<long>()[0] = index;
                return call;
            }).ToArray();
            var failures = await RunAllAsync(calls, (call, _) => call.Run());
            Assert.Equal((false, round > 3, false), (failures[0] is not null, failures[1] is OnnxException, failures[2] is not null));
            Assert.Equal((2f, 3f), (calls[0].Outputs[0].Span<float>()[0], calls[2].Outputs[0].Span<float>()[0]));
            foreach (var call in calls) call.Dispose();
        }
    }

    [Fact]
    public async Task Who_goes_away_frees_its_place_and_the_lead_passes_on()
    {
        using var session = OnnxSession.Load(RowWise());
        var random = new Random(6);
        var calls = Enumerable.Range(0, 4).Select(_ => Call(session, 1, random)).ToArray();
        var line = BatchLine.Of(calls[0], RowsMax)!;
        var members = calls.Select(call => line.TryJoin(call)!).ToArray();
        Assert.Equal([true, false, false, false], members.Select(member => member.Leads));
        using var stop = new CancellationTokenSource();
        var second = members[1].WaitAsync(Timeout.InfiniteTimeSpan, TimeProvider.System, CancellationToken.None).AsTask();
        var third = members[2].WaitAsync(Timeout.InfiniteTimeSpan, TimeProvider.System, stop.Token).AsTask();
        var clock = new VirtualClock();
        var fourth = members[3].WaitAsync(TimeSpan.FromSeconds(1), clock, CancellationToken.None).AsTask();

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => third);
        clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(BatchLine.Signal.TooLate, await fourth);
        members[0].Dispose();
        Assert.Equal(BatchLine.Signal.Lead, await second);
        Assert.Equal([members[1]], line.Take(members[1], RowsMax));
        foreach (var call in calls) call.Dispose();
    }

    [Fact]
    public void A_batch_has_no_more_rows_than_it_may_and_the_rest_gets_a_leader()
    {
        using var session = OnnxSession.Load(RowWise());
        var random = new Random(7);
        var calls = Enumerable.Range(0, 5).Select(_ => Call(session, 6, random)).ToArray();
        var line = BatchLine.Of(calls[0], RowsMax)!;
        var members = calls.Select(call => line.TryJoin(call)!).ToArray();
        Assert.Equal([members[0], members[1]], line.Take(members[0], RowsMax));
        Assert.True(members[2].Leads);
        Assert.False(members[3].Leads);
        Assert.Equal([members[2], members[3]], line.Take(members[2], RowsMax));
        Assert.Equal([members[4]], line.Take(members[4], RowsMax));
        foreach (var call in calls) call.Dispose();
    }

    [Fact]
    public void Requests_that_do_not_fit_together_do_not_join()
    {
        var graph = new OnnxGraphBuilder("wide");
        var x = graph.Input("x", TensorElementType.Float, "N", "M");
        graph.Output("y", graph.Node("Add", [x, x]), TensorElementType.Float, "N", "M");
        using var session = OnnxSession.Load(graph.ToBytes());
        using var narrow = OnnxCall.Rent(session);
        narrow.Allocate(0, 1, 2);
        using var wide = OnnxCall.Rent(session);
        wide.Allocate(0, 1, 3);
        using var large = OnnxCall.Rent(session);
        large.Allocate(0, RowsMax, 2);
        var line = BatchLine.Of(narrow, RowsMax)!;
        Assert.NotNull(line.TryJoin(narrow));
        Assert.Null(line.TryJoin(wide));
        Assert.Null(BatchLine.Of(large, RowsMax));
        Assert.Null(BatchLine.Of(narrow, 0));
    }

    private static async Task<Exception?[]> RunAllAsync(OnnxCall[] calls, Action<OnnxCall, long> run)
    {
        var line = BatchLine.Of(calls[0], RowsMax)!;
        var members = calls.Select(call => line.TryJoin(call)!).ToArray();
        var others = members.Skip(1).Select(member => member.WaitAsync(Timeout.InfiniteTimeSpan, TimeProvider.System, CancellationToken.None).AsTask()).ToArray();
        line.Run(line.Take(members[0], RowsMax), run, call => call.Run());
        foreach (var other in others) Assert.Equal(BatchLine.Signal.Done, await other);
        return [.. members.Select(member => member.Failure)];
    }

    private static OnnxCall Filled(OnnxSession session, int rows, Random random)
    {
        var call = OnnxCall.Rent(session);
        foreach (ref var value in call.Allocate(0, rows, 1).Span<float>()) value = random.Next(100);
        return call;
    }

    private static OnnxCall Call(OnnxSession session, int rows, Random random)
    {
        var call = Filled(session, rows, random);
        var texts = call.Allocate(1, rows);
        for (var i = 0; i < rows; i++) texts.SetUtf8(i, System.Text.Encoding.UTF8.GetBytes(random.Next(3) == 0 ? "" : $"t{random.Next(1000)}"));
        return call;
    }

    private static void Check(OnnxCall call)
    {
        Assert.Equal(call.Inputs[0].Span<float>().ToArray().Select(value => 2 * value), call.Outputs[0].Span<float>().ToArray());
        Assert.Equal(call.Inputs[1].ToStrings(), call.Outputs[1].ToStrings());
        call.Dispose();
    }

    private static byte[] RowWise()
    {
        var graph = new OnnxGraphBuilder("rows");
        var x = graph.Input("x", TensorElementType.Float, "N", 1);
        graph.Output("y", graph.Node("Add", [x, x]), TensorElementType.Float, "N", 1);
        graph.Output("t", graph.Node("Identity", [graph.Input("s", TensorElementType.String, "N")]), TensorElementType.String, "N");
        return graph.ToBytes();
    }
}
