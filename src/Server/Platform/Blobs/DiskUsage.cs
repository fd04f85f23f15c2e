using System.Collections.Concurrent;
using Atoll.Platform.Limits;

namespace Atoll.Platform.Blobs;

/// <summary>Counts the bytes that each tenant has in the blob store and in its logs of predictions, those being written included.</summary>
/// <remarks>A tenant's files are counted once, when it is first asked for; everything that changes them asks before it does.</remarks>
internal sealed class DiskUsage(DataFolder folder, Func<string, TenantLimits> limits)
{
    private readonly ConcurrentDictionary<string, Lazy<Count>> _counts = new();

    public long BytesOf(string tenantId) => Interlocked.Read(ref CountOf(tenantId).Bytes);

    /// <summary>Takes room for bytes that are about to be written.</summary>
    /// <exception cref="LimitReachedException">The tenant may not keep so many.</exception>
    public void Reserve(string tenantId, long bytes)
    {
        var most = limits(tenantId);
        var count = CountOf(tenantId);
        if (Interlocked.Add(ref count.Bytes, bytes) <= most.DiskBytesMax) return;
        Interlocked.Add(ref count.Bytes, -bytes);
        throw new LimitReachedException(LimitProblems.DiskFull(most));
    }

    /// <summary>Whether so many more bytes would be too many; nothing is taken.</summary>
    public bool IsTooMuch(string tenantId, long bytes) => BytesOf(tenantId) + bytes > limits(tenantId).DiskBytesMax;

    /// <summary>Gives room back: the bytes are gone, or were never kept.</summary>
    public void Release(string tenantId, long bytes) => Interlocked.Add(ref CountOf(tenantId).Bytes, -bytes);

    public void Forget(string tenantId) => _counts.TryRemove(tenantId, out _);

    // A count that failed is tried again; of several at once one is kept, before anybody changes a file.
    private Count CountOf(string tenantId) => _counts.GetOrAdd(tenantId, id => new Lazy<Count>(() => Read(id), LazyThreadSafetyMode.PublicationOnly)).Value;

    private Count Read(string tenantId)
    {
        var folders = new[] { folder.Blobs, folder.Predictions }.Select(root => new DirectoryInfo(Path.Combine(root, tenantId))).Where(path => path.Exists);
        return new Count { Bytes = folders.SelectMany(path => path.EnumerateFiles("*", SearchOption.AllDirectories)).Sum(file => file.Length) };
    }

    private sealed class Count
    {
        public long Bytes;
    }
}
