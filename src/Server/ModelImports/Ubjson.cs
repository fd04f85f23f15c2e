using System.Buffers.Binary;
using System.Text;

namespace Atoll.ModelImports;

/// <summary>Reads UBJSON: objects as dictionaries, lists of numbers as <c>double[]</c>, other lists as <c>object?[]</c>, texts, numbers.</summary>
/// <remarks>Source: the Universal Binary JSON specification, draft 12. Everything is bounded by the bytes that are there.</remarks>
internal ref struct Ubjson
{
    private const int DepthMax = 64;

    private readonly ReadOnlySpan<byte> _bytes;
    private int _at;

    private Ubjson(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    /// <exception cref="ModelRefusedException">It is cut off or damaged.</exception>
    public static object? Read(ReadOnlySpan<byte> bytes)
    {
        var reader = new Ubjson(bytes);
        return reader.Value(reader.Next(), 0);
    }

    private object? Value(byte kind, int depth)
    {
        if (depth > DepthMax) throw Damaged("it is nested too deeply");
        switch (kind)
        {
            case (byte)'Z':
                return null;
            case (byte)'T':
                return 1.0;
            case (byte)'F':
                return 0.0;
            case (byte)'S':
                return Text();
            case (byte)'C':
                return ((char)Next()).ToString();
            case (byte)'{':
                return Members(depth);
            case (byte)'[':
                return Items(depth);
            default:
                return Number(kind);
        }
    }

    private Dictionary<string, object?> Members(int depth)
    {
        var members = new Dictionary<string, object?>(StringComparer.Ordinal);
        if (Peek() == '$') throw Damaged("it has an object whose values are of one kind, which XGBoost does not write");
        if (Take('#'))
        {
            for (var left = Length(); left > 0; left--) Member(members, depth);
            return members;
        }
        while (!Take('}')) Member(members, depth);
        return members;
    }

    private void Member(Dictionary<string, object?> members, int depth)
    {
        var name = Text();
        members[name] = Value(Next(), depth + 1);
    }

    private object Items(int depth)
    {
        if (Take('$'))
        {
            var kind = Next();
            if (!Take('#')) throw Damaged("a list of one kind has no length");
            var size = SizeOf(kind);
            var count = Length();
            if (count > (_bytes.Length - _at) / size) throw Damaged("a list is longer than the file");
            var numbers = new double[count];
            for (var i = 0; i < numbers.Length; i++) numbers[i] = Number(kind);
            return numbers;
        }

        var items = new List<object?>();
        if (Take('#'))
        {
            var count = Length();
            if (count > _bytes.Length - _at) throw Damaged("a list is longer than the file");
            for (; count > 0; count--) items.Add(Value(Next(), depth + 1));
        }
        else
        {
            while (!Take(']')) items.Add(Value(Next(), depth + 1));
        }
        return items.TrueForAll(item => item is double) ? items.ConvertAll(item => (double)item!).ToArray() : items.ToArray();
    }

    private double Number(byte kind)
    {
        var part = Part(SizeOf(kind));
        return kind switch
        {
            (byte)'i' => (sbyte)part[0],
            (byte)'U' => part[0],
            (byte)'I' => BinaryPrimitives.ReadInt16BigEndian(part),
            (byte)'l' => BinaryPrimitives.ReadInt32BigEndian(part),
            (byte)'L' => BinaryPrimitives.ReadInt64BigEndian(part),
            (byte)'d' => BinaryPrimitives.ReadSingleBigEndian(part),
            _ => BinaryPrimitives.ReadDoubleBigEndian(part),
        };
    }

    private static int SizeOf(byte kind) => kind switch
    {
        (byte)'i' or (byte)'U' => 1,
        (byte)'I' => 2,
        (byte)'l' or (byte)'d' => 4,
        (byte)'L' or (byte)'D' => 8,
        _ => throw Damaged($"it has a value of the unknown kind {kind}"),
    };

    private int Length()
    {
        var length = Number(Next());
        return length is >= 0 and <= int.MaxValue ? (int)length : throw Damaged("a length is out of range");
    }

    private string Text()
    {
        var part = Part(Length());
        return Encoding.UTF8.GetString(part);
    }

    private byte Next() => _at < _bytes.Length ? _bytes[_at++] : throw Damaged("it is cut off");

    private readonly byte Peek() => _at < _bytes.Length ? _bytes[_at] : throw Damaged("it is cut off");

    private bool Take(char mark)
    {
        if (Peek() != mark) return false;
        _at++;
        return true;
    }

    private ReadOnlySpan<byte> Part(int length)
    {
        if (length > _bytes.Length - _at) throw Damaged("it is cut off");
        var part = _bytes.Slice(_at, length);
        _at += length;
        return part;
    }

    private static ModelRefusedException Damaged(string what) => new($"The file is damaged UBJSON: {what}.");
}
