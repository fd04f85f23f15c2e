using System.Buffers;
using System.IO.Compression;
using System.Runtime.InteropServices;

namespace Atoll.Platform.Grpc;

/// <summary>The compressions that messages may have.</summary>
internal static class MessageCompression
{
    public const string Accepted = "identity,gzip,deflate";

    public static bool IsKnown(string encoding) => encoding is "gzip" or "deflate";

    /// <summary>A rented array with the message, which the caller returns.</summary>
    /// <exception cref="RpcException">The bytes are not compressed like that, or become more than the limit.</exception>
    public static ArraySegment<byte> Decompress(string encoding, ReadOnlySequence<byte> payload, long bytesMax)
    {
        using var packed = payload.IsSingleSegment && MemoryMarshal.TryGetArray(payload.First, out var segment)
            ? new MemoryStream(segment.Array!, segment.Offset, segment.Count, writable: false)
            : new MemoryStream(payload.ToArray(), writable: false);
        using Stream unpacked = encoding == "gzip" ? new GZipStream(packed, CompressionMode.Decompress) : new ZLibStream(packed, CompressionMode.Decompress);
        var pool = ArrayPool<byte>.Shared;
        var bytes = pool.Rent((int)Math.Clamp(payload.Length * 4, 1024, Math.Max(bytesMax, 1024)));
        var length = 0;
        try
        {
            while (true)
            {
                if (length == bytes.Length)
                {
                    var larger = pool.Rent((int)Math.Min(bytes.Length * 2L, Array.MaxLength));
                    bytes.AsSpan(0, length).CopyTo(larger);
                    pool.Return(bytes);
                    bytes = larger;
                }
                var read = unpacked.Read(bytes, length, bytes.Length - length);
                if (read == 0) return new ArraySegment<byte>(bytes, 0, length);
                length += read;
                if (length > bytesMax) throw GrpcFailures.TooLarge(bytesMax);
            }
        }
        catch (InvalidDataException failure)
        {
            pool.Return(bytes);
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"A message is not compressed with {encoding}: {failure.Message}"));
        }
        catch (RpcException)
        {
            pool.Return(bytes);
            throw;
        }
    }

    public static ArraySegment<byte> Compress(string encoding, ReadOnlySpan<byte> message)
    {
        using var packed = new MemoryStream();
        using (Stream stream = encoding == "gzip" ? new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true) : new ZLibStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            stream.Write(message);
        return new ArraySegment<byte>(packed.GetBuffer(), 0, (int)packed.Length);
    }
}
