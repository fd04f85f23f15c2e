namespace Atoll.Serving;

/// <summary>Something that takes room and can be evicted; keeps its places in the queues of an <see cref="EvictionPolicy"/>.</summary>
internal abstract class Evictable
{
    private const byte UsesMax = 3;

    private byte _uses;

    /// <summary>Who pays for the room.</summary>
    public abstract string Tenant { get; }

    /// <summary>Names it also when it is gone.</summary>
    public abstract ulong Fingerprint { get; }

    public abstract long Bytes { get; }

    internal EvictionLinks ByAge;
    internal EvictionLinks OfTenant;
    internal bool IsMain;

    internal bool IsUsed => Volatile.Read(ref _uses) > 0;

    /// <summary>It was used. Called without a lock by many threads: a use that is lost in a race matters to nobody.</summary>
    public void Touch()
    {
        var uses = Volatile.Read(ref _uses);
        if (uses < UsesMax) Volatile.Write(ref _uses, (byte)(uses + 1));
    }

    internal void Forgive()
    {
        var uses = Volatile.Read(ref _uses);
        if (uses > 0) Volatile.Write(ref _uses, (byte)(uses - 1));
    }

    internal void Forget() => Volatile.Write(ref _uses, 0);
}

/// <summary>The neighbours of an item in a queue.</summary>
internal struct EvictionLinks
{
    public Evictable? Older;
    public Evictable? Newer;
}

/// <summary>Decides what makes room. Pure bookkeeping in memory; the caller holds a lock.</summary>
/// <remarks>
/// Three queues, first in first out (S3-FIFO; Yang et al., SOSP 2023): what is new waits in a small one, and moves to the main one only if it was used
/// again meanwhile, so a sweep over many cold models passes through without touching what is used. What left the small queue and comes back soon
/// goes to the main one at once. A use costs one byte written, nothing else. On top: a tenant has a ceiling, within which it makes room among its own, and a
/// guaranteed minimum below which others cannot push it.
/// </remarks>
internal sealed class EvictionPolicy
{
    private const double SmallShare = 0.05;

    // Bounds of the time under the lock. Passing over a used item costs it a use, so most calls end after a few; protected ones cost
    // nothing and stay.
    private const int PassesMax = 4_096;
    private const int ProtectedMax = 128;
    private const int GhostsMin = 1_024;

    private readonly Dictionary<string, Share> _shares = new(StringComparer.Ordinal);
    private readonly SortedSet<Share> _bySize = new(Comparer<Share>.Create(static (a, b) => a.Line.Bytes != b.Line.Bytes ? a.Line.Bytes.CompareTo(b.Line.Bytes) : string.CompareOrdinal(a.Tenant, b.Tenant)));
    private readonly HashSet<ulong> _ghosts = [];
    private readonly Queue<ulong> _ghostsByAge = new();
    private Line _small;
    private Line _main;

    public int Count { get; private set; }

    /// <summary>Bytes of all items.</summary>
    public long Bytes => _small.Bytes + _main.Bytes;

    public long BytesOf(string tenant) => _shares.TryGetValue(tenant, out var share) ? share.Line.Bytes : 0;

    /// <summary>What was used more than once, latest first.</summary>
    public List<Evictable> Used(int countMax)
    {
        var found = new List<Evictable>();
        for (var item = _main.Newest; item is not null && found.Count < countMax; item = item.ByAge.Older) found.Add(item);
        for (var item = _small.Newest; item is not null && found.Count < countMax; item = item.ByAge.Older)
            if (item.IsUsed) found.Add(item);
        return found;
    }

    public void Add(Evictable item)
    {
        item.IsMain = _ghosts.Remove(item.Fingerprint);
        (item.IsMain ? ref _main : ref _small).Add(item, ofTenant: false);
        if (!_shares.TryGetValue(item.Tenant, out var share)) _shares[item.Tenant] = share = new Share(item.Tenant);
        else _bySize.Remove(share);
        share.Line.Add(item, ofTenant: true);
        _bySize.Add(share);
        Count++;
    }

    public void Remove(Evictable item)
    {
        (item.IsMain ? ref _main : ref _small).Remove(item, ofTenant: false);
        var share = _shares[item.Tenant];
        _bySize.Remove(share);
        share.Line.Remove(item, ofTenant: true);
        if (share.Line.Oldest is null) _shares.Remove(item.Tenant);
        else _bySize.Add(share);
        Count--;
    }

    /// <summary>Evicts one item to make room for another one.</summary>
    /// <param name="tenant">For whom.</param>
    /// <param name="minimum">Bytes that each tenant may keep whatever others need.</param>
    /// <param name="tryEvict">False when the item is in use.</param>
    /// <returns>Whether something was evicted.</returns>
    public bool EvictFor(string tenant, long minimum, Func<Evictable, bool> tryEvict)
    {
        var isWithinMinimum = BytesOf(tenant) <= minimum;
        var spared = 0;
        for (var pass = 0; pass < PassesMax && spared < ProtectedMax; pass++)
        {
            var fromSmall = _small.Oldest is not null && (_main.Oldest is null || _small.Bytes > SmallShare * Bytes);
            var item = fromSmall ? _small.Oldest : _main.Oldest;
            if (item is null) return false;
            if (item.IsUsed)
            {
                // Used while it waited: it has proved itself, or goes round once more.
                if (fromSmall) item.Forget();
                else item.Forgive();
                Move(item, toMain: true);
            }
            else if (item.Tenant != tenant && BytesOf(item.Tenant) <= minimum)
            {
                spared++;
                Move(item, item.IsMain);
            }
            else if (Evict(item, tryEvict))
            {
                return true;
            }
            else
            {
                // In use at this moment.
                spared++;
                Move(item, toMain: true);
            }
        }
        // All that was seen is protected or in use. The tenant with the most gives; where nobody has more than the minimum, those below it may take from anybody.
        if (_bySize.Max is { } largest && largest.Line.Bytes > minimum && EvictOf(largest.Tenant, tryEvict)) return true;
        return EvictOf(tenant, tryEvict) || (isWithinMinimum && EvictAny(tryEvict));
    }

    /// <summary>Evicts one item of the tenant.</summary>
    public bool EvictOf(string tenant, Func<Evictable, bool> tryEvict)
    {
        if (!_shares.TryGetValue(tenant, out var share)) return false;
        for (var pass = 0; pass < 2 * PassesMax; pass++)
        {
            // Where all are used a lot, the oldest goes in the end.
            var item = share.Line.Oldest!;
            if ((!item.IsUsed || pass >= PassesMax) && Evict(item, tryEvict)) return true;
            item.Forgive();
            share.Line.Remove(item, ofTenant: true);
            share.Line.Add(item, ofTenant: true);
        }
        return false;
    }

    private bool EvictAny(Func<Evictable, bool> tryEvict)
    {
        for (var pass = 0; pass < PassesMax; pass++)
        {
            var item = _small.Oldest ?? _main.Oldest;
            if (item is null) return false;
            if (Evict(item, tryEvict)) return true;
            Move(item, toMain: true);
        }
        return false;
    }

    private bool Evict(Evictable item, Func<Evictable, bool> tryEvict)
    {
        if (!tryEvict(item)) return false;
        Remove(item);
        if (!item.IsMain && _ghosts.Add(item.Fingerprint))
        {
            _ghostsByAge.Enqueue(item.Fingerprint);
            while (_ghostsByAge.Count > Math.Max(GhostsMin, Count)) _ghosts.Remove(_ghostsByAge.Dequeue());
        }
        return true;
    }

    private void Move(Evictable item, bool toMain)
    {
        (item.IsMain ? ref _main : ref _small).Remove(item, ofTenant: false);
        item.IsMain = toMain;
        (toMain ? ref _main : ref _small).Add(item, ofTenant: false);
    }

    /// <summary>The items of a tenant.</summary>
    private sealed class Share(string tenant)
    {
        public string Tenant => tenant;

        public Line Line;
    }

    /// <summary>A queue of items that keep their own links.</summary>
    private struct Line
    {
        public Evictable? Oldest;
        public Evictable? Newest;
        public long Bytes;

        public void Add(Evictable item, bool ofTenant)
        {
            ref var links = ref LinksOf(item, ofTenant);
            links = new EvictionLinks { Older = Newest };
            if (Newest is { } before) LinksOf(before, ofTenant).Newer = item;
            else Oldest = item;
            Newest = item;
            Bytes += item.Bytes;
        }

        public void Remove(Evictable item, bool ofTenant)
        {
            ref var links = ref LinksOf(item, ofTenant);
            if (links.Older is { } older) LinksOf(older, ofTenant).Newer = links.Newer;
            else Oldest = links.Newer;
            if (links.Newer is { } newer) LinksOf(newer, ofTenant).Older = links.Older;
            else Newest = links.Older;
            links = default;
            Bytes -= item.Bytes;
        }

        private static ref EvictionLinks LinksOf(Evictable item, bool ofTenant) => ref ofTenant ? ref item.OfTenant : ref item.ByAge;
    }
}
