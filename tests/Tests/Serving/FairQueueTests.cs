using Atoll.Serving;
using Xunit;

namespace Atoll.Tests.Serving;

/// <summary>Whose request runs next, and which are refused.</summary>
public sealed class FairQueueTests
{
    private static readonly QueueLimits Limits = new(WaitingMax: 100);

    [Fact]
    public void Entering_and_leaving_allocates_nothing_while_nobody_waits()
    {
        var queue = new FairQueue(2, 10, TimeProvider.System);
        for (var i = 0; i < 100; i++) Pass();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1_000; i++) Pass();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Pass()
        {
            var turn = queue.EnterAsync("a", Limits, Timeout.InfiniteTimeSpan, isLong: false, CancellationToken.None);
            Assert.True(turn.IsCompletedSuccessfully);
            queue.Leave(turn.GetAwaiter().GetResult());
        }
    }

    [Fact]
    public async Task The_rest_of_a_request_that_has_begun_waits_where_a_new_one_is_refused()
    {
        var queue = new FairQueue(1, 1, TimeProvider.System);
        var running = await queue.EnterAsync("a", Limits, Timeout.InfiniteTimeSpan, isLong: false, CancellationToken.None);
        var waiting = queue.EnterAsync("a", Limits, Timeout.InfiniteTimeSpan, isLong: false, CancellationToken.None).AsTask();
        Assert.Equal(Refusal.Full, (await queue.EnterAsync("a", Limits, Timeout.InfiniteTimeSpan, isLong: false, CancellationToken.None)).Refusal);
        var limits = new QueueLimits(WaitingMax: 1, PerSecondMax: 0.001, IsBegun: true);
        var begun = queue.EnterAsync("a", limits, Timeout.InfiniteTimeSpan, isLong: false, CancellationToken.None).AsTask();
        var again = queue.EnterAsync("a", limits, Timeout.InfiniteTimeSpan, isLong: false, CancellationToken.None).AsTask();
        Assert.False(begun.IsCompleted || again.IsCompleted);
        queue.Leave(running);
        queue.Leave(await waiting);
        queue.Leave(await begun);
        Assert.Equal(Refusal.None, (await again).Refusal);
    }

    [Fact]
    public async Task Heavy_runs_leave_a_processor_while_others_ask_and_take_all_when_nobody_does()
    {
        var clock = new VirtualClock();
        var queue = new FairQueue(3, 10, clock);
        var heavy = Limits with { RunsMaxBesideOthers = 1 };

        // Alone, for longer than it takes to see who is there.
        for (var i = 0; i < 3; i++)
        {
            clock.Advance(TimeSpan.FromSeconds(0.6));
            queue.Leave(await EnterAsync("heavy"));
        }
        List<Turn> alone = [await EnterAsync("heavy"), await EnterAsync("heavy"), await EnterAsync("heavy")];
        foreach (var turn in alone) queue.Leave(turn);

        // Another one asks.
        clock.Advance(TimeSpan.FromSeconds(0.6));
        queue.Leave(await EnterAsync("quiet"));
        clock.Advance(TimeSpan.FromSeconds(0.6));
        queue.Leave(await EnterAsync("heavy"));
        var first = await EnterAsync("heavy");
        var second = EnterAsync("heavy").AsTask();
        Assert.False(queue.TryEnter("heavy", heavy, out _));
        Assert.False(second.IsCompleted);
        Assert.True(queue.TryEnter("quiet", Limits, out var other) && other.Refusal == Refusal.None);
        queue.Leave(other);
        queue.Leave(first);
        queue.Leave(await second);

        // It has gone.
        for (var i = 0; i < 3; i++)
        {
            clock.Advance(TimeSpan.FromSeconds(6));
            queue.Leave(await EnterAsync("heavy"));
        }
        first = await EnterAsync("heavy");
        second = EnterAsync("heavy").AsTask();
        Assert.True(second.IsCompleted);

        ValueTask<Turn> EnterAsync(string tenant) =>
            queue.EnterAsync(tenant, tenant == "heavy" ? heavy : Limits, Timeout.InfiniteTimeSpan, isLong: false, CancellationToken.None);
    }

    [Fact]
    public async Task Nobody_overtakes_waiters_of_the_same_tenant_whatever_their_bounds()
    {
        var queue = new FairQueue(3, 10, TimeProvider.System);
        var bounded = Limits with { RunsMax = 1 };
        var light = await queue.EnterAsync("a", Limits, Timeout.InfiniteTimeSpan, isLong: false, CancellationToken.None);
        var heavy = queue.EnterAsync("a", bounded, Timeout.InfiniteTimeSpan, isLong: false, CancellationToken.None).AsTask();
        Assert.False(heavy.IsCompleted);

        // Places are free, and it may not have one; others may.
        Assert.False(queue.TryEnter("a", Limits, out _));
        Assert.True(queue.TryEnter("b", Limits, out var other));
        Assert.False(heavy.IsCompleted);
        queue.Leave(light);
        queue.Leave(await heavy);
        queue.Leave(other);
        Assert.Equal((0, 0), (queue.Running, queue.Waiting));
    }

    [Fact]
    public async Task Who_could_only_wait_where_no_more_may_is_refused_without_lining_up()
    {
        var queue = new FairQueue(1, 10, TimeProvider.System);
        var limits = Limits with { WaitingMax = 2 };
        Assert.Null(queue.FindRefusal("a", limits));
        var running = await queue.EnterAsync("a", limits, Timeout.InfiniteTimeSpan, isLong: false, CancellationToken.None);
        var waiting = queue.EnterAsync("a", limits, Timeout.InfiniteTimeSpan, isLong: false, CancellationToken.None).AsTask();
        Assert.Null(queue.JoinLine("a", limits));

        // Who leads a line waits in the queue, too, and is one.
        Assert.Null(queue.FindRefusal("a", limits));
        Assert.Null(queue.JoinLine("a", limits));
        Assert.Equal(Refusal.TenantFull, queue.FindRefusal("a", limits)!.Value.Refusal);
        Assert.Equal(1, queue.Refused(Refusal.TenantFull));
        Assert.Null(queue.FindRefusal("b", limits));
        queue.LeaveLine("a");
        Assert.Null(queue.FindRefusal("a", limits));
        queue.Leave(running);
        queue.Leave(await waiting);
        queue.LeaveLine("a");
        Assert.Null(queue.FindRefusal("a", limits));
    }

    [Fact]
    public void What_comes_too_often_is_refused_at_once()
    {
        var queue = new FairQueue(2, 10, new VirtualClock());
        var limits = Limits with { PerSecondMax = 1 };
        Assert.True(queue.TryEnter("a", limits, out var turn));
        queue.Leave(turn);
        Assert.True(queue.TryEnter("a", limits, out turn));
        Assert.Equal(Refusal.TooOften, turn.Refusal);
        Assert.True(turn.RetryAfter > TimeSpan.Zero);
        Assert.Equal(0, queue.Running);
    }

    [Fact]
    public async Task A_tenant_that_comes_later_does_not_wait_behind_the_queue_of_another()
    {
        var machine = new Machine();
        for (var i = 0; i < 20; i++) machine.Ask("greedy");
        machine.Ask("modest");
        var order = new List<string>();
        while (machine.IsBusy) order.Add(await machine.RunNextAsync(1));

        Assert.InRange(order.IndexOf("modest"), 0, 2);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 1)]
    [InlineData(1, 4)]
    public async Task Time_is_shared_by_weight_whatever_a_request_takes(int weight, int otherWeight)
    {
        // One tenant's requests take five times as long, so counting requests would give it five times the share.
        var machine = new Machine();
        var taken = new Dictionary<string, double> { ["short"] = 0, ["long"] = 0 };
        for (var i = 0; i < 4; i++)
        {
            machine.Ask("short", weight);
            machine.Ask("long", otherWeight);
        }
        for (var i = 0; i < 2_000; i++)
        {
            var tenant = await machine.RunNextAsync(name => name == "short" ? 0.2 : 1);
            taken[tenant] += tenant == "short" ? 0.2 : 1;
            machine.Ask(tenant, tenant == "short" ? weight : otherWeight);
        }

        var expected = (double)weight / otherWeight;
        Assert.InRange(taken["short"] / taken["long"], 0.9 * expected, 1.1 * expected);
    }

    [Fact]
    public async Task Who_was_idle_gets_no_credit_and_who_ran_alone_has_no_debt()
    {
        var machine = new Machine();
        for (var i = 0; i < 50; i++)
        {
            machine.Ask("busy");
            await machine.RunNextAsync(1);
        }
        for (var i = 0; i < 10; i++)
        {
            machine.Ask("busy");
            machine.Ask("new");
        }
        var order = new List<string>();
        while (machine.IsBusy) order.Add(await machine.RunNextAsync(1));

        Assert.InRange(order.Take(10).Count(name => name == "busy"), 4, 6);
    }

    [Fact]
    public async Task Who_waited_and_went_away_has_no_credit_when_it_comes_again()
    {
        var machine = new Machine();
        machine.Ask("b");
        using var leaving = new CancellationTokenSource();
        var gone = machine.Queue.EnterAsync("a", Limits, Timeout.InfiniteTimeSpan, isLong: false, leaving.Token).AsTask();
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => gone);
        for (var i = 0; i < 100; i++)
        {
            await machine.RunNextAsync(1);
            machine.Ask("b");
        }
        for (var i = 0; i < 10; i++)
        {
            machine.Ask("a");
            machine.Ask("b");
        }
        var order = new List<string>();
        while (machine.IsBusy) order.Add(await machine.RunNextAsync(1));

        Assert.InRange(order.Take(10).Count(name => name == "b"), 4, 6);
    }

    [Fact]
    public async Task What_cannot_be_served_in_time_is_refused_at_once()
    {
        var machine = new Machine();
        machine.Ask("a");
        await machine.RunNextAsync(50);
        machine.Ask("a");
        machine.Ask("a");

        var hopeless = machine.Queue.EnterAsync("a", Limits, TimeSpan.FromMilliseconds(1), isLong: false, CancellationToken.None);
        Assert.True(hopeless.IsCompletedSuccessfully);
        Assert.Equal(Refusal.TooLate, (await hopeless).Refusal);

        // One that has hope at first loses it when its time is over.
        var late = machine.Queue.EnterAsync("b", Limits, TimeSpan.FromMilliseconds(200), isLong: false, CancellationToken.None).AsTask();
        Assert.False(late.IsCompleted);
        machine.Clock.Advance(TimeSpan.FromMilliseconds(201));
        Assert.Equal(Refusal.TooLate, (await late).Refusal);
        while (machine.IsBusy) Assert.Equal("a", await machine.RunNextAsync(1));
        Assert.Equal(0, machine.Queue.Waiting);
    }

    [Fact]
    public async Task Too_many_are_refused_and_too_often_is_told_when_to_come_back()
    {
        var queue = new FairQueue(1, 2, TimeProvider.System);
        var running = await Enter(queue, "a");
        var first = queue.EnterAsync("a", new QueueLimits(1), Timeout.InfiniteTimeSpan, isLong: false, CancellationToken.None).AsTask();
        Assert.Equal(Refusal.TenantFull, (await queue.EnterAsync("a", new QueueLimits(1), Timeout.InfiniteTimeSpan, isLong: false, CancellationToken.None)).Refusal);
        using var leaving = new CancellationTokenSource();
        var second = queue.EnterAsync("b", Limits, Timeout.InfiniteTimeSpan, isLong: false, leaving.Token).AsTask();
        Assert.Equal(Refusal.Full, (await Enter(queue, "c")).Refusal);

        // Who goes away makes room at once.
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        var third = Enter(queue, "c").AsTask();
        Assert.False(third.IsCompleted);
        queue.Leave(running);
        // The one who has run already comes second.
        queue.Leave(await third);
        queue.Leave(await first);

        var slow = new QueueLimits(10, PerSecondMax: 0.5);
        queue.Leave(await queue.EnterAsync("d", slow, Timeout.InfiniteTimeSpan, isLong: false, CancellationToken.None));
        var refused = await queue.EnterAsync("d", slow, Timeout.InfiniteTimeSpan, isLong: false, CancellationToken.None);
        Assert.Equal(Refusal.TooOften, refused.Refusal);
        Assert.InRange(refused.RetryAfter.TotalSeconds, 0.5, 2);
    }

    [Fact]
    public async Task A_tenant_runs_so_many_at_once_and_others_take_the_places_that_it_may_not()
    {
        var queue = new FairQueue(3, 100, TimeProvider.System);
        var one = new QueueLimits(10, RunsMax: 1);
        var first = await queue.EnterAsync("greedy", one, Timeout.InfiniteTimeSpan, isLong: false, CancellationToken.None);
        var second = queue.EnterAsync("greedy", one, Timeout.InfiniteTimeSpan, isLong: false, CancellationToken.None).AsTask();
        var third = queue.EnterAsync("greedy", one, Timeout.InfiniteTimeSpan, isLong: false, CancellationToken.None).AsTask();
        Assert.False(second.IsCompleted);

        // Others come and go past those that wait, and do not bring them their turn.
        queue.Leave(await Enter(queue, "modest"));
        Assert.False(second.IsCompleted);
        queue.Leave(first);
        var turn = await second;
        Assert.False(third.IsCompleted);
        queue.Leave(turn);
        queue.Leave(await third);
        Assert.Equal(0, queue.Waiting);
    }

    [Fact]
    public async Task Stress_never_runs_more_than_allowed_and_loses_no_place()
    {
        var seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        const int places = 3;
        var queue = new FairQueue(places, 50, TimeProvider.System);
        int running = 0, most = 0, ran = 0, refused = 0, cancelled = 0;
        // The first tenant may run any number at once, the others so many as their number says.
        var ofTenant = new int[5];
        var isTooMany = false;
        await Task.WhenAll(Enumerable.Range(0, 24).Select(worker => Task.Run(async () =>
        {
            var random = new Random(seed + worker);
            for (var i = 0; i < 400; i++)
            {
                using var leaving = new CancellationTokenSource();
                if (random.Next(4) == 0) leaving.CancelAfter(random.Next(3));
                var timeout = random.Next(4) == 0 ? TimeSpan.FromMilliseconds(random.Next(1, 4)) : Timeout.InfiniteTimeSpan;
                try
                {
                    var tenant = random.Next(5);
                    if (random.Next(4) == 0 && queue.TryEnter($"t{tenant}", Limits with { WaitingMax = 8, RunsMax = tenant }, out var express)) queue.Leave(express);
                    var turn = await queue.EnterAsync($"t{tenant}", Limits with { WaitingMax = 8, RunsMax = tenant }, timeout, isLong: false, leaving.Token);
                    if (turn.Refusal != Refusal.None)
                    {
                        Interlocked.Increment(ref refused);
                        continue;
                    }
                    var now = Interlocked.Increment(ref running);
                    for (var seen = Volatile.Read(ref most); now > seen && Interlocked.CompareExchange(ref most, now, seen) != seen; seen = Volatile.Read(ref most)) { }
                    if (Interlocked.Increment(ref ofTenant[tenant]) > tenant && tenant > 0) isTooMany = true;
                    if (random.Next(3) == 0) await Task.Yield();
                    Interlocked.Increment(ref ran);
                    Interlocked.Decrement(ref ofTenant[tenant]);
                    Interlocked.Decrement(ref running);
                    queue.Leave(turn);
                }
                catch (OperationCanceledException)
                {
                    Interlocked.Increment(ref cancelled);
                }
            }
        })));

        Assert.InRange(most, 1, places);
        Assert.False(isTooMany);
        Assert.Equal(24 * 400, ran + refused + cancelled);
        Assert.Equal(0, queue.Waiting);
        // All places are free again.
        for (var i = 0; i < places; i++) Assert.True(Enter(queue, "last").IsCompletedSuccessfully);
        Assert.False(Enter(queue, "last").IsCompleted);
    }

    [Fact]
    public async Task Long_requests_leave_a_place_to_short_ones_and_wait_for_each_other()
    {
        var queue = new FairQueue(2, 100, TimeProvider.System);
        var slow = await EnterLong();
        var second = EnterLong().AsTask();
        Assert.False(second.IsCompleted);

        // The place that is left goes to short ones, though a long one waits.
        for (var i = 0; i < 3; i++)
        {
            var quick = Enter(queue, "quick");
            Assert.True(quick.IsCompleted);
            queue.Leave(await quick);
        }
        queue.Leave(slow);
        queue.Leave(await second);
        Assert.Equal(0, queue.Waiting);

        ValueTask<Turn> EnterLong() => queue.EnterAsync("slow", Limits, Timeout.InfiniteTimeSpan, isLong: true, CancellationToken.None);
    }

    private static ValueTask<Turn> Enter(FairQueue queue, string tenant) => queue.EnterAsync(tenant, Limits, Timeout.InfiniteTimeSpan, isLong: false, CancellationToken.None);

    /// <summary>A processor with one place and a clock that only its requests move.</summary>
    private sealed class Machine
    {
        private readonly List<(string Tenant, Task<Turn> Turn)> _asked = [];

        public Machine() => Queue = new FairQueue(1, 1_000, Clock);

        public VirtualClock Clock { get; } = new();

        public FairQueue Queue { get; }

        public bool IsBusy => _asked.Count > 0;

        public void Ask(string tenant, double weight = 1) =>
            _asked.Add((tenant, Queue.EnterAsync(tenant, Limits with { Weight = weight }, Timeout.InfiniteTimeSpan, isLong: false, CancellationToken.None).AsTask()));

        public Task<string> RunNextAsync(double milliseconds) => RunNextAsync(_ => milliseconds);

        /// <summary>Ends the request whose turn it is; returns whose it was.</summary>
        public async Task<string> RunNextAsync(Func<string, double> milliseconds)
        {
            await Task.WhenAny(_asked.Select(one => one.Turn));
            var next = _asked.Single(one => one.Turn.IsCompleted);
            _asked.Remove(next);
            Clock.Advance(TimeSpan.FromMilliseconds(milliseconds(next.Tenant)));
            Queue.Leave(await next.Turn);
            return next.Tenant;
        }
    }
}
