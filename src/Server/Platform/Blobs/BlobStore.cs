using System.Collections.Concurrent;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace Atoll.Platform.Blobs;

/// <summary>Bytes named by their SHA-256, immutable, kept apart by tenant, in files below the data folder.</summary>
/// <remarks>A blob is either whole or absent: it is written to a temporary file, flushed, and renamed.</remarks>
internal sealed class BlobStore(DataFolder folder, DiskUsage usage)
{
    private const int BufferBytes = 1 << 20;

    // Digests share a few locks: between the rename of one and the removal of another nobody waits long.
    private readonly Lock[] _publishing = [.. Enumerable.Range(0, 16).Select(_ => new Lock())];
    private const int DurableFoldersMax = 10_000;

    // Folders whose own names are known to have reached the disk.
    private readonly ConcurrentDictionary<string, bool> _durableFolders = new();

    /// <summary>Begins a blob; nothing of it can be seen before <see cref="BlobWriter.CommitAsync"/>.</summary>
    /// <remarks>Writing throws <see cref="Limits.LimitReachedException"/> when the tenant may keep no more bytes.</remarks>
    public BlobWriter Create(string tenantId) => new(this, usage, tenantId, folder.NewTemporaryFile());

    /// <summary>Stores all of a stream.</summary>
    public async Task<BlobReference> WriteAsync(string tenantId, Stream content, CancellationToken cancellationToken)
    {
        await using var writer = Create(tenantId);
        await content.CopyToAsync(writer.Stream, BufferBytes, cancellationToken);
        return await writer.CommitAsync(cancellationToken);
    }

    /// <inheritdoc cref="WriteAsync(string, Stream, CancellationToken)"/>
    public async Task<BlobReference> WriteAsync(string tenantId, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        await using var writer = Create(tenantId);
        await writer.Stream.WriteAsync(content, cancellationToken);
        return await writer.CommitAsync(cancellationToken);
    }

    public bool Exists(string tenantId, string digest) => File.Exists(PathOf(tenantId, digest));

    /// <summary>Reads a blob whole and compares it with its name.</summary>
    /// <exception cref="BlobCorruptException">The bytes are not those that were written.</exception>
    /// <exception cref="BlobMissingException">There is no such blob.</exception>
    public async Task<byte[]> ReadAllAsync(string tenantId, string digest, CancellationToken cancellationToken)
    {
        byte[] bytes;
        try
        {
            bytes = await File.ReadAllBytesAsync(PathOf(tenantId, digest), cancellationToken);
        }
        catch (Exception absent) when (IsAbsent(absent))
        {
            throw new BlobMissingException(digest, absent);
        }
        var actual = Convert.ToHexStringLower(SHA256.HashData(bytes));
        return actual == digest ? bytes : throw new BlobCorruptException(digest, actual);
    }

    /// <summary>Verifies a blob and gives the path of its file, for readers that map it into memory or hand it to a child process.</summary>
    /// <exception cref="BlobCorruptException">The bytes are not those that were written.</exception>
    /// <exception cref="BlobMissingException">There is no such blob.</exception>
    public async Task<string> VerifiedPathAsync(string tenantId, string digest, CancellationToken cancellationToken)
    {
        var path = PathOf(tenantId, digest);
        await using var stream = Open(path, digest);
        var actual = Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellationToken));
        return actual == digest ? path : throw new BlobCorruptException(digest, actual);
    }

    /// <summary>Opens a blob whose last reader verified it, to read parts of it.</summary>
    /// <exception cref="BlobMissingException">There is no such blob.</exception>
    public SafeFileHandle OpenPart(string tenantId, string digest)
    {
        try
        {
            return File.OpenHandle(PathOf(tenantId, digest), FileMode.Open, FileAccess.Read, FileShare.Read, FileOptions.RandomAccess);
        }
        catch (Exception absent) when (IsAbsent(absent))
        {
            throw new BlobMissingException(digest, absent);
        }
    }

    /// <summary>Removes a blob that nothing names, unless it was written again since <paramref name="youngestUtc"/>. The bytes that were freed.</summary>
    public long DeleteOlder(string tenantId, string digest, DateTime youngestUtc)
    {
        // The same bytes may be stored again at any moment, and their writer is about to name them.
        var file = new FileInfo(PathOf(tenantId, digest));
        usage.BytesOf(tenantId); // counted before it changes
        lock (PublishingOf(digest))
        {
            file.Refresh();
            if (!file.Exists || file.LastWriteTimeUtc >= youngestUtc) return 0;
            var bytes = file.Length;
            file.Delete();
            usage.Release(tenantId, bytes);
            return bytes;
        }
    }

    /// <summary>Removes everything that a tenant has.</summary>
    public void DeleteTenant(string tenantId)
    {
        var path = Path.Combine(folder.Blobs, tenantId);
        if (Directory.Exists(path)) Directory.Delete(path, recursive: true);
        _durableFolders.Clear();
        usage.Forget(tenantId);
    }

    private static FileStream Open(string path, string digest)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, BufferBytes, FileOptions.SequentialScan | FileOptions.Asynchronous);
        }
        catch (Exception absent) when (IsAbsent(absent))
        {
            throw new BlobMissingException(digest, absent);
        }
    }

    private static bool IsAbsent(Exception failure) => failure is FileNotFoundException or DirectoryNotFoundException;

    private Lock PublishingOf(string digest) => _publishing[digest[0] % _publishing.Length];

    internal string PathOf(string tenantId, string digest)
    {
        // Both come from rows of ours; this only makes sure that a wrong row can never name a file outside.
        if (digest.Length != 64 || !digest.All(char.IsAsciiHexDigitLower)) throw new ArgumentException($"'{digest}' is not a SHA-256 digest.");
        if (tenantId.Length == 0 || !tenantId.All(c => char.IsAsciiLetterOrDigit(c) || c == '_')) throw new ArgumentException($"'{tenantId}' is not a tenant id.");
        return Path.Combine(folder.Blobs, tenantId, digest[..2], digest);
    }

    internal BlobReference Publish(string tenantId, string temporary, string digest, long bytes)
    {
        var path = PathOf(tenantId, digest);
        var directory = Path.GetDirectoryName(path)!;
        if (!_durableFolders.ContainsKey(directory))
        {
            // Also when it exists: another writer may have made it a moment ago and not flushed it yet.
            Directory.CreateDirectory(directory);
            DurableFiles.FlushFolder(Path.GetDirectoryName(directory)!);
            DurableFiles.FlushFolder(folder.Blobs);
            if (_durableFolders.Count >= DurableFoldersMax) _durableFolders.Clear();
            _durableFolders[directory] = true;
        }
        lock (PublishingOf(digest))
        {
            var isKept = File.Exists(path);
            DurableFiles.Publish(temporary, path);

            // The writer took room for bytes that were there already.
            if (isKept) usage.Release(tenantId, bytes);
        }
        return new BlobReference(digest, bytes);
    }
}

/// <summary>Names a blob of a tenant.</summary>
/// <param name="Digest">SHA-256 of the bytes, 64 lower-case hexadecimal digits.</param>
/// <param name="Bytes">Length.</param>
internal sealed record BlobReference(string Digest, long Bytes);

/// <summary>A blob's bytes are not those that were written: the disk or somebody changed them.</summary>
internal sealed class BlobCorruptException(string digest, string actual)
    : IOException($"The blob {digest} is damaged: its bytes have the digest {actual}. Restore the file from a backup.");

/// <summary>A blob that a row names is not there: somebody removed it, or restored the database without its blobs.</summary>
internal sealed class BlobMissingException(string digest, Exception absent)
    : FileNotFoundException($"The blob {digest} is missing. Restore the file from a backup.", absent);

/// <summary>A blob being written. Disposing it without a commit leaves nothing behind.</summary>
internal sealed class BlobWriter : IAsyncDisposable
{
    private readonly BlobStore _store;
    private readonly DiskUsage _usage;
    private readonly string _tenantId;
    private readonly string _temporary;
    private readonly FileStream _file;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private bool _committed;
    private long _reserved;

    internal BlobWriter(BlobStore store, DiskUsage usage, string tenantId, string temporary)
    {
        _store = store;
        _usage = usage;
        _tenantId = tenantId;
        _temporary = temporary;
        _file = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16, FileOptions.Asynchronous);
        Stream = new CountingStream(_file, _hash, Reserve);
    }

    /// <summary>Where the bytes go.</summary>
    public Stream Stream { get; }

    public long Bytes => _file.Position;

    /// <summary>Flushes the bytes to the disk and gives them their name. After this they survive a crash.</summary>
    public async Task<BlobReference> CommitAsync(CancellationToken cancellationToken)
    {
        await _file.FlushAsync(cancellationToken);
        _file.Flush(flushToDisk: true);
        var bytes = _file.Length;
        await _file.DisposeAsync();
        var reference = _store.Publish(_tenantId, _temporary, Convert.ToHexStringLower(_hash.GetHashAndReset()), bytes);
        _committed = true;
        return reference;
    }

    public async ValueTask DisposeAsync()
    {
        await _file.DisposeAsync();
        _hash.Dispose();
        if (_committed) return;
        File.Delete(_temporary);
        _usage.Release(_tenantId, _reserved);
        _reserved = 0;
    }

    private void Reserve(int bytes)
    {
        _usage.Reserve(_tenantId, bytes);
        _reserved += bytes;
    }

    /// <summary>Passes bytes on; counts and hashes them on the way.</summary>
    private sealed class CountingStream(Stream inner, IncrementalHash hash, Action<int> reserve) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => inner.Length;

        public override long Position { get => inner.Position; set => throw new NotSupportedException("A blob is written from its beginning to its end."); }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            reserve(buffer.Length);
            hash.AppendData(buffer);
            inner.Write(buffer);
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            reserve(buffer.Length);
            hash.AppendData(buffer.Span);
            return inner.WriteAsync(buffer, cancellationToken);
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("A blob being written cannot be read.");

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException("A blob is written from its beginning to its end.");

        public override void SetLength(long value) => throw new NotSupportedException("A blob is written from its beginning to its end.");
    }
}
