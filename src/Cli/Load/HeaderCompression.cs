using System.Text;

namespace Atoll.Cli.Load;

/// <summary>As much of HPACK (RFC 7541) as a load needs: it writes literals, and reads the status out of answers that may not use a dynamic table.</summary>
internal static class HeaderCompression
{
    private const int StatusIndex = 8;
    private static readonly int[] IndexedStatus = [200, 204, 206, 304, 400, 404, 500];
    private static readonly byte[] GrpcStatusHuffman = Huffman("grpc-status");
    private static readonly byte[] GrpcMessageHuffman = Huffman("grpc-message");
    private static readonly byte[] StatusHuffman = Huffman(":status");

    /// <summary>A field that is not to be remembered, with a name of the static table.</summary>
    public static void Write(List<byte> block, int nameIndex, string value)
    {
        WriteInteger(block, 0, 4, nameIndex);
        WriteText(block, value);
    }

    /// <summary>A field that is not to be remembered.</summary>
    public static void Write(List<byte> block, string name, string value)
    {
        block.Add(0);
        WriteText(block, name);
        WriteText(block, value);
    }

    /// <summary>A field of the static table.</summary>
    public static void Write(List<byte> block, int index) => WriteInteger(block, 0x80, 7, index);

    /// <summary>A number as HPACK writes it, behind bits that say what it is.</summary>
    public static void WriteInteger(List<byte> block, byte kind, int bits, int value)
    {
        var full = (1 << bits) - 1;
        if (value < full)
        {
            block.Add((byte)(kind | value));
            return;
        }
        block.Add((byte)(kind | full));
        for (value -= full; value >= 128; value >>= 7) block.Add((byte)(value | 128));
        block.Add((byte)value);
    }

    /// <summary>What a block says about how a request went; false when it cannot be read.</summary>
    public static bool TryRead(ReadOnlySpan<byte> block, ref int httpStatus, ref int grpcStatus, ref Range grpcMessage)
    {
        var all = block;
        while (block.Length > 0)
        {
            var first = block[0];
            if ((first & 0x80) != 0)
            {
                if (!TryReadInteger(ref block, 7, out var index)) return false;
                if (index is >= StatusIndex and < StatusIndex + 7) httpStatus = IndexedStatus[index - StatusIndex];
                continue;
            }
            if ((first & 0xE0) == 0x20)
            {
                // The size of the dynamic table; there is none.
                if (!TryReadInteger(ref block, 5, out _)) return false;
                continue;
            }
            if (!TryReadInteger(ref block, (first & 0x40) != 0 ? 6 : 4, out var name)) return false;
            ReadOnlySpan<byte> text = default;
            if (name == 0 && !TryReadText(ref block, out text, out _)) return false;
            if (!TryReadText(ref block, out var value, out var isHuffman)) return false;
            if (name is >= StatusIndex and < StatusIndex + 7 || Is(text, ":status"u8, StatusHuffman)) httpStatus = Digits(value, isHuffman);
            else if (Is(text, "grpc-status"u8, GrpcStatusHuffman)) grpcStatus = Digits(value, isHuffman);
            else if (Is(text, "grpc-message"u8, GrpcMessageHuffman) && !isHuffman)
            {
                var end = all.Length - block.Length;
                grpcMessage = (end - value.Length)..end;
            }
        }
        return true;
    }

    private static bool Is(ReadOnlySpan<byte> text, ReadOnlySpan<byte> plain, ReadOnlySpan<byte> huffman) => text.SequenceEqual(plain) || text.SequenceEqual(huffman);

    private static bool TryReadInteger(scoped ref ReadOnlySpan<byte> block, int bits, out int value)
    {
        value = 0;
        if (block.Length == 0) return false;
        var full = (1 << bits) - 1;
        value = block[0] & full;
        block = block[1..];
        if (value < full) return true;
        for (var shift = 0; shift < 28; shift += 7)
        {
            if (block.Length == 0) return false;
            var next = block[0];
            block = block[1..];
            value += (next & 127) << shift;
            if (next < 128) return true;
        }
        return false;
    }

    private static bool TryReadText(scoped ref ReadOnlySpan<byte> block, out ReadOnlySpan<byte> text, out bool isHuffman)
    {
        text = default;
        isHuffman = block.Length > 0 && (block[0] & 0x80) != 0;
        if (!TryReadInteger(ref block, 7, out var length) || length > block.Length) return false;
        text = block[..length];
        block = block[length..];
        return true;
    }

    private static int Digits(ReadOnlySpan<byte> text, bool isHuffman)
    {
        var number = 0;
        if (!isHuffman)
        {
            foreach (var digit in text) number = digit is >= (byte)'0' and <= (byte)'9' && number < 1000 ? number * 10 + digit - '0' : -1;
            return number;
        }
        // 0 to 2 have five bits, 3 to 9 six; the rest of the last byte is ones.
        ulong bits = 0;
        foreach (var part in text[..Math.Min(text.Length, 8)]) bits = (bits << 8) | part;
        for (var left = Math.Min(text.Length, 8) * 8; left >= 5;)
        {
            var five = (int)(bits >> (left - 5)) & 31;
            if (five <= 2)
            {
                number = number * 10 + five;
                left -= 5;
                continue;
            }
            if (left < 6) break;
            var six = (int)(bits >> (left - 6)) & 63;
            if (six is < 25 or > 31) break;
            number = number * 10 + six - 22;
            left -= 6;
        }
        return number;
    }

    private static void WriteText(List<byte> block, string text)
    {
        WriteInteger(block, 0, 7, text.Length);
        block.AddRange(Encoding.ASCII.GetBytes(text));
    }

    /// <summary>The other form in which a server may write a name that is looked for.</summary>
    private static byte[] Huffman(string text)
    {
        var bits = new StringBuilder();
        foreach (var letter in text)
        {
            bits.Append(letter switch
            {
                'a' => "00011", 'c' => "00100", 'e' => "00101", 'g' => "100110", 'm' => "101001", 'p' => "101011", 'r' => "101100", 's' => "01000", 't' => "01001",
                'u' => "101101", '-' => "010110", ':' => "1011100", _ => throw new ArgumentException($"The code of '{letter}' is not known here.", nameof(text)),
            });
        }
        while (bits.Length % 8 != 0) bits.Append('1');
        return [.. Enumerable.Range(0, bits.Length / 8).Select(i => Convert.ToByte(bits.ToString(i * 8, 8), 2))];
    }
}
