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
        ulong state = Mix(seed ^ First, (ulong)bytes.Length ^ Second);
        while (bytes.Length >= 16)
        {
            state = Mix(state ^ BinaryPrimitives.ReadUInt64LittleEndian(bytes), BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]) ^ Third);
            bytes = bytes[16..];
        }

        if (bytes.Length >= 8)
        {
            state = Mix(state ^ BinaryPrimitives.ReadUInt64LittleEndian(bytes), Second);
            bytes = bytes[8..];
        }

        ulong tail = 0;
        for (int i = bytes.Length - 1; i >= 0; i--) tail = (tail << 8) | bytes[i];
        return Finish(Mix(state ^ tail, Third ^ (ulong)bytes.Length));
    }

    /// <summary>Another hash of the same thing for another seed.</summary>
    public static ulong Reseed(ulong hash, int seed) => Finish(Mix(hash ^ First, ((ulong)(uint)seed * Second) ^ Third));

    private static ulong Mix(ulong left, ulong right)
    {
        ulong high = Math.BigMul(left | 1, right | 1, out ulong low);
        return high ^ low ^ (left + right);
    }

    private static ulong Finish(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
