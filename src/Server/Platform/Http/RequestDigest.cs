using System.Security.Cryptography;
using System.Text;
using Microsoft.Net.Http.Headers;

namespace Atoll.Platform.Http;

/// <summary>Digests a request while somebody else reads its body, so that a large upload is not kept twice.</summary>
/// <remarks>
/// A client that repeats a multipart upload draws a new boundary, although it sends the same: the boundary does not count.
/// </remarks>
internal sealed class RequestDigest : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] _boundary;
    private byte[] _held = [];

    public RequestDigest(HttpRequest request)
    {
        var type = MediaTypeHeaderValue.TryParse(request.ContentType, out var parsed) ? parsed : null;
        _boundary = Encoding.UTF8.GetBytes(HeaderUtilities.RemoveQuotes(type?.Boundary ?? default).ToString());
        Add(Encoding.UTF8.GetBytes($"{request.Method} {request.Path}{request.QueryString}\n{type?.MediaType}\n"));
    }

    /// <summary>Adds the next bytes of the body.</summary>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        if (_boundary.Length == 0)
        {
            _hash.AppendData(bytes);
            return;
        }

        // A boundary may begin in one piece and end in the next, so its possible beginning is held back.
        ReadOnlySpan<byte> rest = _held.Length == 0 ? bytes : [.. _held, .. bytes];
        int at;
        while ((at = rest.IndexOf(_boundary)) >= 0)
        {
            _hash.AppendData(rest[..at]);
            rest = rest[(at + _boundary.Length)..];
        }
        var held = Math.Min(rest.Length, _boundary.Length - 1);
        _hash.AppendData(rest[..^held]);
        _held = rest[^held..].ToArray();
    }

    /// <summary>The digest of all that was added.</summary>
    public string Finish()
    {
        _hash.AppendData(_held);
        _held = [];
        return Convert.ToHexStringLower(_hash.GetHashAndReset());
    }

    public void Dispose() => _hash.Dispose();

    /// <summary>A body that is digested as it is read.</summary>
    public Stream Observe(Stream body) => new ObservedStream(body, this);

    private sealed class ObservedStream(Stream inner, RequestDigest digest) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException("The length of a body is not known before its end.");

        public override long Position { get => throw new NotSupportedException("A body is read once."); set => throw new NotSupportedException("A body is read once."); }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var read = await inner.ReadAsync(buffer, cancellationToken);
            digest.Add(buffer.Span[..read]);
            return read;
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count)
        {
            var read = inner.Read(buffer, offset, count);
            digest.Add(buffer.AsSpan(offset, read));
            return read;
        }

        public override void Flush() => inner.Flush();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException("A body is read once.");

        public override void SetLength(long value) => throw new NotSupportedException("A body is read.");

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("A body is read.");
    }
}
