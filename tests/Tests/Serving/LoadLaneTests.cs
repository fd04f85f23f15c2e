using Atoll.Serving;
using Xunit;

namespace Atoll.Tests.Serving;

/// <summary>Whose model is loaded next.</summary>
public sealed class LoadLaneTests
{
    private static readonly TenantLoads Two = TenantLoads.Any with { WaitingMax = 2 };

    [Fact]
    public void Tenants_take_turns_however_many_one_asks_for()
    {
        var lane = new LoadLane(1, 100, TimeProvider.System);
        var running = lane.Enter("first", isUrgent: true, TenantLoads.Any);
        Assert.True(LoadLane.TurnOf(running).IsCompleted);
        var greedy = Enumerable.Range(0, 10).Select(_ => lane.Enter("greedy", isUrgent: true, TenantLoads.Any)).ToList();
        var modest = lane.Enter("modest", isUrgent: true, TenantLoads.Any);

        lane.Leave(running);
        Assert.True(LoadLane.TurnOf(greedy[0]).IsCompleted);
        lane.Leave(greedy[0]);
        Assert.True(LoadLane.TurnOf(modest).IsCompleted);
        Assert.False(LoadLane.TurnOf(greedy[1]).IsCompleted);
    }

    [Fact]
    public void What_somebody_waits_for_comes_before_prefetches()
    {
        var lane = new LoadLane(1, 100, TimeProvider.System);
        var running = lane.Enter("a", isUrgent: true, TenantLoads.Any);
        var first = lane.Enter("a", isUrgent: false, TenantLoads.Any);
        var second = lane.Enter("a", isUrgent: false, TenantLoads.Any);
        var urgent = lane.Enter("b", isUrgent: true, TenantLoads.Any);
        lane.Hurry(second);

        lane.Leave(running);
        Assert.True(LoadLane.TurnOf(urgent).IsCompleted);
        lane.Leave(urgent);
        Assert.True(LoadLane.TurnOf(second).IsCompleted);
        Assert.False(LoadLane.TurnOf(first).IsCompleted);
        lane.Leave(second);
        Assert.True(LoadLane.TurnOf(first).IsCompleted);
        lane.Leave(first);
        Assert.True(LoadLane.TurnOf(lane.Enter("c", isUrgent: false, TenantLoads.Any)).IsCompleted);
    }

    [Fact]
    public void Who_goes_away_frees_the_place_and_who_is_too_many_is_refused()
    {
        var lane = new LoadLane(1, 4, TimeProvider.System);
        var running = lane.Enter("a", isUrgent: true, Two);
        var one = lane.Enter("a", isUrgent: true, Two);
        lane.Enter("a", isUrgent: true, Two);
        Assert.Equal(ModelCacheLimit.TenantLoadsWaiting, Assert.Throws<ModelCacheFullException>(() => lane.Enter("a", isUrgent: true, Two)).Limit);
        lane.Enter("b", isUrgent: true, Two);
        lane.Enter("c", isUrgent: true, Two);
        Assert.Equal(ModelCacheLimit.None, Assert.Throws<ModelCacheFullException>(() => lane.Enter("d", isUrgent: true, Two)).Limit);
        lane.Leave(one);
        lane.Enter("d", isUrgent: true, Two);
        lane.Leave(running);
        Assert.False(LoadLane.TurnOf(one).IsCompleted);
    }

    [Fact]
    public void A_tenant_loads_so_many_at_once_and_others_take_the_places_that_it_may_not()
    {
        var lane = new LoadLane(4, 100, TimeProvider.System);
        var two = TenantLoads.Any with { AtOnceMax = 2 };
        var greedy = Enumerable.Range(0, 4).Select(_ => lane.Enter("greedy", isUrgent: true, two)).ToList();
        Assert.Equal([true, true, false, false], greedy.Select(place => LoadLane.TurnOf(place).IsCompleted));
        var modest = Enumerable.Range(0, 2).Select(_ => lane.Enter("modest", isUrgent: false, two)).ToList();
        Assert.All(modest, place => Assert.True(LoadLane.TurnOf(place).IsCompleted));

        // What others give back is not for it, what it gives back itself is.
        lane.Leave(modest[0]);
        Assert.False(LoadLane.TurnOf(greedy[2]).IsCompleted);
        lane.Leave(greedy[0]);
        Assert.Equal([true, true, true, false], greedy.Select(place => LoadLane.TurnOf(place).IsCompleted));
    }

    [Fact]
    public void A_tenant_that_loads_too_often_is_told_when_to_come_back_and_prefetches_do_not_count()
    {
        var clock = new VirtualClock();
        var lane = new LoadLane(1, 100, clock);
        var slow = TenantLoads.Any with { PerSecondMax = 2 };
        for (var i = 0; i < 5; i++) lane.Leave(lane.Enter("sweeper", isUrgent: false, slow));
        for (var i = 0; i < 2; i++) lane.Leave(lane.Enter("sweeper", isUrgent: true, slow));
        var refusal = Assert.Throws<ModelCacheFullException>(() => lane.Enter("sweeper", isUrgent: true, slow));
        Assert.Equal((ModelCacheLimit.TenantLoadRate, TimeSpan.FromMilliseconds(500)), (refusal.Limit, refusal.RetryAfter));
        lane.Leave(lane.Enter("other", isUrgent: true, slow));
        clock.Advance(refusal.RetryAfter);
        lane.Leave(lane.Enter("sweeper", isUrgent: true, slow));
    }
}
