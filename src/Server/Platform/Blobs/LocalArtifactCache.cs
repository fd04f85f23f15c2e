using System.Security.Cryptography;
using Atoll.Serving;

namespace Atoll.Platform.Blobs;

/// <summary>Opens an artifact where it is kept for good, far away.</summary>
internal delegate Task<Stream> ArtifactReader(string tenantId, string digest, CancellationToken cancellationToken);

/// <summary>
/// Copies of artifacts on this machine's disk, within a budget of bytes: the tier between memory and a blob store that is far away. A blob store in local
/// files needs none, a copy beside it would be waste.
/// </summary>
/// <remarks>
/// Copies are named by their digest and compared with it when this process reads them first, so a crash in the midst of a write, or a disk that forgets, costs
/// another fetch and never a wrong byte. What leaves is decided like in memory (<see cref="EvictionPolicy"/>): a sweep over cold models does not push out what is used.
/// </remarks>
internal sealed partial class LocalArtifactCache
{
    private const string Unfinished = ".tmp";

    private readonly string _folder;
    private readonly long _bytesMax;
    private readonly ArtifactReader _read;
    private readonly ILogger<LocalArtifactCache> _logger;
    private readonly Lock _lock = new();
    private readonly EvictionPolicy _policy = new();
    private readonly Dictionary<(string TenantId, string Digest), Copy> _copies = [];
    private readonly Dictionary<(string TenantId, string Digest), Task<byte[]>> _fetches = [];
    private long _bytes;

    /// <param name="folder">Its own; what is there from before is used again.</param>
    public LocalArtifactCache(string folder, long bytesMax, ArtifactReader read, ILogger<LocalArtifactCache> logger)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytesMax);
        (_folder, _bytesMax, _read, _logger) = (Directory.CreateDirectory(folder).FullName, bytesMax, read, logger);
        foreach (var file in new DirectoryInfo(_folder).EnumerateFiles("*", SearchOption.AllDirectories).OrderBy(file => file.LastWriteTimeUtc).ToList())
        {
            if (file.Name.EndsWith(Unfinished, StringComparison.Ordinal)) file.Delete();
            else Add_NeedsLock(new Copy(file.Directory!.Name, file.Name, file.FullName, file.Length));
        }
        lock (_lock) MakeRoom_NeedsLock("", 0);
    }

    /// <summary>Bytes of all copies, those being written included.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>The whole artifact; from the disk when it is there.</summary>
    /// <exception cref="BlobCorruptException">The store gave other bytes than the digest names.</exception>
    public async Task<byte[]> ReadAllAsync(string tenantId, string digest, CancellationToken cancellationToken)
    {
        var key = (tenantId, digest);
        if (await ReadCopyAsync(key, cancellationToken) is { } kept) return kept;
        Task<byte[]>? fetch;
        lock (_lock)
        {
            // It goes on when its first caller gives up: others may wait for it, and the copy is worth having.
            if (!_fetches.TryGetValue(key, out fetch)) _fetches[key] = fetch = Task.Run(() => FetchAsync(key), CancellationToken.None);
        }
        return await fetch.WaitAsync(cancellationToken);
    }

    /// <summary>Removes every copy of a tenant.</summary>
    public void Forget(string tenantId)
    {
        lock (_lock)
        {
            foreach (var copy in _copies.Values.Where(copy => copy.Tenant == tenantId).ToList()) Remove_NeedsLock(copy);
        }
    }

    private async Task<byte[]?> ReadCopyAsync((string TenantId, string Digest) key, CancellationToken cancellationToken)
    {
        Copy? copy;
        lock (_lock)
        {
            if (!_copies.TryGetValue(key, out copy)) return null;
            copy.Touch();
        }
        try
        {
            var bytes = await File.ReadAllBytesAsync(copy.Path, cancellationToken);
            if (copy.IsVerified) return bytes;
            if (Convert.ToHexStringLower(SHA256.HashData(bytes)) == key.Digest)
            {
                copy.IsVerified = true;
                return bytes;
            }
            Log.Damaged(_logger, copy.Path);
        }
        catch (IOException failure) when (failure is FileNotFoundException or DirectoryNotFoundException)
        {
            // It left while we came.
        }
        lock (_lock)
        {
            if (_copies.TryGetValue(key, out var current) && current == copy) Remove_NeedsLock(copy);
        }
        return null;
    }

    private async Task<byte[]> FetchAsync((string TenantId, string Digest) key)
    {
        try
        {
            byte[] bytes;
            await using (var stream = await _read(key.TenantId, key.Digest, CancellationToken.None))
            {
                var content = new MemoryStream();
                await stream.CopyToAsync(content, CancellationToken.None);
                bytes = content.ToArray();
            }
            var actual = Convert.ToHexStringLower(SHA256.HashData(bytes));
            if (actual != key.Digest) throw new BlobCorruptException(key.Digest, actual);
            await KeepAsync(key, bytes);
            return bytes;
        }
        finally
        {
            lock (_lock) _fetches.Remove(key);
        }
    }

    private async Task KeepAsync((string TenantId, string Digest) key, byte[] bytes)
    {
        lock (_lock)
        {
            if (!MakeRoom_NeedsLock(key.TenantId, bytes.Length)) return;
            _bytes += bytes.Length;
        }
        var isKept = false;
        try
        {
            var copy = new Copy(key.TenantId, key.Digest, Path.Combine(_folder, key.TenantId, key.Digest), bytes.Length) { IsVerified = true };
            Directory.CreateDirectory(Path.GetDirectoryName(copy.Path)!);

            // Not flushed: what a power failure tears is found when it is read.
            await File.WriteAllBytesAsync(copy.Path + Unfinished, bytes);
            lock (_lock)
            {
                File.Move(copy.Path + Unfinished, copy.Path, overwrite: true);
                _bytes -= bytes.Length;
                Add_NeedsLock(copy);
                isKept = true;
            }
        }
        catch (IOException failure)
        {
            // The artifact is here all the same; only the next reader fetches it again.
            Log.NotKept(_logger, failure, key.Digest);
        }
        finally
        {
            if (!isKept)
            {
                lock (_lock) _bytes -= bytes.Length;
            }
        }
    }

    private bool MakeRoom_NeedsLock(string tenantId, long bytes)
    {
        if (bytes > _bytesMax) return false;
        while (_bytes + bytes > _bytesMax)
        {
            if (!_policy.EvictFor(tenantId, 0, item => Delete_NeedsLock((Copy)item))) return false;
        }
        return true;
    }

    private void Add_NeedsLock(Copy copy)
    {
        _copies[(copy.Tenant, copy.Digest)] = copy;
        _policy.Add(copy);
        _bytes += copy.Bytes;
    }

    private void Remove_NeedsLock(Copy copy)
    {
        _policy.Remove(copy);
        Delete_NeedsLock(copy);
    }

    private bool Delete_NeedsLock(Copy copy)
    {
        File.Delete(copy.Path);
        _copies.Remove((copy.Tenant, copy.Digest));
        _bytes -= copy.Bytes;
        return true;
    }

    /// <summary>A file that is a copy.</summary>
    private sealed class Copy(string tenantId, string digest, string path, long bytes) : Evictable
    {
        public string Digest => digest;

        public string Path => path;

        /// <summary>This process wrote it, or has compared it with its digest.</summary>
        public bool IsVerified { get; set; }

        public override string Tenant => tenantId;

        public override ulong Fingerprint => Convert.ToUInt64(digest[..16], 16);

        public override long Bytes => bytes;
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "The local copy {Path} is damaged; it is fetched again.")]
        public static partial void Damaged(ILogger logger, string path);

        [LoggerMessage(LogLevel.Warning, "The artifact {Digest} could not be kept on the local disk.")]
        public static partial void NotKept(ILogger logger, Exception failure, string digest);
    }
}
