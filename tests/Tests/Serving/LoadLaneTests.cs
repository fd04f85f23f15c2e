using Atoll.Serving;
using Xunit;

namespace Atoll.Tests.Serving;

/// <summary>Whose model is loaded next.</summary>
public sealed class LoadLaneTests
{
    [Fact]
    public void Tenants_take_turns_however_many_one_asks_for()
    {
        var lane = new LoadLane(1, 100, 50);
        var running = lane.Enter("first", isUrgent: true);
        Assert.True(LoadLane.TurnOf(running).IsCompleted);
        var greedy = Enumerable.Range(0, 10).Select(_ => lane.Enter("greedy", isUrgent: true)).ToList();
        var modest = lane.Enter("modest", isUrgent: true);

        lane.Leave(running);
        Assert.True(LoadLane.TurnOf(greedy[0]).IsCompleted);
        lane.Leave(greedy[0]);
        Assert.True(LoadLane.TurnOf(modest).IsCompleted);
        Assert.False(LoadLane.TurnOf(greedy[1]).IsCompleted);
    }

    [Fact]
    public void What_somebody_waits_for_comes_before_prefetches()
    {
        var lane = new LoadLane(1, 100, 50);
        var running = lane.Enter("a", isUrgent: true);
        var first = lane.Enter("a", isUrgent: false);
        var second = lane.Enter("a", isUrgent: false);
        var urgent = lane.Enter("b", isUrgent: true);
        lane.Hurry(second);

        lane.Leave(running);
        Assert.True(LoadLane.TurnOf(urgent).IsCompleted);
        lane.Leave(urgent);
        Assert.True(LoadLane.TurnOf(second).IsCompleted);
        Assert.False(LoadLane.TurnOf(first).IsCompleted);
        lane.Leave(second);
        Assert.True(LoadLane.TurnOf(first).IsCompleted);
        lane.Leave(first);
        Assert.True(LoadLane.TurnOf(lane.Enter("c", isUrgent: false)).IsCompleted);
    }

    [Fact]
    public void Who_goes_away_frees_the_place_and_who_is_too_many_is_refused()
    {
        var lane = new LoadLane(1, 4, 2);
        var running = lane.Enter("a", isUrgent: true);
        var one = lane.Enter("a", isUrgent: true);
        lane.Enter("a", isUrgent: true);
        Assert.True(Assert.Throws<ModelCacheFullException>(() => lane.Enter("a", isUrgent: true)).OfTenant);
        lane.Enter("b", isUrgent: true);
        lane.Enter("c", isUrgent: true);
        Assert.False(Assert.Throws<ModelCacheFullException>(() => lane.Enter("d", isUrgent: true)).OfTenant);
        lane.Leave(one);
        lane.Enter("d", isUrgent: true);
        lane.Leave(running);
        Assert.False(LoadLane.TurnOf(one).IsCompleted);
    }
}
