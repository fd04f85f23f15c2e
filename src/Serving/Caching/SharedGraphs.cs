using Atoll.Serving.Splitting;

namespace Atoll.Serving;

/// <summary>The graphs that loaded models share: each is loaded with its first model and freed with its last.</summary>
internal sealed class SharedGraphs
{
    // A session of a small graph, measured; its few constants are a fraction of it.
    private const long SessionBytes = 64 * 1024;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    /// <summary>Graphs that are loaded.</summary>
    public int Count
    {
        get
        {
            lock (_lock) return _entries.Count;
        }
    }

    /// <summary>The graph of the pack, loaded once however many ask. Give it back by <see cref="Release"/>.</summary>
    /// <param name="reserve">Called with the graph's bytes before it is loaded; may throw when there is no room.</param>
    public SharedGraph Acquire(ServingPack pack, Action<long> reserve)
    {
        Entry? entry;
        var digest = pack.GraphDigest!;
        lock (_lock)
        {
            if (!_entries.TryGetValue(digest, out entry))
                _entries[digest] = entry = new Entry(SessionBytes + (2L * pack.Graph.Length));
            entry.Users++;
        }
        try
        {
            // Its own lock: others load other graphs meanwhile.
            lock (entry)
            {
                if (entry.Graph is { } loaded) return loaded;
                if (!entry.IsReserved) reserve(entry.Bytes);
                entry.IsReserved = true;
                return entry.Graph = SharedGraph.Load(pack.Graph);
            }
        }
        catch
        {
            Release(digest);
            throw;
        }
    }

    /// <summary>One model less uses the graph, which is freed with the last. Returns the bytes that need no reservation any more.</summary>
    public long Release(string digest)
    {
        Entry entry;
        lock (_lock)
        {
            entry = _entries[digest];
            if (--entry.Users > 0) return 0;
            _entries.Remove(digest);
        }
        entry.Graph?.Dispose();
        return entry.IsReserved ? entry.Bytes : 0;
    }

    /// <summary>A graph and how many models use it.</summary>
    private sealed class Entry(long bytes)
    {
        public long Bytes => bytes;

        public SharedGraph? Graph { get; set; }

        public bool IsReserved { get; set; }

        public int Users { get; set; }
    }
}
