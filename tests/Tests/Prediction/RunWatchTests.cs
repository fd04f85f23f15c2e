using Atoll.Prediction;
using Atoll.Serving.Onnx;

namespace Atoll.Tests.Prediction;

public sealed class RunWatchTests
{
    [Fact]
    public void Only_runs_that_take_too_long_are_stopped()
    {
        var clock = new VirtualClock();
        using var watch = new RunWatch(TimeSpan.FromSeconds(10), clock);
        using var early = new OnnxRunOptions(TestContext.Current.CancellationToken);
        using var late = new OnnxRunOptions(TestContext.Current.CancellationToken);
        using var ended = new OnnxRunOptions(TestContext.Current.CancellationToken);
        watch.Begin(early, clock.GetTimestamp());
        watch.Begin(ended, clock.GetTimestamp());
        clock.Advance(TimeSpan.FromSeconds(6));
        watch.Begin(late, clock.GetTimestamp());
        Assert.False(RunWatch.End(ended));
        clock.Advance(TimeSpan.FromSeconds(6));

        Assert.Equal((true, false, false), (early.IsTerminated, late.IsTerminated, ended.IsTerminated));
        Assert.True(RunWatch.End(early));
        Assert.False(RunWatch.End(late));
        clock.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal((false, false), (late.IsTerminated, ended.IsTerminated));
    }
}
