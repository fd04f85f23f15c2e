namespace Atoll.Serving;

/// <summary>Lets a bounded number of models be loaded at the same time: requests before prefetches, and tenants in turn.</summary>
/// <remarks>A tenant that sweeps over many cold models fills its own queue, not that of others.</remarks>
internal sealed class LoadLane(int loadsMax, int waitingMax, int waitingOfTenantMax)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _waitingByTenant = new(StringComparer.Ordinal);
    private readonly Turns _urgent = new();
    private readonly Turns _others = new();
    private int _running;
    private int _waiting;

    /// <summary>One that waits for its turn.</summary>
    public sealed class Place(string tenant)
    {
        public string Tenant => tenant;

        internal TaskCompletionSource Turn { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal bool IsUrgent { get; set; }

        internal bool IsGone { get; set; }
    }

    /// <summary>A place in the lane; <see cref="TurnOf"/> completes when it is its turn. Every place is given back once by <see cref="Leave"/>.</summary>
    /// <exception cref="ModelCacheFullException">Too many wait already.</exception>
    public Place Enter(string tenant, bool isUrgent)
    {
        lock (_lock)
        {
            var place = new Place(tenant) { IsUrgent = isUrgent };
            if (_running < loadsMax)
            {
                _running++;
                place.Turn.SetResult();
                return place;
            }
            var ofTenant = _waitingByTenant.GetValueOrDefault(tenant);
            if (_waiting >= waitingMax) throw new ModelCacheFullException($"{_waiting} models wait to be loaded already. Try again later.");
            if (ofTenant >= waitingOfTenantMax) throw new ModelCacheFullException($"{ofTenant} models of the tenant wait to be loaded already.", ofTenant: true);
            _waiting++;
            _waitingByTenant[tenant] = ofTenant + 1;
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
                Forget_NeedsLock(place);
                return;
            }
            while ((_urgent.Take() ?? _others.Take()) is { } next)
            {
                if (next.IsGone || next.Turn.Task.IsCompleted) continue;
                Forget_NeedsLock(next);
                next.Turn.SetResult();
                return;
            }
            _running--;
        }
    }

    private void Forget_NeedsLock(Place place)
    {
        _waiting--;
        if (--System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrNullRef(_waitingByTenant, place.Tenant) == 0) _waitingByTenant.Remove(place.Tenant);
    }

    /// <summary>Places by tenant; each tenant that waits gets one turn before any gets a second.</summary>
    private sealed class Turns
    {
        private readonly Dictionary<string, Queue<Place>> _places = new(StringComparer.Ordinal);
        private readonly Queue<string> _tenants = new();

        public void Add(Place place)
        {
            if (!_places.TryGetValue(place.Tenant, out var places))
            {
                _places[place.Tenant] = places = new Queue<Place>();
                _tenants.Enqueue(place.Tenant);
            }
            places.Enqueue(place);
        }

        public Place? Take()
        {
            if (!_tenants.TryDequeue(out var tenant)) return null;
            var places = _places[tenant];
            var place = places.Dequeue();
            if (places.Count > 0) _tenants.Enqueue(tenant);
            else _places.Remove(tenant);
            return place;
        }
    }
}
