using System.Collections.Concurrent;
using Atoll.Platform.Database;

namespace Atoll.Platform.Telemetry;

/// <summary>What a tenant used.</summary>
/// <param name="Requests">Predictions that ran, also those that failed.</param>
/// <param name="Samples">Samples that they asked about.</param>
/// <param name="ExecutionTicks">How long they held a place to run, in ticks of <see cref="TimeSpan"/>.</param>
/// <param name="Refusals">Predictions that were refused because a queue or the memory was full, or they came too often or too late.</param>
/// <param name="ModelLoads">Models that were brought into memory.</param>
internal readonly record struct UsageAmounts(long Requests, long Samples, long ExecutionTicks, long Refusals, long ModelLoads)
{
    public static UsageAmounts operator +(in UsageAmounts a, in UsageAmounts b) => new(
        a.Requests + b.Requests, a.Samples + b.Samples, a.ExecutionTicks + b.ExecutionTicks, a.Refusals + b.Refusals, a.ModelLoads + b.ModelLoads);
}

/// <summary>Counts what tenants use, until somebody takes it away to keep it. Keeps those that were active lately only.</summary>
internal sealed class UsageCounters : ITenantMemory
{
    private readonly ConcurrentDictionary<string, TenantUsage> _tenants = new(StringComparer.Ordinal);

    /// <summary>Tenants that are remembered.</summary>
    public int Tenants => _tenants.Count;

    public void CountRun(string tenantId, long samples, TimeSpan took) => Add(tenantId, new UsageAmounts(1, samples, took.Ticks, 0, 0));

    public void CountRefusal(string tenantId) => Add(tenantId, new UsageAmounts(0, 0, 0, 1, 0));

    public void CountModelLoad(string tenantId) => Add(tenantId, new UsageAmounts(0, 0, 0, 0, 1));

    private void Add(string tenantId, UsageAmounts amounts)
    {
        while (amounts != default)
        {
            var usage = _tenants.TryGetValue(tenantId, out var known) ? known : _tenants.GetOrAdd(tenantId, static _ => new TenantUsage());
            usage.Add(amounts);
            if (!usage.IsDropped) return;

            // Nobody looks there any more, unless it was just taken: then nothing is left of it.
            amounts = usage.Take();
        }
    }

    public void Forget(string tenantId) => _tenants.TryRemove(tenantId, out _);

    /// <summary>What was counted since this was called last; one caller at a time.</summary>
    public IReadOnlyList<(string TenantId, UsageAmounts Amounts)> Take()
    {
        var taken = new List<(string, UsageAmounts)>();
        foreach (var (tenantId, usage) in _tenants)
        {
            var amounts = usage.Take();
            if (amounts == default && usage.IsIdle)
            {
                // In this order: who adds after the last look sees that it is dropped.
                usage.IsDropped = true;
                _tenants.TryRemove(new KeyValuePair<string, TenantUsage>(tenantId, usage));
                amounts = usage.Take();
            }
            usage.IsIdle = amounts == default;
            if (amounts != default) taken.Add((tenantId, amounts));
        }
        return taken;
    }

    /// <summary>The counters of one tenant. They are shared by its requests, like its place in the queue.</summary>
    private sealed class TenantUsage
    {
        private long _requests;
        private long _samples;
        private long _executionTicks;
        private long _refusals;
        private long _modelLoads;
        private volatile bool _isDropped;

        /// <summary>Nothing was counted when it was last looked at. Only for the one who takes.</summary>
        public bool IsIdle { get; set; }

        public bool IsDropped
        {
            get => _isDropped;
            set => _isDropped = value;
        }

        public void Add(in UsageAmounts amounts)
        {
            Add(ref _requests, amounts.Requests);
            Add(ref _samples, amounts.Samples);
            Add(ref _executionTicks, amounts.ExecutionTicks);
            Add(ref _refusals, amounts.Refusals);
            Add(ref _modelLoads, amounts.ModelLoads);
        }

        public UsageAmounts Take() => new(
            Interlocked.Exchange(ref _requests, 0), Interlocked.Exchange(ref _samples, 0), Interlocked.Exchange(ref _executionTicks, 0),
            Interlocked.Exchange(ref _refusals, 0), Interlocked.Exchange(ref _modelLoads, 0));

        private static void Add(ref long counter, long amount)
        {
            if (amount != 0) Interlocked.Add(ref counter, amount);
        }
    }
}
