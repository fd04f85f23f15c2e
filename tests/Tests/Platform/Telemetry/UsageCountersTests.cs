using Atoll.Platform.Telemetry;

namespace Atoll.Tests.Platform.Telemetry;

public sealed class UsageCountersTests
{
    private readonly UsageCounters _counters = new();

    [Fact]
    public void What_was_counted_is_taken_once()
    {
        _counters.CountRun("a", 3, TimeSpan.FromMilliseconds(2));
        _counters.CountRun("a", 1, TimeSpan.FromMilliseconds(1));
        _counters.CountRefusal("b");
        _counters.CountModelLoad("b");
        Assert.Equal(
            [("a", new UsageAmounts(2, 4, TimeSpan.FromMilliseconds(3).Ticks, 0, 0)), ("b", new UsageAmounts(0, 0, 0, 1, 1))],
            _counters.Take().OrderBy(taken => taken.TenantId, StringComparer.Ordinal));
        Assert.Empty(_counters.Take());
    }

    [Fact]
    public void Only_tenants_that_were_active_lately_are_remembered()
    {
        for (var i = 0; i < 1_000; i++) _counters.CountRun($"ten_{i}", 1, TimeSpan.Zero);
        for (var i = 0; i < 3; i++)
        {
            _counters.CountRun("ten_0", 1, TimeSpan.Zero);
            _counters.Take();
        }
        Assert.Equal(1, _counters.Tenants);
    }

    [Fact]
    public void Counting_allocates_nothing_once_the_tenant_is_known()
    {
        Count(10);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Count(1_000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Count(int times)
        {
            for (var i = 0; i < times; i++) _counters.CountRun("ten_a", 2, TimeSpan.FromTicks(5));
        }
    }

    [Fact]
    public async Task Nothing_is_lost_while_tenants_come_and_go_and_somebody_takes()
    {
        var seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var writers = Enumerable.Range(0, 4).Select(writer => Task.Run(() =>
        {
            var random = new Random(seed + writer);
            for (var i = 0; i < 50_000; i++) _counters.CountRun($"ten_{random.Next(50)}", 2, TimeSpan.FromTicks(3));
        })).ToArray();
        UsageAmounts sum = default;
        while (!Task.WhenAll(writers).IsCompleted) Add(_counters.Take());
        await Task.WhenAll(writers);

        for (var i = 0; i < 3; i++) Add(_counters.Take());
        Assert.Equal(new UsageAmounts(200_000, 400_000, 600_000, 0, 0), sum);
        Assert.Equal(0, _counters.Tenants);

        void Add(IReadOnlyList<(string TenantId, UsageAmounts Amounts)> taken)
        {
            foreach (var (_, amounts) in taken)
                sum = new UsageAmounts(sum.Requests + amounts.Requests, sum.Samples + amounts.Samples, sum.ExecutionTicks + amounts.ExecutionTicks, 0, 0);
        }
    }
}
