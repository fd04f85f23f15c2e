using System.Buffers;
using System.Buffers.Binary;

namespace Atoll.Platform.Grpc;

/// <summary>The five bytes before a message: whether it is compressed, and its length.</summary>
internal static class GrpcFrame
{
    public const int HeaderBytes = 5;

    /// <summary>Takes the message out of a body that is just one, and not compressed; false for all else.</summary>
    public static bool TryUnwrap(ReadOnlySequence<byte> body, out ReadOnlySequence<byte> message)
    {
        message = default;
        if (body.Length < HeaderBytes) return false;
        Span<byte> header = stackalloc byte[HeaderBytes];
        body.Slice(0, HeaderBytes).CopyTo(header);
        if (header[0] != 0 || BinaryPrimitives.ReadUInt32BigEndian(header[1..]) != body.Length - HeaderBytes) return false;
        message = body.Slice(HeaderBytes);
        return true;
    }

    public static void Write(IBufferWriter<byte> bytes, bool isCompressed, int length)
    {
        var header = bytes.GetSpan(HeaderBytes);
        header[0] = isCompressed ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteInt32BigEndian(header[1..], length);
        bytes.Advance(HeaderBytes);
    }
}
