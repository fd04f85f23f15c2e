using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Atoll.Prediction;

/// <summary>Reads numbers of JSON: those with few digits and no exponent, which nearly all are, in a few nanoseconds; all others as the framework does.</summary>
/// <remarks>
/// A number of at most 15 digits and a power of ten up to 22 are exact as doubles, so that their quotient is rounded once and right (Clinger 1990). For a float it
/// would be rounded twice, which only matters next to the middle between two floats; those are left to the framework.
/// </remarks>
internal static class JsonNumbers
{
    private const int DigitsMax = 15;

    private static readonly double[] Powers =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];

    /// <summary>The number at which the reader stands; false when it is larger than any finite one.</summary>
    public static bool TryRead(ref Utf8JsonReader reader, out float value)
    {
        if (!reader.HasValueSequence && TryParse(reader.ValueSpan, out var exact) && IsRoundedOnce(exact))
        {
            value = (float)exact;
            return true;
        }
        return reader.TryGetSingle(out value) && float.IsFinite(value);
    }

    /// <inheritdoc cref="TryRead(ref Utf8JsonReader, out float)"/>
    public static bool TryRead(ref Utf8JsonReader reader, out double value) =>
        (!reader.HasValueSequence && TryParse(reader.ValueSpan, out value)) || (reader.TryGetDouble(out value) && double.IsFinite(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsRoundedOnce(double value)
    {
        const ulong belowFloat = (1 << 29) - 1, middle = 1 << 28;
        const float smallestNormal = 1.17549435e-38f;
        if (value == 0) return true;
        var rest = BitConverter.DoubleToUInt64Bits(value) & belowFloat;
        return rest - (middle - 1) > 2 && Math.Abs(value) is >= smallestNormal and < float.MaxValue;
    }

    private static bool TryParse(ReadOnlySpan<byte> text, out double value) => Scan(text, out value) == text.Length;

    /// <summary>Reads the number at the beginning of some bytes, if it is one of the simple kind and something follows it; how many bytes it has, or 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int TryScan(ReadOnlySpan<byte> json, out float value)
    {
        var length = Scan(json, out var exact);
        value = (float)exact;
        return length < json.Length && IsRoundedOnce(exact) ? length : 0;
    }

    // Optimised from the first call on: counting its branches, as the compiler does at first, takes longer than all else of a request with many numbers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Scan(ReadOnlySpan<byte> json, out double value)
    {
        value = 0;
        var first = json[0] == '-' ? 1 : 0;
        var (mantissa, digits, fraction, i) = (0UL, 0, -1, first);
        for (; i < json.Length; i++)
        {
            var digit = (uint)(json[i] - '0');
            if (digit <= 9)
            {
                mantissa = (mantissa * 10) + digit;

                // Zeros before the first digit cost nothing.
                if (mantissa != 0 && ++digits > DigitsMax) return 0;
                continue;
            }
            if (json[i] != '.') break;
            if (fraction >= 0 || i == first) return 0;
            fraction = i + 1;
        }

        // What JSON forbids: no digit, none behind the point, and zeros in front.
        if (i == first || fraction == i || (json[first] == '0' && i > first + 1 && fraction != first + 2)) return 0;
        if (i < json.Length && json[i] is (byte)'e' or (byte)'E' or (byte)'+' or (byte)'-') return 0;
        var scale = fraction < 0 ? 0 : i - fraction;
        if (scale >= Powers.Length) return 0;
        value = mantissa / Powers[scale];
        if (first == 1) value = -value;
        return i;
    }
}
