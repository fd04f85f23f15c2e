using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;

namespace Atoll.Platform.Grpc;

/// <summary>How the value of a field lies on the wire.</summary>
internal enum WireType
{
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    StartGroup = 3,
    EndGroup = 4,
    Fixed32 = 5,
}

/// <summary>Walks over the fields of a protobuf message without making objects of them. Refuses what the generated parsers refuse.</summary>
internal ref struct ProtobufReader(ReadOnlySequence<byte> message)
{
    private const int GroupDepthMax = 100;
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private SequenceReader<byte> _reader = new(message);

    /// <summary>The field at which the reader stands.</summary>
    public int Field { get; private set; }

    /// <summary>How its value is written.</summary>
    public WireType Type { get; private set; }

    public readonly bool IsAtEnd => _reader.End;

    /// <summary>Moves to the next field; false at the end. The value of each must be read or skipped.</summary>
    public bool Next()
    {
        if (_reader.End) return false;
        ReadTag();
        if (Type == WireType.EndGroup) throw Malformed("a group ends that did not begin");
        return true;
    }

    /// <summary>True when the reader stands at this field, with a value of this form. Other forms are unknown fields.</summary>
    public readonly bool Is(int field, WireType type) => Field == field && Type == type;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong ReadVarint()
    {
        if (_reader.CurrentSpan.Length > _reader.CurrentSpanIndex && _reader.CurrentSpan[_reader.CurrentSpanIndex] is < 0x80 and var one)
        {
            _reader.Advance(1);
            return one;
        }
        return ReadLongVarint();
    }

    public uint ReadFixed32() => _reader.TryReadLittleEndian(out int value) ? (uint)value : throw Truncated();

    public ulong ReadFixed64() => _reader.TryReadLittleEndian(out long value) ? (ulong)value : throw Truncated();

    /// <summary>A part of the message, not copied.</summary>
    public ReadOnlySequence<byte> ReadBytes()
    {
        var length = (int)(uint)ReadVarint();
        if (length < 0) throw Malformed("a length is negative");
        return _reader.TryReadExact(length, out var bytes) ? bytes : throw Truncated();
    }

    /// <param name="likely">What the text probably is, in ASCII: then it is given, and no new one made.</param>
    public string ReadString(string likely)
    {
        var before = this;
        var bytes = ReadBytes();
        if (bytes.IsSingleSegment && bytes.Length == likely.Length && Ascii.Equals(bytes.FirstSpan, likely)) return likely;
        this = before;
        return ReadString();
    }

    public string ReadString()
    {
        try
        {
            return Utf8.GetString(ReadBytes());
        }
        catch (DecoderFallbackException)
        {
            throw Malformed("a text is not UTF-8");
        }
    }

    public void Skip()
    {
        if (Type != WireType.StartGroup)
        {
            SkipValue();
            return;
        }
        Span<int> groups = stackalloc int[GroupDepthMax];
        var depth = 0;
        groups[depth++] = Field;
        while (depth > 0)
        {
            if (_reader.End) throw Truncated();
            ReadTag();
            if (Type == WireType.StartGroup)
            {
                if (depth == GroupDepthMax) throw Malformed("groups are nested too deeply");
                groups[depth++] = Field;
            }
            else if (Type == WireType.EndGroup)
            {
                if (groups[--depth] != Field) throw Malformed("a group ends that did not begin");
            }
            else
            {
                SkipValue();
            }
        }
    }

    public static RpcException Malformed(string what) => GrpcFailures.Malformed($"{what}.");

    private void ReadTag()
    {
        var tag = (uint)ReadVarint();
        Field = (int)(tag >> 3);
        Type = (WireType)(tag & 7);
        if (Field == 0) throw Malformed("a field has the number 0");
        if (Type > WireType.Fixed32) throw Malformed("a field has an unknown form");
    }

    private void SkipValue()
    {
        switch (Type)
        {
            case WireType.Varint: ReadVarint(); break;
            case WireType.Fixed64: ReadFixed64(); break;
            case WireType.Bytes: ReadBytes(); break;
            default: ReadFixed32(); break;
        }
    }

    private ulong ReadLongVarint()
    {
        ulong value = 0;
        for (var shift = 0; shift < 70; shift += 7)
        {
            if (!_reader.TryRead(out var one)) throw Truncated();
            if (shift < 64) value |= (ulong)(one & 0x7F) << shift;
            if (one < 0x80) return value;
        }
        throw Malformed("a number has more than ten bytes");
    }

    private static RpcException Truncated() => Malformed("it ends too early");
}
