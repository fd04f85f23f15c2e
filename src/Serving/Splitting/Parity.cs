using System.Diagnostics;
using System.Runtime.InteropServices;
using Atoll.Serving.Onnx;
using Atoll.Serving.Onnx.Proto;

namespace Atoll.Serving.Splitting;

/// <summary>Compares two forms of a model on made-up inputs: numbers of all sizes, those that its trees compare with, words that it knows.</summary>
internal static class Parity
{
    private const int Seed = 20_260_101;

    // The order of a sum may change with the way an operator gets its weights; more than that must not.
    private const double Tolerance = 2e-5;

    // An output that is all noise around zero agrees with noise of this size.
    private const double Smallest = 1e-3;
    // A model that takes seconds to run is compared less often.
    private static readonly TimeSpan Enough = TimeSpan.FromSeconds(3);

    private const int WordsMax = 4_096;
    private const int RowsAtOnce = 24;
    private const int OtherDimension = 32;

    /// <summary>Null when they agree; otherwise what differs, or why that cannot be known.</summary>
    public static string? Compare(OnnxSession expected, OnnxSession actual, byte[] model, CancellationToken cancellationToken)
    {
        var known = Known.Collect(model);
        var random = new Random(Seed);
        var compared = 0;
        var start = Stopwatch.GetTimestamp();
        using var run = new OnnxRunOptions(cancellationToken);
        string? failure = null;
        foreach (var (rows, isWild) in (ReadOnlySpan<(int, bool)>)[(1, false), (2, false), (RowsAtOnce, false), (RowsAtOnce, true)])
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (compared > 0 && Stopwatch.GetElapsedTime(start) > Enough) break;
            var inputs = expected.Inputs.Select(input => Make(input, rows, isWild, random, known)).ToArray();
            OnnxTensor[] first = [], second = [];
            try
            {
                try
                {
                    first = expected.Run(inputs, run);
                }
                catch (OnnxException refused)
                {
                    // These inputs say nothing; the model wants others.
                    failure = refused.Message;
                    continue;
                }
                second = actual.Run(inputs, run);
                for (var i = 0; i < first.Length; i++)
                    if (Difference(first[i], second[i]) is { } difference) return $"Output '{expected.Outputs[i].Name}' differs: {difference}.";
                compared++;
            }
            finally
            {
                foreach (var tensor in (ReadOnlySpan<OnnxTensor>)[.. inputs, .. first, .. second]) tensor.Dispose();
            }
        }
        return compared > 0 ? null : $"The model could not be tried on made-up inputs: {failure}";
    }

    /// <summary>Inputs for one run, as the comparison makes them: for trying a model out.</summary>
    public static OnnxTensor[] MakeInputs(OnnxSession session, byte[] model, int rows)
    {
        var (known, random) = (Known.Collect(model), new Random(Seed));
        return [.. session.Inputs.Select(input => Make(input, rows, isWild: false, random, known))];
    }

    private static OnnxTensor Make(OnnxValueInfo info, int rows, bool isWild, Random random, Known known)
    {
        if (info.Kind != OnnxValueKind.Tensor) throw new OnnxException(OnnxErrorCode.NotImplemented, $"Input '{info.Name}' is a {info.Kind}.");
        var shape = info.HasShape ? info.Shape.Select((size, i) => size >= 0 ? size : i == 0 ? rows : OtherDimension).ToArray() : [rows];
        if (info.Type == TensorElementType.String)
            return OnnxTensor.FromStrings([.. Enumerable.Range(0, (int)shape.Aggregate(1L, (a, b) => a * b)).Select(_ => known.Word(random))], shape);
        var tensor = OnnxTensor.Allocate(info.Type, shape);
        switch (info.Type)
        {
            case TensorElementType.Float:
                foreach (ref var value in tensor.Span<float>()) value = known.Number(random, isWild);
                break;
            case TensorElementType.Double:
                foreach (ref var value in tensor.Span<double>()) value = known.Number(random, isWild);
                break;
            case TensorElementType.Float16:
                foreach (ref var value in tensor.Span<Half>()) value = (Half)(random.NextSingle() * 2 - 1);
                break;
            case TensorElementType.BFloat16:
                foreach (ref var value in MemoryMarshal.Cast<byte, ushort>(tensor.Bytes())) value = (ushort)(BitConverter.SingleToUInt32Bits(random.NextSingle() * 2 - 1) >> 16);
                break;
            case TensorElementType.Bool:
                foreach (ref var value in tensor.Bytes()) value = (byte)random.Next(2);
                break;
            case TensorElementType.UInt8 or TensorElementType.Int8:
                random.NextBytes(tensor.Bytes());
                break;
            default:
                // Keys of the model's dictionaries, or small numbers, which are often positions in a table.
                var size = TensorElements.Size(info.Type);
                var bytes = tensor.Bytes();
                Span<byte> whole = stackalloc byte[sizeof(long)];
                for (var i = 0; i < bytes.Length; i += size)
                {
                    BitConverter.TryWriteBytes(whole, known.Whole(random, isWild));
                    whole[..size].CopyTo(bytes[i..]);
                }
                break;
        }
        return tensor;
    }

    /// <summary>How two outputs differ; null when they are the same within the tolerance.</summary>
    public static string? Difference(OnnxTensor expected, OnnxTensor actual)
    {
        if (expected.ElementType != actual.ElementType || !expected.Shape.AsSpan().SequenceEqual(actual.Shape)) return $"{expected} and {actual}";
        switch (expected.ElementType)
        {
            case TensorElementType.String:
                var (left, right) = (expected.ToStrings(), actual.ToStrings());
                for (var i = 0; i < left.Length; i++)
                    if (left[i] != right[i]) return $"'{left[i]}' and '{right[i]}' at {i}";
                return null;
            case TensorElementType.Float:
                return Difference<float>(expected.Span<float>(), actual.Span<float>(), static value => value);
            case TensorElementType.Double:
                return Difference<double>(expected.Span<double>(), actual.Span<double>(), static value => value);
            case TensorElementType.Float16:
                return Difference<Half>(expected.Span<Half>(), actual.Span<Half>(), static value => (double)value);
            default:
                return expected.Bytes().SequenceEqual(actual.Bytes()) ? null : "whole numbers are not the same";
        }
    }

    private static string? Difference<T>(ReadOnlySpan<T> expected, ReadOnlySpan<T> actual, Func<T, double> number)
    {
        var largest = Smallest;
        foreach (var value in expected)
            if (double.IsFinite(number(value))) largest = Math.Max(largest, Math.Abs(number(value)));
        for (var i = 0; i < expected.Length; i++)
        {
            var (a, b) = (number(expected[i]), number(actual[i]));
            if (a.Equals(b)) continue;
            if (!(Math.Abs(a - b) <= Tolerance * Math.Min(largest, Math.Max(1, Math.Abs(a))))) return FormattableString.Invariant($"{a} and {b} at {i}");
        }
        return null;
    }

    /// <summary>What a model compares its inputs with, as far as that can be seen in its file.</summary>
    private sealed class Known(IReadOnlyList<float> thresholds, IReadOnlyList<string> words, IReadOnlyList<long> keys)
    {
        private static readonly string[] Others = ["", "a", "Yes", "no", "12", "-3.5", "2026-03-14", "2026-03-14 15:09:26", "someone@example.com", "https://example.org/a", "what is this?"];

        public static Known Collect(byte[] model)
        {
            var graph = ModelProto.Parser.ParseFrom(model).Graph;
            var thresholds = graph.Node.SelectMany(node => node.Attribute).Where(attribute => attribute.Name == "nodes_values")
                .SelectMany(attribute => attribute.Floats).Where(float.IsFinite).Distinct().Take(WordsMax).ToList();
            var words = graph.Node.SelectMany(node => node.Attribute).Where(attribute => attribute.Name == "keys_strings").SelectMany(attribute => attribute.Strings)
                .Concat(graph.Initializer.SelectMany(tensor => tensor.StringData)).Select(text => text.ToStringUtf8())
                // Keys of several columns in one dictionary begin with the column's position.
                .SelectMany(text => text.IndexOf(':') is var colon and > 0 ? (string[])[text, text[(colon + 1)..]] : [text])
                .Distinct(StringComparer.Ordinal).Take(WordsMax).ToList();
            var keys = graph.Node.SelectMany(node => node.Attribute).Where(attribute => attribute.Name == "keys_int64s").SelectMany(attribute => attribute.Ints).Distinct().Take(WordsMax).ToList();
            return new Known(thresholds, words, keys);
        }

        /// <param name="isWild">Missing and large numbers too, which would hide all others if they were everywhere.</param>
        public float Number(Random random, bool isWild)
        {
            if (thresholds.Count > 0 && random.Next(2) == 0)
            {
                var threshold = thresholds[random.Next(thresholds.Count)];
                return random.Next(3) switch { 0 => threshold, 1 => MathF.BitIncrement(threshold), _ => MathF.BitDecrement(threshold) };
            }
            return isWild && random.Next(8) == 0 ? float.NaN
                : isWild && random.Next(2) == 0 ? random.Next(-5, 100) * MathF.Pow(10, random.Next(-1, 3))
                : random.NextSingle() * 2 - 1;
        }

        /// <param name="isWild">Numbers that are in no dictionary, too.</param>
        public long Whole(Random random, bool isWild) => keys.Count == 0 || random.Next(8) == 0
            ? isWild && keys.Count > 0 ? random.Next(100) : random.Next(2)
            : keys[random.Next(keys.Count)];

        public string Word(Random random) => random.Next(4) switch
        {
            0 => Others[random.Next(Others.Length)],
            1 when words.Count > 0 => string.Join(' ', Enumerable.Range(0, 5).Select(_ => words[random.Next(words.Count)])),
            _ when words.Count > 0 => words[random.Next(words.Count)],
            _ => Others[random.Next(Others.Length)] + " " + Others[random.Next(Others.Length)],
        };
    }
}
