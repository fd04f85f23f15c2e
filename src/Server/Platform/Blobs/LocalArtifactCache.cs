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
    private readonly Dictionary<(string TenantId, string Digest), Fetch> _fetches = [];
    private long _bytes;
    private long _writes;

    /// <param name="folder">Its own; what is there from before is used again.</param>
    public LocalArtifactCache(string folder, long bytesMax, ArtifactReader read, ILogger<LocalArtifactCache> logger)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytesMax);
        (_folder, _bytesMax, _read, _logger) = (Directory.CreateDirectory(folder).FullName, bytesMax, read, logger);
        foreach (var file in new DirectoryInfo(_folder).EnumerateFiles("*", new EnumerationOptions { RecurseSubdirectories = true }).OrderBy(file => file.LastWriteTimeUtc).ToList())
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
        while (true)
        {
            Fetch? fetch = null;
            Copy? copy;
            lock (_lock)
            {
                // One look for both: a fetch that ends between two looks would be begun again, and its copy counted twice.
                if (_copies.TryGetValue(key, out copy)) copy.Touch();
                else if (!_fetches.TryGetValue(key, out fetch)) fetch = Begin_NeedsLock(key);
            }
            if (copy is null) return await fetch!.Bytes.WaitAsync(cancellationToken);
            if (await ReadCopyAsync(key, copy, cancellationToken) is { } kept) return kept;
        }
    }

    /// <summary>Removes every copy of a tenant; what is being fetched for it is not kept.</summary>
    public void Forget(string tenantId)
    {
        lock (_lock)
        {
            foreach (var key in _fetches.Keys.Where(key => key.TenantId == tenantId).ToList()) _fetches.Remove(key);
            foreach (var copy in _copies.Values.Where(copy => copy.Tenant == tenantId).ToList()) Remove_NeedsLock(copy);
        }
    }

    // It goes on when its first caller gives up: others may wait for it, and the copy is worth having.
    private Fetch Begin_NeedsLock((string TenantId, string Digest) key)
    {
        var fetch = new Fetch();
        fetch.Bytes = Task.Run(() => FetchAsync(key, fetch), CancellationToken.None);
        return _fetches[key] = fetch;
    }

    /// <summary>The bytes; null when the copy is of no use and gone.</summary>
    private async Task<byte[]?> ReadCopyAsync((string TenantId, string Digest) key, Copy copy, CancellationToken cancellationToken)
    {
        try
        {
            // Before the file is opened: another reader may find the good file that took its place, and say so of what was read here before.
            var isVerified = copy.IsVerified;
            var bytes = await ReadFileAsync(copy.Path, cancellationToken);
            if (isVerified) return bytes;
            if (Convert.ToHexStringLower(SHA256.HashData(bytes)) == key.Digest)
            {
                copy.IsVerified = true;
                return bytes;
            }
            Log.Damaged(_logger, copy.Path);
        }
        catch (Exception failure) when (failure is FileNotFoundException or DirectoryNotFoundException)
        {
            // It left while we came.
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Log.NotRead(_logger, failure, copy.Path);
        }
        lock (_lock)
        {
            if (_copies.TryGetValue(key, out var current) && current == copy) Remove_NeedsLock(copy);
        }
        return null;
    }

    private static async Task<byte[]> ReadFileAsync(string path, CancellationToken cancellationToken)
    {
        // Who reads does not keep the copy from leaving; that would need saying on Windows only.
        await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 1, FileOptions.Asynchronous);
        var bytes = new byte[file.Length];
        await file.ReadExactlyAsync(bytes, cancellationToken);
        return bytes;
    }

    private async Task<byte[]> FetchAsync((string TenantId, string Digest) key, Fetch fetch)
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
            await KeepAsync(key, fetch, bytes);
            return bytes;
        }
        finally
        {
            lock (_lock)
            {
                if (IsWanted_NeedsLock(key, fetch)) _fetches.Remove(key);
            }
        }
    }

    private async Task KeepAsync((string TenantId, string Digest) key, Fetch fetch, byte[] bytes)
    {
        var copy = new Copy(key.TenantId, key.Digest, Path.Combine(_folder, key.TenantId, key.Digest), bytes.Length) { IsVerified = true };
        string unfinished;
        lock (_lock)
        {
            if (!MakeRoom_NeedsLock(key.TenantId, bytes.Length)) return;
            _bytes += bytes.Length;

            // Of its own: when the tenant is forgotten meanwhile, another fetch may write the same artifact.
            unfinished = $"{copy.Path}.{++_writes}{Unfinished}";
        }
        var isKept = false;
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(copy.Path)!);

            // Not flushed: what a power failure tears is found when it is read.
            await File.WriteAllBytesAsync(unfinished, bytes);
            lock (_lock)
            {
                if (!IsWanted_NeedsLock(key, fetch)) return;
                File.Move(unfinished, copy.Path, overwrite: true);
                _bytes -= bytes.Length;
                Add_NeedsLock(copy);
                isKept = true;
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // The artifact is here all the same; only the next reader fetches it again.
            Log.NotKept(_logger, failure, key.Digest);
        }
        finally
        {
            if (!isKept)
            {
                DeleteFile(unfinished);
                lock (_lock) _bytes -= bytes.Length;
            }
        }
    }

    private bool IsWanted_NeedsLock((string TenantId, string Digest) key, Fetch fetch) => _fetches.GetValueOrDefault(key) == fetch;

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
        DeleteFile(copy.Path);
        _copies.Remove((copy.Tenant, copy.Digest));
        _bytes -= copy.Bytes;
        return true;
    }

    // Who wants room, or reads another copy, has nothing to do with what is wrong here. The next start finds the file again.
    private void DeleteFile(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (DirectoryNotFoundException)
        {
            // Somebody removed all of the tenant.
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Log.NotRemoved(_logger, failure, path);
        }
    }

    /// <summary>An artifact on its way.</summary>
    private sealed class Fetch
    {
        public Task<byte[]> Bytes { get; set; } = null!;
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

        [LoggerMessage(LogLevel.Warning, "The local copy {Path} cannot be read; it is fetched again.")]
        public static partial void NotRead(ILogger logger, Exception failure, string path);

        [LoggerMessage(LogLevel.Warning, "The file {Path} could not be removed from the local copies.")]
        public static partial void NotRemoved(ILogger logger, Exception failure, string path);

        [LoggerMessage(LogLevel.Warning, "The artifact {Digest} could not be kept on the local disk.")]
        public static partial void NotKept(ILogger logger, Exception failure, string digest);
    }
}
