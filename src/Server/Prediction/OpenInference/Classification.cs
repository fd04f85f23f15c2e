using System.Globalization;
using System.Numerics;
using Atoll.Platform.Http;
using Atoll.Serving.Onnx;

namespace Atoll.Prediction.OpenInference;

/// <summary>The protocol's classification extension: an output as its highest elements, each a text <c>value:index[:label]</c>.</summary>
internal static class Classification
{
    private const int ElementsMax = 1_000_000;

    /// <summary>Turns an output into texts of shape <c>[batch, n]</c>, or <c>[n]</c> where the model has no batch. The caller disposes both tensors.</summary>
    public static Problem? Make(OnnxTensor output, OnnxValueInfo info, int classes, IReadOnlyList<string> labels, out OnnxTensor? texts)
    {
        texts = null;
        var batch = info is { HasShape: true, Shape: [< 0, ..] } ? output.Shape[0] : (long?)null;
        var elements = batch is > 0 and var rows ? (int)(output.Count / rows) : output.Count;
        if (elements > ElementsMax) return OpenInferenceProblems.Invalid("classification output tensor too large");
        var words = new Words(output, elements, Math.Min(classes, elements), elements == labels.Count ? labels : []);
        var values = output.ElementType switch
        {
            TensorElementType.UInt8 => words.Of<byte>(),
            TensorElementType.UInt16 => words.Of<ushort>(),
            TensorElementType.UInt32 => words.Of<uint>(),
            TensorElementType.UInt64 => words.Of<ulong>(),
            TensorElementType.Int8 => words.Of<sbyte>(),
            TensorElementType.Int16 => words.Of<short>(),
            TensorElementType.Int32 => words.Of<int>(),
            TensorElementType.Int64 => words.Of<long>(),
            TensorElementType.Float => words.Of<float>(),
            TensorElementType.Double => words.Of<double>(),
            _ => null,
        };
        if (values is null)
            return OpenInferenceProblems.Invalid($"class result not available for output due to unsupported type '{Datatypes.NameOf(output.ElementType)}'");
        texts = batch is null ? OnnxTensor.FromStrings(values, values.Length) : OnnxTensor.FromStrings(values, batch.Value, batch == 0 ? classes : values.Length / batch.Value);
        return null;
    }

    private readonly struct Words(OnnxTensor output, int elements, int classes, IReadOnlyList<string> labels)
    {
        public string[] Of<T>() where T : unmanaged, INumber<T>
        {
            if (output.Count == 0) return [];
            var words = new List<string>();
            var order = new int[elements];
            for (var first = 0; first < output.Count; first += elements)
            {
                var row = output.Span<T>().Slice(first, elements).ToArray();
                for (var i = 0; i < elements; i++) order[i] = i;

                // The earlier one first among equals; what is no number comes last.
                Array.Sort(order, (a, b) => (T.IsNaN(row[a]), T.IsNaN(row[b])) is var (left, right) && left != right ? left.CompareTo(right)
                    : row[b].CompareTo(row[a]) is var higher and not 0 ? higher : a.CompareTo(b));
                foreach (var index in order.AsSpan(0, classes))
                    words.Add(string.Create(CultureInfo.InvariantCulture, $"{Text(row[index])}:{index}") + (labels.Count > 0 ? ":" + labels[index] : ""));
            }
            return [.. words];
        }

        // As the C library writes them, with six digits after the point: clients compare with its texts.
        private static string Text<T>(T value) where T : INumber<T> =>
            value is not (float or double) ? value.ToString(null, CultureInfo.InvariantCulture)
            : T.IsNaN(value) ? "nan"
            : T.IsInfinity(value) ? T.IsNegative(value) ? "-inf" : "inf"
            : value.ToString("F6", CultureInfo.InvariantCulture);
    }
}
