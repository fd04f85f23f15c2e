using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Atoll.Datasets;

/// <summary>A 64-bit hash that is the same in every process and version; splits of datasets depend on it, so that it never changes.</summary>
internal static class StableHash
{
    private const ulong First = 0x9E3779B97F4A7C15, Second = 0xD6E8FEB86659FD93, Third = 0xA0761D6478BD642F;

    public static ulong Of(ReadOnlySpan<char> text, ulong seed = 0) => Of(MemoryMarshal.AsBytes(text), seed);

    public static ulong Of(ReadOnlySpan<byte> bytes, ulong seed = 0)
    {
        ulong state = seed ^ First, length = (ulong)bytes.Length;
        for (; bytes.Length > 16; bytes = bytes[16..])
        {
            state = Mix(BinaryPrimitives.ReadUInt64LittleEndian(bytes) ^ Third, BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]) ^ state);
        }

        ulong low = Tail(bytes[..Math.Min(8, bytes.Length)]), high = bytes.Length > 8 ? Tail(bytes[8..]) : 0;
        return Finish(Mix(Second ^ length, Mix(low ^ Third, high ^ state)));
    }

    /// <summary>Another hash of the same thing for another seed.</summary>
    public static ulong Reseed(ulong hash, int seed) => Finish(Mix(hash ^ First, ((ulong)(uint)seed * Second) ^ Third) ^ hash);

    private static ulong Tail(ReadOnlySpan<byte> bytes)
    {
        ulong value = 0;
        for (int i = bytes.Length - 1; i >= 0; i--) value = (value << 8) | bytes[i];
        return value;
    }

    private static ulong Mix(ulong left, ulong right)
    {
        ulong high = Math.BigMul(left, right, out ulong low);
        return high ^ low;
    }

    private static ulong Finish(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
