namespace Atoll.Serving.Onnx;

/// <summary>The upper half of a 32-bit float: its range with 8 bits of precision.</summary>
internal readonly record struct BFloat16(ushort Bits)
{
    public static explicit operator BFloat16(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        // A NaN whose payload lies in the lower half must not become infinity.
        if (float.IsNaN(value)) return new BFloat16((ushort)((bits >> 16) | 0x40));
        // To nearest, ties to even.
        return new BFloat16((ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16));
    }

    public static explicit operator float(BFloat16 value) => BitConverter.UInt32BitsToSingle((uint)value.Bits << 16);

    public override string ToString() => ((float)this).ToString(System.Globalization.CultureInfo.InvariantCulture);
}
