using System.Collections.Concurrent;
using System.Diagnostics;

namespace Atoll.Serving;

/// <summary>Why a request may not run.</summary>
internal enum Refusal
{
    None,

    /// <summary>Too many wait already.</summary>
    Full,

    /// <summary>Too many of the same tenant wait already.</summary>
    TenantFull,

    /// <summary>The tenant asks more often than it may.</summary>
    TooOften,

    /// <summary>It would not be its turn before its deadline.</summary>
    TooLate,
}

/// <summary>What a tenant may take of a <see cref="FairQueue"/>.</summary>
/// <param name="WaitingMax">Requests that may wait.</param>
/// <param name="PerSecondMax">Requests a second, with bursts of one second's worth; 0 for any number.</param>
/// <param name="Weight">How many times the share of a tenant of weight one it gets when all want more than there is.</param>
internal readonly record struct QueueLimits(int WaitingMax, double PerSecondMax = 0, double Weight = 1);

/// <summary>The right to run, or why there is none. Give it back by <see cref="FairQueue.Leave"/>.</summary>
internal readonly struct Turn
{
    internal Turn(FairQueue.Tenant? tenant, long start, Refusal refusal, TimeSpan retryAfter)
    {
        Tenant = tenant;
        Start = start;
        Refusal = refusal;
        RetryAfter = retryAfter;
    }

    public Refusal Refusal { get; }

    /// <summary>When another attempt may do better.</summary>
    public TimeSpan RetryAfter { get; }

    /// <summary>Ticks of <see cref="Stopwatch"/> since the turn began.</summary>
    public long Elapsed => Stopwatch.GetTimestamp() - Start;

    internal FairQueue.Tenant? Tenant { get; }

    internal long Start { get; }
}

/// <summary>Lets a few requests run at the same time, and shares their time between tenants.</summary>
/// <remarks>
/// Each tenant has a bounded queue. Who is next is decided by the time that the tenants' requests have really taken, divided by their weight (start-time
/// fair queueing; Goyal, Vin and Cheng 1996): a tenant that floods waits behind itself, and one that was idle gets no credit for that. While nobody waits,
/// entering and leaving are a few atomic operations, without a lock and without allocation.
/// </remarks>
internal sealed class FairQueue(int runsMax, int waitingMax)
{
    private const int TenantsKept = 4_096;

    // Requests that run in the lower half, those that wait in the upper: both change in one step.
    private const long OneWaiting = 1L << 32;

    private readonly ConcurrentDictionary<string, Tenant> _tenants = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private readonly PriorityQueue<Tenant, long> _next = new();
    private long _state;
    private long _virtualTime;

    /// <summary>Requests that wait.</summary>
    public int Waiting => (int)(Interlocked.Read(ref _state) >> 32);

    /// <summary>Waits for its turn unless that is pointless.</summary>
    /// <param name="timeout">How long the caller would wait for the answer, or <see cref="Timeout.InfiniteTimeSpan"/>; a request whose turn cannot come in time is refused at once.</param>
    public ValueTask<Turn> EnterAsync(string tenantId, QueueLimits limits, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var tenant = _tenants.TryGetValue(tenantId, out var known) ? known : Add(tenantId);
        if (limits.PerSecondMax > 0 && tenant.TakeFromRate(limits.PerSecondMax) is { Ticks: > 0 } later)
            return ValueTask.FromResult(new Turn(null, 0, Refusal.TooOften, later));
        for (var state = Interlocked.Read(ref _state); state < runsMax;)
        {
            // Nobody waits, and a place is free.
            var seen = Interlocked.CompareExchange(ref _state, state + 1, state);
            if (seen == state) return ValueTask.FromResult(Begin(tenant, limits.Weight, Interlocked.Read(ref _virtualTime)));
            state = seen;
        }
        return WaitAsync(tenant, limits, timeout < TimeSpan.Zero ? TimeSpan.MaxValue : timeout, cancellationToken);
    }

    /// <summary>Ends a turn; the next one begins.</summary>
    public void Leave(in Turn turn)
    {
        turn.Tenant!.Charge(turn.Elapsed);
        for (var state = Interlocked.Read(ref _state); state < OneWaiting;)
        {
            var seen = Interlocked.CompareExchange(ref _state, state - 1, state);
            if (seen == state) return;
            state = seen;
        }
        PassOn();
    }

    private void PassOn()
    {
        Waiter? chosen;
        long tag;
        lock (_lock)
        {
            chosen = TakeNext_NeedsLock(out tag);
            // Those that waited may have gone away since; then the place is free.
            if (chosen is null) Interlocked.Decrement(ref _state);
        }
        chosen?.Source.TrySetResult(Begin(chosen.Tenant, chosen.Weight, tag));
    }

    private Waiter? TakeNext_NeedsLock(out long tag)
    {
        while (_next.TryDequeue(out var tenant, out tag))
        {
            if (tenant.VirtualTime > tag)
            {
                // Its former requests took longer than was known when it lined up.
                _next.Enqueue(tenant, tenant.VirtualTime);
                continue;
            }
            while (tenant.Waiters.TryDequeue(out var waiter))
            {
                if (waiter.IsGone) continue;
                waiter.HasTurn = true;
                Interlocked.Add(ref _state, -OneWaiting);
                if (tenant.Waiters.Count > 0) _next.Enqueue(tenant, tag + tenant.Expected(waiter.Weight));
                else tenant.IsLinedUp = false;
                return waiter;
            }
            tenant.IsLinedUp = false;
        }
        return null;
    }

    private async ValueTask<Turn> WaitAsync(Tenant tenant, QueueLimits limits, TimeSpan timeout, CancellationToken cancellationToken)
    {
        Waiter waiter;
        lock (_lock)
        {
            for (var state = Interlocked.Read(ref _state); ;)
            {
                // A place may have become free since; otherwise this one is counted as waiting before anybody can leave without seeing it.
                var isFree = state < runsMax;
                if (!isFree && state >> 32 >= waitingMax) return new Turn(null, 0, Refusal.Full, TimeSpan.FromSeconds(1));
                if (!isFree && tenant.Waiters.Count >= limits.WaitingMax) return new Turn(null, 0, Refusal.TenantFull, TimeSpan.FromSeconds(1));
                if (!isFree && timeout < ExpectedWait_NeedsLock(tenant)) return new Turn(null, 0, Refusal.TooLate, TimeSpan.FromSeconds(1));
                var seen = Interlocked.CompareExchange(ref _state, isFree ? state + 1 : state + OneWaiting, state);
                if (seen == state)
                {
                    if (isFree) return Begin(tenant, limits.Weight, Interlocked.Read(ref _virtualTime));
                    break;
                }
                state = seen;
            }
            waiter = new Waiter(tenant, limits.Weight);
            tenant.Waiters.Enqueue(waiter);
            if (!tenant.IsLinedUp)
            {
                tenant.IsLinedUp = true;
                _next.Enqueue(tenant, Math.Max(tenant.VirtualTime, Interlocked.Read(ref _virtualTime)));
            }
        }

        using var registration = cancellationToken.UnsafeRegister(static (state, token) => ((Waiter)state!).Source.TrySetCanceled(token), waiter);
        using var alarm = timeout < TimeSpan.FromDays(1) ? new Timer(static state => ((Waiter)state!).Source.TrySetResult(new Turn(null, 0, Refusal.TooLate, TimeSpan.FromSeconds(1))), waiter, timeout, Timeout.InfiniteTimeSpan) : null;
        Turn turn;
        try
        {
            turn = await waiter.Source.Task;
        }
        catch (OperationCanceledException)
        {
            Abandon(waiter);
            throw;
        }
        if (turn.Refusal != Refusal.None) Abandon(waiter);
        return turn;
    }

    /// <summary>A waiter went away: its place in the queue is free at once, and a turn that had come goes to the next one.</summary>
    private void Abandon(Waiter waiter)
    {
        lock (_lock)
        {
            waiter.IsGone = true;
            if (!waiter.HasTurn)
            {
                Interlocked.Add(ref _state, -OneWaiting);
                waiter.Tenant.Waiters = new Queue<Waiter>(waiter.Tenant.Waiters.Where(other => other != waiter));
                return;
            }
        }
        PassOnOrFree();
    }

    private void PassOnOrFree()
    {
        for (var state = Interlocked.Read(ref _state); state < OneWaiting;)
        {
            var seen = Interlocked.CompareExchange(ref _state, state - 1, state);
            if (seen == state) return;
            state = seen;
        }
        PassOn();
    }

    /// <param name="tag">The virtual time from which on the tenant pays: when it lined up, or now.</param>
    private Turn Begin(Tenant tenant, double weight, long tag)
    {
        var start = tenant.Start(tag, weight);
        for (var now = Interlocked.Read(ref _virtualTime); now < start;)
        {
            var seen = Interlocked.CompareExchange(ref _virtualTime, start, now);
            if (seen == now) break;
            now = seen;
        }
        return new Turn(tenant, Stopwatch.GetTimestamp(), Refusal.None, default);
    }

    // Everybody who waits gets a turn before the tenant's last one, as many as it has itself; what each takes is as long as was seen.
    private TimeSpan ExpectedWait_NeedsLock(Tenant tenant)
    {
        double ticks = 0;
        var own = tenant.Waiters.Count + 1;
        foreach (var (other, _) in _next.UnorderedItems) ticks += Math.Min(own, other.Waiters.Count) * other.MeanTicks;
        if (!tenant.IsLinedUp) ticks += tenant.MeanTicks;
        return TimeSpan.FromSeconds(ticks / runsMax / Stopwatch.Frequency);
    }

    private Tenant Add(string tenantId)
    {
        if (_tenants.Count >= TenantsKept)
        {
            // Who is not ahead of the others would begin like a new one.
            var now = Interlocked.Read(ref _virtualTime);
            foreach (var (name, tenant) in _tenants)
                if (tenant.IsForgettable(now)) _tenants.TryRemove(name, out _);
        }
        return _tenants.GetOrAdd(tenantId, static _ => new Tenant());
    }

    /// <summary>A request that waits. Its flags are guarded by the lock.</summary>
    internal sealed class Waiter(Tenant tenant, double weight)
    {
        public TaskCompletionSource<Turn> Source { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Tenant Tenant => tenant;

        public double Weight => weight;

        public bool IsGone { get; set; }

        public bool HasTurn { get; set; }
    }

    /// <summary>What a tenant has taken, and what of it waits.</summary>
    internal sealed class Tenant
    {
        private const double Smoothing = 0.1;

        private long _virtualTime;
        private long _meanTicks;
        private long _weightMillis = 1_000;
        private long _rateTime;

        // Guarded by the lock of the queue.
        internal bool IsLinedUp { get; set; }

        internal Queue<Waiter> Waiters { get; set; } = new();

        internal double MeanTicks => Interlocked.Read(ref _meanTicks);

        internal bool IsForgettable(long now) => Interlocked.Read(ref _virtualTime) <= now && !IsLinedUp;

        internal long VirtualTime => Interlocked.Read(ref _virtualTime);

        internal long Expected(double weight) => (long)(MeanTicks / weight);

        /// <summary>Begins a run; returns its virtual start.</summary>
        internal long Start(long now, double weight)
        {
            Interlocked.Exchange(ref _weightMillis, (long)(weight * 1_000));
            for (var own = Interlocked.Read(ref _virtualTime); own < now;)
            {
                var seen = Interlocked.CompareExchange(ref _virtualTime, now, own);
                if (seen == own) return now;
                own = seen;
            }
            return Interlocked.Read(ref _virtualTime);
        }

        internal void Charge(long ticks)
        {
            Interlocked.Add(ref _virtualTime, ticks * 1_000 / Math.Max(1, Interlocked.Read(ref _weightMillis)));
            var mean = Interlocked.Read(ref _meanTicks);
            // A change that is lost in a race matters little.
            Interlocked.Exchange(ref _meanTicks, mean == 0 ? ticks : (long)(mean + (Smoothing * (ticks - mean))));
        }

        /// <summary>Zero when the request may pass; otherwise when one may (generic cell rate algorithm, ITU-T I.371).</summary>
        internal TimeSpan TakeFromRate(double perSecond)
        {
            var interval = (long)(Stopwatch.Frequency / perSecond);
            var burst = Math.Max(Stopwatch.Frequency, interval);
            var now = Stopwatch.GetTimestamp();
            for (var due = Interlocked.Read(ref _rateTime); ;)
            {
                var next = Math.Max(due, now) + interval;
                if (next - now > burst) return TimeSpan.FromSeconds((double)(next - now - burst) / Stopwatch.Frequency);
                var seen = Interlocked.CompareExchange(ref _rateTime, next, due);
                if (seen == due) return TimeSpan.Zero;
                due = seen;
            }
        }
    }
}
