using System.Text.Json;

namespace Atoll.Prediction.OpenInference;

/// <summary>How the elements of one type stand in JSON.</summary>
internal interface IJsonElement<T> where T : unmanaged
{
    /// <summary>Reads the current token; false when it is not exactly such an element.</summary>
    static abstract bool TryRead(ref Utf8JsonReader reader, out T value);

    /// <summary>Writes an element; false when JSON has no form for it.</summary>
    static abstract bool TryWrite(Utf8JsonWriter writer, T value);
}

/// <summary>BOOL: true or false.</summary>
internal readonly struct JsonBool : IJsonElement<bool>
{
    public static bool TryRead(ref Utf8JsonReader reader, out bool value)
    {
        value = reader.TokenType == JsonTokenType.True;
        return value || reader.TokenType == JsonTokenType.False;
    }

    public static bool TryWrite(Utf8JsonWriter writer, bool value)
    {
        writer.WriteBooleanValue(value);
        return true;
    }
}

/// <summary>UINT8.</summary>
internal readonly struct JsonUInt8 : IJsonElement<byte>
{
    public static bool TryRead(ref Utf8JsonReader reader, out byte value)
    {
        value = 0;
        return reader.TokenType == JsonTokenType.Number && reader.TryGetByte(out value);
    }

    public static bool TryWrite(Utf8JsonWriter writer, byte value)
    {
        writer.WriteNumberValue((uint)value);
        return true;
    }
}

/// <summary>UINT16.</summary>
internal readonly struct JsonUInt16 : IJsonElement<ushort>
{
    public static bool TryRead(ref Utf8JsonReader reader, out ushort value)
    {
        value = 0;
        return reader.TokenType == JsonTokenType.Number && reader.TryGetUInt16(out value);
    }

    public static bool TryWrite(Utf8JsonWriter writer, ushort value)
    {
        writer.WriteNumberValue((uint)value);
        return true;
    }
}

/// <summary>UINT32.</summary>
internal readonly struct JsonUInt32 : IJsonElement<uint>
{
    public static bool TryRead(ref Utf8JsonReader reader, out uint value)
    {
        value = 0;
        return reader.TokenType == JsonTokenType.Number && reader.TryGetUInt32(out value);
    }

    public static bool TryWrite(Utf8JsonWriter writer, uint value)
    {
        writer.WriteNumberValue(value);
        return true;
    }
}

/// <summary>UINT64, exact over its whole range.</summary>
internal readonly struct JsonUInt64 : IJsonElement<ulong>
{
    public static bool TryRead(ref Utf8JsonReader reader, out ulong value)
    {
        value = 0;
        return reader.TokenType == JsonTokenType.Number && reader.TryGetUInt64(out value);
    }

    public static bool TryWrite(Utf8JsonWriter writer, ulong value)
    {
        writer.WriteNumberValue(value);
        return true;
    }
}

/// <summary>INT8.</summary>
internal readonly struct JsonInt8 : IJsonElement<sbyte>
{
    public static bool TryRead(ref Utf8JsonReader reader, out sbyte value)
    {
        value = 0;
        return reader.TokenType == JsonTokenType.Number && reader.TryGetSByte(out value);
    }

    public static bool TryWrite(Utf8JsonWriter writer, sbyte value)
    {
        writer.WriteNumberValue((int)value);
        return true;
    }
}

/// <summary>INT16.</summary>
internal readonly struct JsonInt16 : IJsonElement<short>
{
    public static bool TryRead(ref Utf8JsonReader reader, out short value)
    {
        value = 0;
        return reader.TokenType == JsonTokenType.Number && reader.TryGetInt16(out value);
    }

    public static bool TryWrite(Utf8JsonWriter writer, short value)
    {
        writer.WriteNumberValue((int)value);
        return true;
    }
}

/// <summary>INT32.</summary>
internal readonly struct JsonInt32 : IJsonElement<int>
{
    public static bool TryRead(ref Utf8JsonReader reader, out int value)
    {
        value = 0;
        return reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out value);
    }

    public static bool TryWrite(Utf8JsonWriter writer, int value)
    {
        writer.WriteNumberValue(value);
        return true;
    }
}

/// <summary>INT64, exact over its whole range.</summary>
internal readonly struct JsonInt64 : IJsonElement<long>
{
    public static bool TryRead(ref Utf8JsonReader reader, out long value)
    {
        value = 0;
        return reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out value);
    }

    public static bool TryWrite(Utf8JsonWriter writer, long value)
    {
        writer.WriteNumberValue(value);
        return true;
    }
}

/// <summary>FP32: any finite number.</summary>
internal readonly struct JsonFloat : IJsonElement<float>
{
    public static bool TryRead(ref Utf8JsonReader reader, out float value)
    {
        value = 0;
        return reader.TokenType == JsonTokenType.Number && JsonNumbers.TryRead(ref reader, out value);
    }

    public static bool TryWrite(Utf8JsonWriter writer, float value)
    {
        if (!float.IsFinite(value)) return false;
        writer.WriteNumberValue(value);
        return true;
    }
}

/// <summary>FP64: any finite number.</summary>
internal readonly struct JsonDouble : IJsonElement<double>
{
    public static bool TryRead(ref Utf8JsonReader reader, out double value)
    {
        value = 0;
        return reader.TokenType == JsonTokenType.Number && JsonNumbers.TryRead(ref reader, out value);
    }

    public static bool TryWrite(Utf8JsonWriter writer, double value)
    {
        if (!double.IsFinite(value)) return false;
        writer.WriteNumberValue(value);
        return true;
    }
}
