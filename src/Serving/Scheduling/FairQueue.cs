using System.Collections.Concurrent;

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
/// <param name="RunsMax">Requests that may run at the same time; further ones wait, even when places are free. 0 for any number.</param>
/// <param name="IsBegun">The rest of a request that was let in before: it waits for its turn like others, but nobody sends it away.</param>
/// <param name="RunsMaxBesideOthers">The same as <paramref name="RunsMax"/> while other tenants ask, too: what takes all processors keeps others from even being read.</param>
internal readonly record struct QueueLimits(int WaitingMax, double PerSecondMax = 0, double Weight = 1, int RunsMax = 0, bool IsBegun = false, int RunsMaxBesideOthers = 0);

/// <summary>The right to run, or why there is none. Give it back by <see cref="FairQueue.Leave"/>.</summary>
internal readonly struct Turn
{
    internal Turn(FairQueue.Tenant tenant, bool isLong, long start)
    {
        Tenant = tenant;
        IsLong = isLong;
        Start = start;
    }

    internal Turn(Refusal refusal, TimeSpan retryAfter)
    {
        Refusal = refusal;
        RetryAfter = retryAfter;
    }

    public Refusal Refusal { get; }

    /// <summary>When another attempt may do better.</summary>
    public TimeSpan RetryAfter { get; }

    internal FairQueue.Tenant? Tenant { get; }

    internal bool IsLong { get; }

    /// <summary>The clock's timestamp at which it began.</summary>
    public long Start { get; }
}

/// <summary>Lets a few requests run at the same time, and shares their time between tenants.</summary>
/// <remarks>
/// Each tenant has a bounded queue. Who is next is decided by the time that the tenants' requests have really taken, divided by their weight (start-time
/// fair queueing; Goyal, Vin and Cheng 1996): a tenant that floods waits behind itself, and one that was idle gets no credit for that. While nobody waits,
/// entering and leaving are a few atomic operations, without a lock and without allocation.
/// </remarks>
internal sealed class FairQueue(int runsMax, int waitingMax, TimeProvider clock)
{
    private const int TenantsKept = 4_096;

    // Requests that run in the lower half, those that wait in the upper: both change in one step.
    private const long OneWaiting = 1L << 32;

    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);

    // Who had a turn within it counts as one who asks; seen anew so often.
    private static readonly TimeSpan Lately = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(0.5);

    // Long requests leave a place to short ones, if there is more than one.
    private readonly int _longMax = Math.Max(1, runsMax - 1);
    private readonly ConcurrentDictionary<string, Tenant> _tenants = new(StringComparer.Ordinal);
    private readonly StripedCounters _refusals = new((int)Refusal.TooLate + 1);
    private readonly Lock _lock = new();
    private readonly PriorityQueue<Place, long> _next = new();
    private readonly List<(Place Place, long Tag)> _passedOver = [];
    private long _state;
    private long _virtualTime;
    private int _long;
    private int _inLines;
    private long _countedAt = clock.GetTimestamp();
    private volatile bool _isShared;

    /// <summary>Requests that wait.</summary>
    public int Waiting => (int)(Interlocked.Read(ref _state) >> 32);

    /// <summary>Requests that run.</summary>
    public int Running => (int)Interlocked.Read(ref _state);

    /// <summary>A place is free, so that the next request need not wait.</summary>
    public bool HasRoom => Interlocked.Read(ref _state) < runsMax;

    /// <summary>Counts a request that waits elsewhere for the turn of another, by the same bounds and the tenant's rate; the refusal when it may not.</summary>
    /// <remarks>Whoever was not refused calls <see cref="LeaveLine"/>.</remarks>
    public Turn? JoinLine(string tenantId, QueueLimits limits)
    {
        var tenant = _tenants.TryGetValue(tenantId, out var known) ? known : Add(tenantId);
        var refusal = Interlocked.Increment(ref _inLines) > waitingMax ? Refusal.Full : tenant.JoinLine() > limits.WaitingMax ? Refusal.TenantFull : Refusal.None;
        var later = Soon;
        if (refusal == Refusal.None && limits.PerSecondMax > 0 && tenant.TakeFromRate(limits.PerSecondMax, clock) is { Ticks: > 0 } wait) (refusal, later) = (Refusal.TooOften, wait);
        if (refusal == Refusal.None) return null;
        Interlocked.Decrement(ref _inLines);
        if (refusal != Refusal.Full) tenant.LeaveLine();
        return Refuse(refusal, later);
    }

    /// <summary>The request does not wait any more.</summary>
    public void LeaveLine(string tenantId)
    {
        Interlocked.Decrement(ref _inLines);
        if (_tenants.TryGetValue(tenantId, out var tenant)) tenant.LeaveLine();
    }

    /// <summary>Requests that were refused for a reason.</summary>
    public long Refused(Refusal reason) => _refusals.Sum((int)reason);

    /// <summary>Waits for its turn unless that is pointless.</summary>
    /// <param name="timeout">How long the caller would wait for the answer, or <see cref="Timeout.InfiniteTimeSpan"/>; a request whose turn cannot come in time is refused at once.</param>
    /// <param name="isLong">It is known to take long, and may not have the last place.</param>
    public ValueTask<Turn> EnterAsync(string tenantId, QueueLimits limits, TimeSpan timeout, bool isLong, CancellationToken cancellationToken)
    {
        var tenant = _tenants.TryGetValue(tenantId, out var known) ? known : Add(tenantId);
        if (limits is { IsBegun: false, PerSecondMax: > 0 } && tenant.TakeFromRate(limits.PerSecondMax, clock) is { Ticks: > 0 } later)
            return ValueTask.FromResult(Refuse(Refusal.TooOften, later));
        limits = Of(limits);
        if (TryTake(tenant, limits.RunsMax, isLong))
        {
            if (TryTakePlace()) return ValueTask.FromResult(Begin(tenant, limits.Weight, Interlocked.Read(ref _virtualTime), isLong));
            GiveBack(tenant, isLong);
        }
        return WaitAsync(tenant, limits, timeout < TimeSpan.Zero ? TimeSpan.MaxValue : timeout, isLong, cancellationToken);
    }

    /// <summary>The refusal of a request that could only wait, where it may not; null when it has to be asked for by <see cref="EnterAsync"/>.</summary>
    public Turn? FindRefusal(string tenantId, QueueLimits limits) =>
        _tenants.TryGetValue(tenantId, out var tenant) && tenant.Waiting >= Math.Max(1, limits.WaitingMax) ? Refuse(Refusal.TenantFull, Soon) : null;

    /// <summary>Begins the turn of a short request that need not wait, or refuses what comes too often. Otherwise nothing has changed.</summary>
    /// <param name="turn">The turn, or the refusal.</param>
    public bool TryEnter(string tenantId, QueueLimits limits, out Turn turn)
    {
        turn = default;
        var tenant = _tenants.TryGetValue(tenantId, out var known) ? known : Add(tenantId);
        limits = Of(limits);

        // Nobody overtakes those of the same tenant.
        if (tenant.WaitersCount > 0 || !TryTake(tenant, limits.RunsMax, isLong: false)) return false;
        if (!TryTakePlace() && !TryTakePlaceBesideWaiters(tenant))
        {
            GiveBack(tenant, isLong: false);

            // Who began to wait in between may have found the tenant's last place taken.
            if (Waiting > 0)
            {
                lock (_lock) Dispatch_NeedsLock();
            }
            return false;
        }
        if (limits.PerSecondMax > 0 && tenant.TakeFromRate(limits.PerSecondMax, clock) is { Ticks: > 0 } later)
        {
            Free(tenant, isLong: false);
            turn = Refuse(Refusal.TooOften, later);
            return true;
        }
        turn = Begin(tenant, limits.Weight, Interlocked.Read(ref _virtualTime), isLong: false);
        return true;
    }

    /// <summary>Ends a turn; the next one begins.</summary>
    /// <returns>How long the turn was.</returns>
    public TimeSpan Leave(in Turn turn) => Leave(turn, clock.GetTimestamp());

    /// <param name="now">The clock's timestamp.</param>
    /// <inheritdoc cref="Leave(in Turn)"/>
    public TimeSpan Leave(in Turn turn, long now)
    {
        var ticks = now - turn.Start;
        turn.Tenant!.Charge(ticks);
        Free(turn.Tenant, turn.IsLong);
        return clock.GetElapsedTime(0, ticks);
    }

    private bool TryTakePlace()
    {
        for (var state = Interlocked.Read(ref _state); state < runsMax;)
        {
            // Nobody waits, and a place is free.
            var seen = Interlocked.CompareExchange(ref _state, state + 1, state);
            if (seen == state) return true;
            state = seen;
        }
        return false;
    }

    /// <summary>Takes a place that none of those that wait may have, as their tenants have all that they may.</summary>
    private bool TryTakePlaceBesideWaiters(Tenant tenant)
    {
        if (Running >= runsMax) return false;
        lock (_lock)
        {
            Dispatch_NeedsLock();
            if (tenant.InLine is not null) return false;
            for (var state = Interlocked.Read(ref _state); (int)state < runsMax;)
            {
                var seen = Interlocked.CompareExchange(ref _state, state + 1, state);
                if (seen == state) return true;
                state = seen;
            }
            return false;
        }
    }

    private void Free(Tenant tenant, bool isLong)
    {
        // Before the look at those that wait: whoever begins to wait after it finds what was given back.
        GiveBack(tenant, isLong);
        for (var state = Interlocked.Read(ref _state); state < OneWaiting;)
        {
            var seen = Interlocked.CompareExchange(ref _state, state - 1, state);
            if (seen == state) return;
            state = seen;
        }
        lock (_lock)
        {
            Interlocked.Decrement(ref _state);
            Dispatch_NeedsLock();
        }
    }

    /// <summary>Takes one of the tenant's places, and one of those for long requests.</summary>
    /// <remarks>Two that take the last one at the same moment may both fail; both wait then, and one of them gets it there, under the lock.</remarks>
    private bool TryTake(Tenant tenant, int runsOfTenantMax, bool isLong)
    {
        if (!tenant.TryTake(runsOfTenantMax)) return false;
        if (!isLong || Interlocked.Increment(ref _long) <= _longMax) return true;
        GiveBack(tenant, isLong);
        return false;
    }

    private void GiveBack(Tenant tenant, bool isLong)
    {
        tenant.GiveBack();
        if (isLong) Interlocked.Decrement(ref _long);
    }

    /// <summary>Gives free places to those that wait.</summary>
    private void Dispatch_NeedsLock()
    {
        // Nobody enters past those that wait, so places only become free meanwhile, and who frees one comes here.
        while ((int)Interlocked.Read(ref _state) < runsMax && TakeNext_NeedsLock(out var tag) is { } waiter)
        {
            Interlocked.Add(ref _state, 1 - OneWaiting);
            waiter.HasTurn = true;
            waiter.Source.TrySetResult(Begin(waiter.Tenant, waiter.Weight, tag, waiter.IsLong));
        }
    }

    private Waiter? TakeNext_NeedsLock(out long tag)
    {
        Waiter? found = null;
        while (_next.TryDequeue(out var place, out tag))
        {
            var tenant = place.Tenant;
            if (tenant.InLine != place) continue;
            if (tenant.VirtualTime > tag)
            {
                // Its former requests took longer than was known when it lined up.
                _next.Enqueue(place, tenant.VirtualTime);
                continue;
            }
            if (tenant.Waiters.Peek() is var first && !TryTake(tenant, first.RunsOfTenantMax, first.IsLong))
            {
                _passedOver.Add((place, tag));
                continue;
            }
            found = tenant.Waiters.Dequeue();
            tenant.CountWaiters_NeedsLock();
            if (tenant.Waiters.Count > 0) _next.Enqueue(place, tag + tenant.Expected(found.Weight));
            else tenant.InLine = null;
            break;
        }
        foreach (var (place, old) in _passedOver) _next.Enqueue(place, old);
        _passedOver.Clear();
        return found;
    }

    private async ValueTask<Turn> WaitAsync(Tenant tenant, QueueLimits limits, TimeSpan timeout, bool isLong, CancellationToken cancellationToken)
    {
        var waiter = new Waiter(tenant, limits.Weight, limits.RunsMax, isLong);
        lock (_lock)
        {
            // Counted before anybody can leave without seeing it; who left before has freed a place that is found here.
            var waiting = (Interlocked.Add(ref _state, OneWaiting) >> 32) - 1;
            tenant.Waiters.Enqueue(waiter);
            tenant.CountWaiters_NeedsLock();
            if (tenant.InLine is null)
            {
                tenant.InLine = new Place(tenant);
                _next.Enqueue(tenant.InLine, Math.Max(tenant.VirtualTime, Interlocked.Read(ref _virtualTime)));
            }
            Dispatch_NeedsLock();
            if (!waiter.HasTurn)
            {
                var refusal = !limits.IsBegun && waiting >= waitingMax ? Refusal.Full
                    : !limits.IsBegun && tenant.Waiters.Count > limits.WaitingMax ? Refusal.TenantFull
                    : timeout < ExpectedWait_NeedsLock(tenant, limits.RunsMax) ? Refusal.TooLate
                    : Refusal.None;
                if (refusal != Refusal.None)
                {
                    Withdraw_NeedsLock(waiter);
                    return Refuse(refusal, Soon);
                }
            }
        }

        using var registration = cancellationToken.UnsafeRegister(static (state, token) => ((Waiter)state!).Source.TrySetCanceled(token), waiter);
        using var alarm = timeout < TimeSpan.FromDays(1)
            ? clock.CreateTimer(static state => ((Waiter)state!).Source.TrySetResult(new Turn(Refusal.TooLate, Soon)), waiter, timeout, Timeout.InfiniteTimeSpan)
            : null;
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
        if (turn.Refusal == Refusal.None) return turn;
        Abandon(waiter);
        return Refuse(turn.Refusal, turn.RetryAfter);
    }

    private Turn Refuse(Refusal reason, TimeSpan retryAfter)
    {
        _refusals.Add((int)reason, 1);
        return new Turn(reason, retryAfter);
    }

    /// <summary>A waiter went away: its place in the queue is free at once, and a turn that had come goes to the next one.</summary>
    private void Abandon(Waiter waiter)
    {
        lock (_lock)
        {
            if (!waiter.HasTurn)
            {
                Withdraw_NeedsLock(waiter);
                return;
            }
        }
        Free(waiter.Tenant, waiter.IsLong);
    }

    private void Withdraw_NeedsLock(Waiter waiter)
    {
        var tenant = waiter.Tenant;
        tenant.Waiters = new Queue<Waiter>(tenant.Waiters.Where(other => other != waiter));
        tenant.CountWaiters_NeedsLock();
        // Its place in the line would give it credit for the time until it comes again.
        if (tenant.Waiters.Count == 0) tenant.InLine = null;
        Interlocked.Add(ref _state, -OneWaiting);
        // It may have stood in the way of a shorter one of its tenant.
        Dispatch_NeedsLock();
    }

    /// <param name="tag">The virtual time from which on the tenant pays: when it lined up, or now.</param>
    private Turn Begin(Tenant tenant, double weight, long tag, bool isLong)
    {
        var start = tenant.Start(tag, weight);
        for (var now = Interlocked.Read(ref _virtualTime); now < start;)
        {
            var seen = Interlocked.CompareExchange(ref _virtualTime, start, now);
            if (seen == now) break;
            now = seen;
        }
        var began = clock.GetTimestamp();
        tenant.SeenAt = began;
        if (clock.GetElapsedTime(Interlocked.Read(ref _countedAt), began) > Look) CountTenants(began);
        return new Turn(tenant, isLong, began);
    }

    /// <summary>What holds while others ask, too.</summary>
    private QueueLimits Of(in QueueLimits limits) =>
        limits.RunsMaxBesideOthers > 0 && _isShared && (limits.RunsMax == 0 || limits.RunsMax > limits.RunsMaxBesideOthers) ? limits with { RunsMax = limits.RunsMaxBesideOthers } : limits;

    /// <summary>Sees whether more than one tenant had a turn lately.</summary>
    private void CountTenants(long now)
    {
        Interlocked.Exchange(ref _countedAt, now);
        var count = 0;
        foreach (var (_, tenant) in _tenants)
            if ((tenant.IsThere || clock.GetElapsedTime(tenant.SeenAt, now) < Lately) && ++count > 1) break;
        _isShared = count > 1;
    }

    // Everybody who waits gets a turn before the tenant's last one, as many as it has itself; what each takes is as long as was seen.
    private TimeSpan ExpectedWait_NeedsLock(Tenant tenant, int runsOfTenantMax)
    {
        double ticks = 0;
        var own = tenant.Waiters.Count;
        foreach (var (place, _) in _next.UnorderedItems)
            if (place.Tenant.InLine == place) ticks += Math.Min(own, place.Tenant.Waiters.Count) * place.Tenant.MeanTicks;
        ticks /= runsMax;
        if (runsOfTenantMax > 0) ticks = Math.Max(ticks, own * tenant.MeanTicks / runsOfTenantMax);
        return TimeSpan.FromSeconds(ticks / clock.TimestampFrequency);
    }

    private Tenant Add(string tenantId)
    {
        if (_tenants.Count >= TenantsKept)
        {
            // Who is not ahead of the others would begin like a new one.
            var now = Interlocked.Read(ref _virtualTime);
            foreach (var (name, tenant) in _tenants)
                if (tenant.IsForgettable(now, clock.GetTimestamp())) _tenants.TryRemove(name, out _);
        }
        return _tenants.GetOrAdd(tenantId, static _ => new Tenant());
    }

    /// <summary>A tenant's place in the line; another one when it lines up again.</summary>
    internal sealed class Place(Tenant tenant)
    {
        public Tenant Tenant => tenant;
    }

    /// <summary>A request that waits. Its flag is guarded by the lock.</summary>
    internal sealed class Waiter(Tenant tenant, double weight, int runsOfTenantMax, bool isLong)
    {
        public TaskCompletionSource<Turn> Source { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Tenant Tenant => tenant;

        public double Weight => weight;

        public int RunsOfTenantMax => runsOfTenantMax;

        public bool IsLong => isLong;

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
        private long _seenAt = long.MinValue / 2;
        private int _running;
        private int _inLines;
        private int _waiters;

        /// <summary>Its requests that wait in the queue, for anybody to read.</summary>
        internal int WaitersCount => Volatile.Read(ref _waiters);

        /// <summary>Its requests that wait, in the queue or in lines; who leads a line is in both.</summary>
        internal int Waiting => Math.Max(WaitersCount, Volatile.Read(ref _inLines));

        /// <summary>It waits for a turn, or has one.</summary>
        internal bool IsThere => WaitersCount > 0 || Volatile.Read(ref _running) > 0;

        internal void CountWaiters_NeedsLock() => Volatile.Write(ref _waiters, Waiters.Count);

        /// <summary>When its last turn began.</summary>
        internal long SeenAt
        {
            get => Interlocked.Read(ref _seenAt);
            set => Interlocked.Exchange(ref _seenAt, value);
        }

        internal int JoinLine() => Interlocked.Increment(ref _inLines);

        internal void LeaveLine() => Interlocked.Decrement(ref _inLines);

        // Guarded by the lock of the queue.
        internal Place? InLine { get; set; }

        internal Queue<Waiter> Waiters { get; set; } = new();

        internal double MeanTicks => Interlocked.Read(ref _meanTicks);

        internal bool IsForgettable(long virtualNow, long now) =>
            Interlocked.Read(ref _virtualTime) <= virtualNow && InLine is null && Volatile.Read(ref _running) == 0 && Volatile.Read(ref _inLines) == 0 && Interlocked.Read(ref _rateTime) <= now;

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

        /// <summary>Takes one of the tenant's own places.</summary>
        internal bool TryTake(int runsMax)
        {
            if (runsMax == 0)
            {
                Interlocked.Increment(ref _running);
                return true;
            }
            // Never above, not even for a moment: others would take it for full, and pass those by that wait.
            for (var running = Volatile.Read(ref _running); running < runsMax;)
            {
                var seen = Interlocked.CompareExchange(ref _running, running + 1, running);
                if (seen == running) return true;
                running = seen;
            }
            return false;
        }

        internal void GiveBack() => Interlocked.Decrement(ref _running);

        /// <summary>Counts a run that took so long.</summary>
        internal void Charge(long ticks)
        {
            if (ticks == 0) return;
            Interlocked.Add(ref _virtualTime, ticks * 1_000 / Math.Max(1, Interlocked.Read(ref _weightMillis)));
            var mean = Interlocked.Read(ref _meanTicks);
            // A change that is lost in a race matters little.
            Interlocked.Exchange(ref _meanTicks, mean == 0 ? ticks : (long)(mean + (Smoothing * (ticks - mean))));
        }

        /// <summary>Zero when the request may pass; otherwise when one may.</summary>
        internal TimeSpan TakeFromRate(double perSecond, TimeProvider clock) => CellRate.Take(ref _rateTime, perSecond, clock);
    }
}
