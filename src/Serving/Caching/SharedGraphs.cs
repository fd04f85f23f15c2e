using Atoll.Serving.Splitting;

namespace Atoll.Serving;

/// <summary>The graphs that loaded models share: each is loaded with its first model and freed with its last.</summary>
/// <param name="reserve">Takes room for a graph, on the account of the tenant whose model needs it first; may throw when there is none.</param>
/// <param name="giveBack">The opposite.</param>
internal sealed class SharedGraphs(Action<ModelKey, long, ModelContent> reserve, Action<ModelKey, long> giveBack)
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
    public SharedGraph Acquire(ModelKey key, ModelContent content)
    {
        Entry? entry;
        var pack = content.Pack;
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
                if (entry.Payer is null)
                {
                    reserve(key, entry.Bytes, content);
                    entry.Payer = key;
                }
                return entry.Graph = SharedGraph.Load(pack.Graph);
            }
        }
        catch
        {
            Release(digest);
            throw;
        }
    }

    /// <summary>One model less uses the graph, which is freed with the last.</summary>
    public void Release(string digest)
    {
        Entry entry;
        lock (_lock)
        {
            entry = _entries[digest];
            if (--entry.Users > 0) return;
            _entries.Remove(digest);
        }
        entry.Graph?.Dispose();
        if (entry.Payer is { } payer) giveBack(payer, entry.Bytes);
    }

    /// <summary>A graph and how many models use it.</summary>
    private sealed class Entry(long bytes)
    {
        public long Bytes => bytes;

        public SharedGraph? Graph { get; set; }

        public ModelKey? Payer { get; set; }

        public int Users { get; set; }
    }
}
