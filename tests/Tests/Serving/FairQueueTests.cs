using System.Collections.Concurrent;
using System.Diagnostics;
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
        var queue = new FairQueue(2, 10);
        for (var i = 0; i < 100; i++) Pass();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1_000; i++) Pass();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Pass()
        {
            var turn = queue.EnterAsync("a", Limits, Timeout.InfiniteTimeSpan, CancellationToken.None);
            Assert.True(turn.IsCompletedSuccessfully);
            queue.Leave(turn.GetAwaiter().GetResult());
        }
    }

    [Fact]
    public async Task A_tenant_that_comes_later_does_not_wait_behind_the_queue_of_another()
    {
        var queue = new FairQueue(1, 100);
        var running = await Enter(queue, "greedy");
        var order = new ConcurrentQueue<string>();
        var greedy = Enumerable.Range(0, 20).Select(i => RunAsync($"greedy {i}", "greedy")).ToList();
        var modest = RunAsync("modest", "modest");
        Thread.SpinWait(100_000);
        queue.Leave(running);
        await Task.WhenAll([.. greedy, modest]);

        Assert.InRange(order.ToList().IndexOf("modest"), 0, 2);

        async Task RunAsync(string name, string tenant)
        {
            var turn = await Enter(queue, tenant);
            order.Enqueue(name);
            Spin(TimeSpan.FromMilliseconds(1));
            queue.Leave(turn);
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 1)]
    public async Task Time_is_shared_by_weight_whatever_a_request_takes(int weight, int otherWeight)
    {
        var queue = new FairQueue(1, 1_000);
        var taken = new ConcurrentDictionary<string, double>();
        using var stop = new CancellationTokenSource();
        // One tenant's requests take five times as long, so counting requests would give it five times the share.
        await Task.WhenAll(
            Enumerable.Range(0, 4).Select(_ => LoopAsync("short", 200, weight)).Concat(Enumerable.Range(0, 4).Select(_ => LoopAsync("long", 1_000, otherWeight)))
                .Append(Task.Run(async () =>
                {
                    while (taken.Values.Sum() < 600_000) await Task.Delay(5);
                    await stop.CancelAsync();
                })));

        var ratio = taken["short"] / taken["long"];
        Assert.InRange(ratio, 0.6 * weight / otherWeight, 1.6 * weight / otherWeight);

        Task LoopAsync(string tenant, int microseconds, int ofWeight) => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                var turn = await queue.EnterAsync(tenant, Limits with { Weight = ofWeight }, Timeout.InfiniteTimeSpan, CancellationToken.None);
                // Counted as asked for: the machine may be busy with others.
                taken.AddOrUpdate(tenant, microseconds, (_, sum) => sum + microseconds);
                Spin(TimeSpan.FromMicroseconds(microseconds));
                queue.Leave(turn);
            }
        });
    }

    [Fact]
    public async Task Who_was_idle_gets_no_credit_and_who_ran_alone_has_no_debt()
    {
        var queue = new FairQueue(1, 100);
        for (var i = 0; i < 50; i++)
        {
            var turn = await Enter(queue, "busy");
            Spin(TimeSpan.FromMilliseconds(1));
            queue.Leave(turn);
        }
        var running = await Enter(queue, "busy");
        var order = new ConcurrentQueue<string>();
        var all = Enumerable.Range(0, 10).SelectMany(_ => (Task[])[RunAsync("busy"), RunAsync("new")]).ToList();
        queue.Leave(running);
        await Task.WhenAll(all);

        // Neither has to wait until the other has had all.
        Assert.InRange(order.Take(8).Count(name => name == "busy"), 2, 6);

        async Task RunAsync(string tenant)
        {
            var turn = await Enter(queue, tenant);
            order.Enqueue(tenant);
            Spin(TimeSpan.FromMilliseconds(1));
            queue.Leave(turn);
        }
    }

    [Fact]
    public async Task What_cannot_be_served_in_time_is_refused_at_once()
    {
        var queue = new FairQueue(1, 100);
        var slow = await Enter(queue, "a");
        Spin(TimeSpan.FromMilliseconds(50));
        queue.Leave(slow);
        var running = await Enter(queue, "a");
        var waiting = Enter(queue, "a").AsTask();

        var hopeless = queue.EnterAsync("a", Limits, TimeSpan.FromMilliseconds(1), CancellationToken.None);
        Assert.True(hopeless.IsCompletedSuccessfully);
        Assert.Equal(Refusal.TooLate, (await hopeless).Refusal);

        // One that has hope at first loses it when its time is over.
        var late = await queue.EnterAsync("b", Limits, TimeSpan.FromMilliseconds(200), CancellationToken.None);
        Assert.Equal(Refusal.TooLate, late.Refusal);
        queue.Leave(running);
        queue.Leave(await waiting);
        Assert.Equal(0, queue.Waiting);
        Assert.Equal(Refusal.None, (await Enter(queue, "a")).Refusal);
    }

    [Fact]
    public async Task Too_many_are_refused_and_too_often_is_told_when_to_come_back()
    {
        var queue = new FairQueue(1, 2);
        var running = await Enter(queue, "a");
        var first = queue.EnterAsync("a", new QueueLimits(1), Timeout.InfiniteTimeSpan, CancellationToken.None).AsTask();
        Assert.Equal(Refusal.TenantFull, (await queue.EnterAsync("a", new QueueLimits(1), Timeout.InfiniteTimeSpan, CancellationToken.None)).Refusal);
        using var leaving = new CancellationTokenSource();
        var second = queue.EnterAsync("b", Limits, Timeout.InfiniteTimeSpan, leaving.Token).AsTask();
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
        queue.Leave(await queue.EnterAsync("d", slow, Timeout.InfiniteTimeSpan, CancellationToken.None));
        var refused = await queue.EnterAsync("d", slow, Timeout.InfiniteTimeSpan, CancellationToken.None);
        Assert.Equal(Refusal.TooOften, refused.Refusal);
        Assert.InRange(refused.RetryAfter.TotalSeconds, 0.5, 2);
    }

    [Fact]
    public async Task Stress_never_runs_more_than_allowed_and_loses_no_place()
    {
        var seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        const int places = 3;
        var queue = new FairQueue(places, 50);
        int running = 0, most = 0, ran = 0, refused = 0, cancelled = 0;
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
                    var turn = await queue.EnterAsync($"t{random.Next(5)}", Limits with { WaitingMax = 8 }, timeout, leaving.Token);
                    if (turn.Refusal != Refusal.None)
                    {
                        Interlocked.Increment(ref refused);
                        continue;
                    }
                    var now = Interlocked.Increment(ref running);
                    for (var seen = Volatile.Read(ref most); now > seen && Interlocked.CompareExchange(ref most, now, seen) != seen; seen = Volatile.Read(ref most)) { }
                    if (random.Next(3) == 0) await Task.Yield();
                    Interlocked.Increment(ref ran);
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
        Assert.Equal(24 * 400, ran + refused + cancelled);
        Assert.Equal(0, queue.Waiting);
        // All places are free again.
        for (var i = 0; i < places; i++) Assert.True(Enter(queue, "last").IsCompletedSuccessfully);
        Assert.False(Enter(queue, "last").IsCompleted);
    }

    private static ValueTask<Turn> Enter(FairQueue queue, string tenant) => queue.EnterAsync(tenant, Limits, Timeout.InfiniteTimeSpan, CancellationToken.None);

    private static void Spin(TimeSpan time)
    {
        var start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start) < time) Thread.SpinWait(20);
    }
}
