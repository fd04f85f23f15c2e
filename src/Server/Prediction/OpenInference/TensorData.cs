using System.Buffers;
using System.Text.Json;
using Atoll.Platform.Http;
using Atoll.Serving.Onnx;

namespace Atoll.Prediction.OpenInference;

/// <summary>Reads the <c>data</c> of a tensor, flat or nested as its shape, straight into native memory; and writes it, flat.</summary>
internal static class TensorData
{
    /// <summary>Fills the tensor from the list at which the reader stands; null when that went well.</summary>
    public static Problem? Read(ref Utf8JsonReader reader, string input, OnnxTensor tensor) => tensor.ElementType switch
    {
        TensorElementType.Bool => Read<bool, JsonBool>(ref reader, input, tensor),
        TensorElementType.UInt8 => Read<byte, JsonUInt8>(ref reader, input, tensor),
        TensorElementType.UInt16 => Read<ushort, JsonUInt16>(ref reader, input, tensor),
        TensorElementType.UInt32 => Read<uint, JsonUInt32>(ref reader, input, tensor),
        TensorElementType.UInt64 => Read<ulong, JsonUInt64>(ref reader, input, tensor),
        TensorElementType.Int8 => Read<sbyte, JsonInt8>(ref reader, input, tensor),
        TensorElementType.Int16 => Read<short, JsonInt16>(ref reader, input, tensor),
        TensorElementType.Int32 => Read<int, JsonInt32>(ref reader, input, tensor),
        TensorElementType.Int64 => Read<long, JsonInt64>(ref reader, input, tensor),
        TensorElementType.Float => Read<float, JsonFloat>(ref reader, input, tensor),
        TensorElementType.Double => Read<double, JsonDouble>(ref reader, input, tensor),
        TensorElementType.String => ReadStrings(ref reader, input, tensor),
        var type => OpenInferenceProblems.NotInJson(type, $"input '{input}'"),
    };

    /// <summary>Writes what stands in front of the elements.</summary>
    public static void WriteHead(Utf8JsonWriter writer, string name, OnnxTensor tensor)
    {
        writer.WriteString("name"u8, name);
        writer.WriteString("datatype"u8, Datatypes.NameOf(tensor.ElementType));
        writer.WriteStartArray("shape"u8);
        foreach (var dimension in tensor.Shape) writer.WriteNumberValue(dimension);
        writer.WriteEndArray();
    }

    /// <summary>Writes the elements as a flat list; false when one of them has no form in JSON.</summary>
    public static bool TryWrite(Utf8JsonWriter writer, OnnxTensor tensor) => tensor.ElementType switch
    {
        TensorElementType.Bool => TryWrite<bool, JsonBool>(writer, tensor),
        TensorElementType.UInt8 => TryWrite<byte, JsonUInt8>(writer, tensor),
        TensorElementType.UInt16 => TryWrite<ushort, JsonUInt16>(writer, tensor),
        TensorElementType.UInt32 => TryWrite<uint, JsonUInt32>(writer, tensor),
        TensorElementType.UInt64 => TryWrite<ulong, JsonUInt64>(writer, tensor),
        TensorElementType.Int8 => TryWrite<sbyte, JsonInt8>(writer, tensor),
        TensorElementType.Int16 => TryWrite<short, JsonInt16>(writer, tensor),
        TensorElementType.Int32 => TryWrite<int, JsonInt32>(writer, tensor),
        TensorElementType.Int64 => TryWrite<long, JsonInt64>(writer, tensor),
        TensorElementType.Float => TryWrite<float, JsonFloat>(writer, tensor),
        TensorElementType.Double => TryWrite<double, JsonDouble>(writer, tensor),
        TensorElementType.String => TryWriteStrings(writer, tensor),
        _ => false,
    };

    private static Problem? Read<T, TJson>(ref Utf8JsonReader reader, string input, OnnxTensor tensor)
        where T : unmanaged
        where TJson : IJsonElement<T>
    {
        var elements = tensor.Span<T>();
        var walk = new Walk(input, tensor);
        while (walk.Next(ref reader))
        {
            if (walk.Index >= elements.Length) continue;
            if (!TJson.TryRead(ref reader, out elements[walk.Index])) return walk.Wrong(ref reader);
        }
        return walk.Problem;
    }

    private static Problem? ReadStrings(ref Utf8JsonReader reader, string input, OnnxTensor tensor)
    {
        var walk = new Walk(input, tensor);
        var buffer = ArrayPool<byte>.Shared.Rent(256);
        try
        {
            while (walk.Next(ref reader))
            {
                if (walk.Index >= tensor.Count) continue;
                if (reader.TokenType != JsonTokenType.String) return walk.Wrong(ref reader);
                var length = JsonText.LengthOf(ref reader);
                if (length > buffer.Length)
                {
                    ArrayPool<byte>.Shared.Return(buffer);
                    buffer = ArrayPool<byte>.Shared.Rent(length);
                }
                if (!JsonText.TryCopyString(ref reader, buffer, out length)) return walk.Wrong(ref reader);
                tensor.SetUtf8(walk.Index, buffer.AsSpan(0, length));
            }
            return walk.Problem;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static bool TryWrite<T, TJson>(Utf8JsonWriter writer, OnnxTensor tensor)
        where T : unmanaged
        where TJson : IJsonElement<T>
    {
        writer.WriteStartArray();
        foreach (var element in tensor.Span<T>())
        {
            if (!TJson.TryWrite(writer, element)) return false;
        }
        writer.WriteEndArray();
        return true;
    }

    private static bool TryWriteStrings(Utf8JsonWriter writer, OnnxTensor tensor)
    {
        writer.WriteStartArray();
        foreach (var element in tensor.ToStrings()) writer.WriteStringValue(element);
        writer.WriteEndArray();
        return true;
    }

    /// <summary>Goes through the elements of a list and sees to it that they stand as the shape says.</summary>
    private struct Walk(string input, OnnxTensor tensor)
    {
        private int _depth = 1;
        private bool _nested;
        private bool _begun;
        private long[]? _lengths;

        /// <summary>Position of the current element in the flat order.</summary>
        public int Index { get; private set; } = -1;

        /// <summary>What is wrong with the list as a whole, once it ended.</summary>
        public Problem? Problem { get; private set; }

        /// <summary>Moves to the next element; false at the end, or when the list is not as the shape says.</summary>
        public bool Next(ref Utf8JsonReader reader)
        {
            while (true)
            {
                reader.Read();
                if (!_begun)
                {
                    _begun = true;
                    _nested = reader.TokenType == JsonTokenType.StartArray;
                    if (_nested) _lengths = new long[tensor.Shape.Length + 1];
                }
                switch (reader.TokenType)
                {
                    case JsonTokenType.StartArray:
                        if (!_nested || _depth >= tensor.Shape.Length) return Fail("'data' is neither flat nor nested as the shape");
                        _lengths![_depth]++;
                        _depth++;
                        _lengths[_depth] = 0;
                        continue;

                    case JsonTokenType.EndArray:
                        if (_nested && _lengths![_depth] != tensor.Shape[_depth - 1])
                            return Fail($"'data' has a list of {_lengths[_depth]} where the shape says {tensor.Shape[_depth - 1]}");
                        if (--_depth > 0) continue;
                        return Index + 1 != tensor.Count && Fail($"'data' has {Index + 1} elements, expected {tensor.Count}");

                    default:
                        if (_nested)
                        {
                            if (_depth != tensor.Shape.Length) return Fail("'data' is neither flat nor nested as the shape");
                            _lengths![_depth]++;
                        }
                        Index++;
                        return true;
                }
            }
        }

        /// <summary>The current element is not of the tensor's type.</summary>
        public readonly Problem Wrong(ref Utf8JsonReader reader) => OpenInferenceProblems.Invalid(
            $"unable to parse 'data' of input '{input}': element {Index} {JsonText.Describe(ref reader)}, expected {Datatypes.NameOf(tensor.ElementType)}");

        private bool Fail(string what)
        {
            Problem = OpenInferenceProblems.Invalid($"unable to parse 'data' of input '{input}' of shape [{string.Join(',', tensor.Shape)}]: {what}");
            return false;
        }
    }
}
