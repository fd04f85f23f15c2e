using Atoll.Contracts;
using Atoll.Serving.Onnx;

namespace Atoll.Serving;

/// <summary>A loaded model with a count of its leases. It frees its session when it is retired and the last lease ended.</summary>
internal sealed class CachedModel(ModelCache cache, ModelKey key, OnnxSession session, ModelSignature signature, long bytes, string? graphDigest, int leases) : Evictable
{
    // The count of leases, and this flag once nobody may lease it any more.
    private const int Retired = 1 << 30;

    private int _state = leases;

    public ModelKey Key { get; } = key;

    public OnnxSession Session { get; } = session;

    public ModelSignature Signature { get; } = signature;

    /// <summary>Native memory that the cache counts for this model.</summary>
    public override long Bytes { get; } = bytes;

    /// <summary>It stays, whatever others need. Guarded by the lock of the cache.</summary>
    public bool IsPinned { get; set; }

    public override string Tenant => Key.Tenant;

    public override ulong Fingerprint => ((ulong)(uint)Key.Digest.GetHashCode(StringComparison.Ordinal) << 32) | (uint)Key.Tenant.GetHashCode(StringComparison.Ordinal);

    public bool TryLease()
    {
        var state = Volatile.Read(ref _state);
        while ((state & Retired) == 0)
        {
            var seen = Interlocked.CompareExchange(ref _state, state + 1, state);
            if (seen == state) return true;
            state = seen;
        }
        return false;
    }

    public void Release()
    {
        var state = Interlocked.Decrement(ref _state);
        if (state == Retired)
        {
            Free();
        }
        else if (state < 0 || (state & ~Retired) > Retired / 2)
        {
            // Below zero, or below the flag, which borrowed from it.
            Interlocked.Increment(ref _state);
            throw new InvalidOperationException($"A lease of model {Key} was disposed twice.");
        }
    }

    /// <summary>Frees the model unless it is leased.</summary>
    public bool TryEvict()
    {
        if (Interlocked.CompareExchange(ref _state, Retired, 0) != 0) return false;
        Free();
        return true;
    }

    /// <summary>Lets nobody lease the model any more and frees it when the last lease ends.</summary>
    public void Retire()
    {
        if (Interlocked.Or(ref _state, Retired) == 0) Free();
    }

    private void Free()
    {
        Session.Dispose();
        cache.ReportFreed(Key, Bytes, graphDigest);
    }
}
