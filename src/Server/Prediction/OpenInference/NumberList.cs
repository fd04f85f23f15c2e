using System.Runtime.CompilerServices;
using System.Text.Json;
using Atoll.Serving.Onnx;

namespace Atoll.Prediction.OpenInference;

/// <summary>Reads the <c>data</c> of a tensor of floats straight from the bytes, without a token for each number: lists of plain numbers, flat or nested as the shape.</summary>
/// <remarks>It knows only what is right. Whatever it does not know (an exponent, many digits, a wrong length) is left to <see cref="TensorData"/>, from the beginning.</remarks>
internal static class NumberList
{
    /// <summary>Fills the tensor and moves the reader to the end of the list at whose beginning it stands. False when nothing was read.</summary>
    /// <param name="json">The whole body.</param>
    /// <param name="offset">Where in it the reader has begun.</param>
    public static bool TryRead(ref Utf8JsonReader reader, ReadOnlySpan<byte> json, ref int offset, OnnxTensor tensor)
    {
        if (tensor.ElementType != TensorElementType.Float || reader.HasValueSequence) return false;
        var start = offset + (int)reader.TokenStartIndex;
        var end = Scan(json, start, tensor.Shape, tensor.Span<float>());
        if (end < 0) return false;

        // A reader that has just begun the list, and finds its end next.
        offset = end;
        reader = new Utf8JsonReader(json[end..], isFinalBlock: true, reader.CurrentState);
        return reader.Read() && reader.TokenType == JsonTokenType.EndArray;
    }

    /// <summary>Where the list ends; -1 when it is not of the simple kind.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Scan(ReadOnlySpan<byte> json, int at, ReadOnlySpan<long> shape, Span<float> numbers)
    {
        Span<long> counts = stackalloc long[InferTensors.RankMax + 1];
        var (depth, read, nested) = (0, 0, false);

        // True where a number or a list may stand: after a bracket or a comma.
        var isOpen = true;
        for (; at < json.Length; at++)
        {
            switch (json[at])
            {
                case (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t':
                    continue;
                case (byte)'[':
                    if (!isOpen || depth > shape.Length) return -1;
                    if (depth > 0)
                    {
                        counts[depth]++;
                        nested = true;
                    }
                    counts[++depth] = 0;
                    continue;
                case (byte)']':
                    // An empty list and a comma before the end are for the other reader.
                    if (isOpen || (nested && (depth > shape.Length || counts[depth] != shape[depth - 1]))) return -1;
                    if (--depth == 0) return read == numbers.Length ? at : -1;
                    continue;
                case (byte)',':
                    if (isOpen) return -1;
                    isOpen = true;
                    continue;
                default:
                    if (!isOpen || read == numbers.Length || (nested && depth != shape.Length)) return -1;
                    var length = JsonNumbers.TryScan(json[at..], out numbers[read]);
                    if (length == 0) return -1;
                    read++;
                    counts[depth]++;
                    at += length - 1;
                    isOpen = false;
                    continue;
            }
        }
        return -1;
    }
}
