namespace Atoll.Serving;

/// <summary>What a tenant may take of a <see cref="LoadLane"/>.</summary>
/// <param name="AtOnceMax">Models that are loaded at the same time; further ones wait, even when nobody else loads.</param>
/// <param name="WaitingMax">Loads that may wait for their turn; one more is refused at once.</param>
/// <param name="PerSecondMax">Loads a second that somebody waits for, with bursts of one second's worth; 0 for any number.</param>
internal readonly record struct TenantLoads(int AtOnceMax = int.MaxValue, int WaitingMax = int.MaxValue, double PerSecondMax = 0)
{
    public static TenantLoads Any => new(int.MaxValue);
}

/// <summary>Lets a bounded number of models be loaded at the same time: requests before prefetches, and tenants in turn.</summary>
/// <remarks>A tenant that sweeps over many cold models fills its own queue, not that of others.</remarks>
internal sealed class LoadLane(int loadsMax, int waitingMax, TimeProvider clock)
{
    private const int TenantsKept = 4_096;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Tenant> _tenants = new(StringComparer.Ordinal);
    private readonly Turns _urgent = new();
    private readonly Turns _others = new();
    private int _running;
    private int _waiting;

    /// <summary>One that waits for its turn.</summary>
    public sealed class Place
    {
        internal Place(Tenant tenant) => Tenant = tenant;

        internal Tenant Tenant { get; }

        internal TaskCompletionSource Turn { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal bool IsUrgent { get; set; }

        internal bool IsGone { get; set; }
    }

    /// <summary>A place in the lane; <see cref="TurnOf"/> completes when it is its turn. Every place is given back once by <see cref="Leave"/>.</summary>
    /// <exception cref="ModelCacheFullException">Too many wait already, or the tenant loads too often.</exception>
    public Place Enter(string tenantId, bool isUrgent, TenantLoads limits)
    {
        lock (_lock)
        {
            var tenant = TenantOf_NeedsLock(tenantId);
            tenant.AtOnceMax = Math.Max(1, limits.AtOnceMax);
            var place = new Place(tenant) { IsUrgent = isUrgent };
            var isWaiting = _running >= loadsMax || tenant.IsFull;
            if (isWaiting && _waiting >= waitingMax) throw new ModelCacheFullException($"{_waiting} models wait to be loaded already. Try again later.");
            if (isWaiting && tenant.Waiting >= limits.WaitingMax)
                throw new ModelCacheFullException($"{tenant.Waiting} models of the tenant wait to be loaded already.", ModelCacheLimit.TenantLoadsWaiting);

            // What nobody waits for was decided by the platform, and comes last anyway.
            if (isUrgent && limits.PerSecondMax > 0 && tenant.TakeFromRate(limits.PerSecondMax, clock) is { Ticks: > 0 } later)
                throw new ModelCacheFullException($"The tenant has more than {limits.PerSecondMax} models loaded a second.", ModelCacheLimit.TenantLoadRate) { RetryAfter = later };
            if (!isWaiting)
            {
                Begin_NeedsLock(place);
                return place;
            }
            _waiting++;
            tenant.Waiting++;
            (isUrgent ? _urgent : _others).Add(place);
            return place;
        }
    }

    public static Task TurnOf(Place place) => place.Turn.Task;

    /// <summary>Somebody waits for what was a prefetch.</summary>
    public void Hurry(Place place)
    {
        lock (_lock)
        {
            if (place.IsUrgent || place.Turn.Task.IsCompleted) return;
            // The old entry is passed over when its turn comes.
            place.IsUrgent = true;
            _urgent.Add(place);
        }
    }

    /// <summary>The load ended, or is not wanted any more.</summary>
    public void Leave(Place place)
    {
        lock (_lock)
        {
            if (!place.Turn.Task.IsCompleted)
            {
                place.IsGone = true;
                _waiting--;
                place.Tenant.Waiting--;
            }
            else
            {
                _running--;
                place.Tenant.Running--;
            }
            while (_running < loadsMax && (_urgent.Take() ?? _others.Take()) is { } next)
            {
                _waiting--;
                next.Tenant.Waiting--;
                Begin_NeedsLock(next);
            }
        }
    }

    private void Begin_NeedsLock(Place place)
    {
        _running++;
        place.Tenant.Running++;
        place.Turn.SetResult();
    }

    private Tenant TenantOf_NeedsLock(string id)
    {
        if (_tenants.TryGetValue(id, out var known)) return known;
        if (_tenants.Count >= TenantsKept)
        {
            var now = clock.GetTimestamp();
            foreach (var (name, tenant) in _tenants)
                if (tenant.IsForgettable(now)) _tenants.Remove(name);
        }
        return _tenants[id] = new Tenant();
    }

    /// <summary>What a tenant loads. Guarded by the lock.</summary>
    internal sealed class Tenant
    {
        private long _due;

        public int AtOnceMax { get; set; }

        public int Running { get; set; }

        public int Waiting { get; set; }

        public bool IsFull => Running >= AtOnceMax;

        public bool IsForgettable(long now) => Running == 0 && Waiting == 0 && _due <= now;

        public TimeSpan TakeFromRate(double perSecond, TimeProvider clock) => CellRate.Take(ref _due, perSecond, clock);
    }

    /// <summary>Places by tenant; each tenant that waits gets one turn before any gets a second.</summary>
    private sealed class Turns
    {
        private readonly Dictionary<Tenant, Queue<Place>> _places = [];
        private readonly Queue<Tenant> _tenants = new();

        public void Add(Place place)
        {
            if (!_places.TryGetValue(place.Tenant, out var places))
            {
                _places[place.Tenant] = places = new Queue<Place>();
                _tenants.Enqueue(place.Tenant);
            }
            places.Enqueue(place);
        }

        /// <summary>The next that may begin; null when there is none.</summary>
        public Place? Take()
        {
            for (var left = _tenants.Count; left > 0; left--)
            {
                var tenant = _tenants.Dequeue();
                var places = _places[tenant];
                while (places.TryPeek(out var first) && (first.IsGone || first.Turn.Task.IsCompleted)) places.Dequeue();
                var place = tenant.IsFull || places.Count == 0 ? null : places.Dequeue();
                if (places.Count > 0) _tenants.Enqueue(tenant);
                else _places.Remove(tenant);
                if (place is not null) return place;
            }
            return null;
        }
    }
}
