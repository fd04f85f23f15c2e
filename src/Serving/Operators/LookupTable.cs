using System.Runtime.InteropServices;
using System.Text;
using Atoll.Serving.Onnx;

namespace Atoll.Serving.Operators;

/// <summary>A dictionary from strings, or from whole numbers as eight bytes each, to whole numbers: a hash table in plain bytes that is read in place.</summary>
/// <remarks>
/// A header, the table of slots (entry or -1, linear probing, at most half full), for each entry where its text ends and its number,
/// then the texts in UTF-8. <see cref="Check"/> must have accepted bytes that come from elsewhere.
/// </remarks>
internal readonly unsafe struct LookupTable
{
    private const int Mark = 0x31_54_53_41; // "AST1"

    [StructLayout(LayoutKind.Sequential)]
    private struct Header
    {
        public int Mark;
        public int Count;
        public int Slots;
        public int TextBytes;
        public long Default;
    }

    private readonly Header* _header;
    private readonly long* _numbers;
    private readonly int* _slots;
    private readonly int* _ends;
    private readonly byte* _texts;

    /// <summary>Looks at bytes that <see cref="Check"/> accepted and that begin at a multiple of eight.</summary>
    public LookupTable(byte* bytes)
    {
        _header = (Header*)bytes;
        _numbers = (long*)(_header + 1);
        _slots = (int*)(_numbers + _header->Count);
        _ends = _slots + _header->Slots;
        _texts = (byte*)(_ends + _header->Count);
    }

    /// <summary>The bytes of a dictionary; the first of two equal keys counts.</summary>
    public static byte[] Write(IReadOnlyList<ReadOnlyMemory<byte>> keys, IReadOnlyList<long> numbers, long otherwise)
    {
        var slots = 2;
        while (slots < 2 * keys.Count) slots *= 2;
        var texts = keys.Sum(key => key.Length);
        var header = new Header { Mark = Mark, Count = keys.Count, Slots = slots, TextBytes = texts, Default = otherwise };
        var bytes = new byte[checked((int)SizeOf(header))];
        MemoryMarshal.Write(bytes, header);
        MemoryMarshal.AsBytes<long>(numbers.ToArray()).CopyTo(bytes.AsSpan(sizeof(Header)));
        var rest = bytes.AsSpan(sizeof(Header) + 8 * keys.Count);
        var table = MemoryMarshal.Cast<byte, int>(rest[..(4 * slots)]);
        var ends = MemoryMarshal.Cast<byte, int>(rest.Slice(4 * slots, 4 * keys.Count));
        var text = rest[(4 * (slots + keys.Count))..];
        table.Fill(-1);
        var end = 0;
        for (var i = 0; i < keys.Count; i++)
        {
            keys[i].Span.CopyTo(text[end..]);
            ends[i] = end += keys[i].Length;
            var slot = Hash(keys[i].Span) & (uint)(slots - 1);
            while (table[(int)slot] >= 0) slot = (slot + 1) & (uint)(slots - 1);
            table[(int)slot] = i;
        }
        return bytes;
    }

    /// <summary>Makes sure that looking something up reads nothing beyond the bytes and comes to an end.</summary>
    public static void Check(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < sizeof(Header)) throw Damaged("it is too short");
        var header = MemoryMarshal.Read<Header>(bytes);
        if (header.Mark != Mark) throw Damaged("it does not begin as one");
        if (header.Count < 0 || header.Slots < 2 || !int.IsPow2(header.Slots) || header.Count > header.Slots / 2 || header.TextBytes < 0) throw Damaged("a count is out of range");
        if (SizeOf(header) != bytes.Length) throw Damaged("its length is not that of its counts");
        var table = MemoryMarshal.Cast<byte, int>(bytes.Slice(sizeof(Header) + 8 * header.Count, 4 * (header.Slots + header.Count)));
        var empty = 0;
        for (var slot = 0; slot < header.Slots; slot++)
        {
            if (table[slot] < -1 || table[slot] >= header.Count) throw Damaged($"slot {slot} leads outside");
            if (table[slot] < 0) empty++;
        }
        // Probing ends at an empty slot.
        if (empty == 0) throw Damaged("it is full");
        var end = 0;
        foreach (var next in table[header.Slots..])
        {
            if (next < end || next > header.TextBytes) throw Damaged("a text ends outside");
            end = next;
        }
    }

    public long Find(ReadOnlySpan<byte> text)
    {
        var mask = (uint)(_header->Slots - 1);
        for (var slot = Hash(text) & mask; ; slot = (slot + 1) & mask)
        {
            var entry = _slots[slot];
            if (entry < 0) return _header->Default;
            var start = entry == 0 ? 0 : _ends[entry - 1];
            if (text.SequenceEqual(new ReadOnlySpan<byte>(_texts + start, _ends[entry] - start))) return _numbers[entry];
        }
    }

    private static long SizeOf(in Header header) => sizeof(Header) + 8L * header.Count + 4L * ((long)header.Slots + header.Count) + header.TextBytes;

    // FNV-1a: short keys, and the table is the same on every machine.
    private static uint Hash(ReadOnlySpan<byte> text)
    {
        var hash = 2166136261u;
        foreach (var one in text) hash = (hash ^ one) * 16777619u;
        return hash ^ (hash >> 15);
    }

    private static OnnxException Damaged(string reason) => new(OnnxErrorCode.InvalidArgument, $"A dictionary is damaged: {reason}.");
}
