using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace Atoll.Platform.Grpc;

/// <summary>Writes fields of a protobuf message, and tells before how many bytes they take.</summary>
internal static class ProtobufWriter
{
    private const int VarintBytesMax = 10;

    public static int SizeOfVarint(ulong value) => (BitOperations.Log2(value | 1) / 7) + 1;

    /// <summary>A field with a length, its tag and length included. Field numbers up to 15.</summary>
    public static long SizeOfBytes(long length) => 1 + SizeOfVarint((ulong)length) + length;

    /// <summary>A text; nothing for an empty one, as for every value that is the default.</summary>
    public static long SizeOfString(string text) => text.Length == 0 ? 0 : SizeOfBytes(Encoding.UTF8.GetByteCount(text));

    public static void WriteVarint(IBufferWriter<byte> bytes, ulong value)
    {
        var span = bytes.GetSpan(VarintBytesMax);
        var i = 0;
        while (value >= 0x80)
        {
            span[i++] = (byte)(value | 0x80);
            value >>= 7;
        }
        span[i++] = (byte)value;
        bytes.Advance(i);
    }

    /// <summary>Tag and length; the caller writes the bytes.</summary>
    public static void WriteLength(IBufferWriter<byte> bytes, int field, long length)
    {
        WriteVarint(bytes, (ulong)((field << 3) | (int)WireType.Bytes));
        WriteVarint(bytes, (ulong)length);
    }

    public static void WriteString(IBufferWriter<byte> bytes, int field, string text)
    {
        if (text.Length == 0) return;
        var length = Encoding.UTF8.GetByteCount(text);
        WriteLength(bytes, field, length);
        bytes.Advance(Encoding.UTF8.GetBytes(text, bytes.GetSpan(length)));
    }

    public static void WriteInt32LittleEndian(IBufferWriter<byte> bytes, int value)
    {
        BinaryPrimitives.WriteInt32LittleEndian(bytes.GetSpan(sizeof(int)), value);
        bytes.Advance(sizeof(int));
    }
}
