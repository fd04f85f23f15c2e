using Atoll.Contracts;
using Atoll.Serving.Onnx;

namespace Atoll.Serving;

/// <summary>A loaded model with a count of its leases. It frees its session when it is retired and the last lease ended.</summary>
/// <param name="bytes">Native memory that its session takes.</param>
/// <param name="shared">Its form behind a shared session, which a hot model with a session of its own falls back to.</param>
internal sealed class CachedModel(
    ModelCache cache, ModelKey key, OnnxSession session, ModelSignature signature, long bytes, string? graphDigest, int leases, CachedModel? shared = null) : Evictable
{
    // The count of leases, and this flag once nobody may lease it any more.
    private const int Retired = 1 << 30;

    private int _state = leases;

    public ModelKey Key { get; } = key;

    public OnnxSession Session { get; } = session;

    public ModelSignature Signature { get; } = signature;

    /// <summary>What a hot model falls back to; null for all others.</summary>
    public CachedModel? Shared => shared;

    public bool IsSplit => graphDigest is not null;

    /// <summary>Native memory that the cache counts for this model.</summary>
    public override long Bytes => bytes + (shared?.Bytes ?? 0);

    /// <summary>What it takes when it is not hot.</summary>
    public long BytesWhenCool => shared?.Bytes ?? bytes;

    /// <summary>It stays, whatever others need. Guarded by the lock of the cache.</summary>
    public bool IsPinned { get; set; }

    /// <summary>Execution time that <see cref="HotModels"/> has seen already.</summary>
    public long HeatNanoseconds { get; set; }

    /// <summary>When it may be tried as a hot model again.</summary>
    public long NotHotBefore { get; set; } = long.MinValue;

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
        shared?.Retire();
        return true;
    }

    /// <summary>Lets nobody lease the model any more and frees it when the last lease ends.</summary>
    public void Retire()
    {
        RetireSession();
        shared?.Retire();
    }

    /// <summary>The same without what it falls back to.</summary>
    public void RetireSession()
    {
        if (Interlocked.Or(ref _state, Retired) == 0) Free();
    }

    private void Free()
    {
        Session.Dispose();
        cache.ReportFreed(Key, bytes, graphDigest);
    }
}
