using Atoll.Serving.Onnx;

namespace Atoll.Training.Autodiff;

/// <summary>Layer norm and batch norm.</summary>
internal static class Normalization
{
    /// <summary>Normalises the last axis; <paramref name="gamma"/> and <paramref name="beta"/> have its size.</summary>
    public static Tensor LayerNorm(this Tensor x, Tensor gamma, Tensor beta, float epsilon = 1e-5f)
    {
        var tape = x.Tape;
        var outputs = tape.EmitMany(
            "LayerNormalization", [x, gamma, beta], 3, OnnxGraphBuilder.Attribute("axis", -1L), OnnxGraphBuilder.Attribute("epsilon", epsilon));
        long[] reduced = [.. x.Shape[..^1], 1];
        var mean = tape.Existing(outputs[1], TensorElementType.Float, reduced);
        var inverseDeviation = tape.Existing(outputs[2], TensorElementType.Float, reduced);
        var normalized = new Lazy<Tensor>(() => (x - mean) * inverseDeviation);
        return tape.Record(
            tape.Existing(outputs[0], TensorElementType.Float, x.Shape), [x, gamma, beta],
            (d, _) =>
            {
                var g = d * gamma;
                return (g - g.Mean(-1) - normalized.Value * (g * normalized.Value).Mean(-1)) * inverseDeviation;
            },
            (d, _) => (d * normalized.Value).SumTo(gamma.Shape),
            (d, _) => d.SumTo(beta.Shape));
    }

    /// <summary>
    /// Normalises every column of <paramref name="x"/> [M, C] by the mean and variance of the batch, and gives both, as [1, C].
    /// </summary>
    /// <remarks>The variance is E[x2] - mean2, in 32 bits: fine as long as what comes in is centred, so images are centred in the graph.</remarks>
    public static Tensor BatchNorm(this Tensor x, Tensor gamma, Tensor beta, out Tensor mean, out Tensor variance, float epsilon = 1e-3f)
    {
        var tape = x.Tape;
        var rows = x.Shape[0];
        long[] row = [1, x.Shape[1]];
        Tensor Emit(string operation, long[] shape, params ReadOnlySpan<Tensor> inputs) => tape.Emit(operation, inputs, shape);

        var average = tape.Row(rows, 1f / rows);
        var batchMean = mean = Emit("MatMul", row, average, x);
        var meanOfSquares = Emit("MatMul", row, average, Emit("Mul", x.Shape, x, x));
        // Rounding may leave a tiny negative number where a column is constant.
        variance = Emit("Relu", row, Emit("Sub", row, meanOfSquares, Emit("Mul", row, mean, mean)));
        var inverseDeviation = Emit("Reciprocal", row, Emit("Sqrt", row, Emit("Add", row, variance, tape.Scalar(epsilon))));
        var gain = Emit("Mul", row, gamma, inverseDeviation);
        var offset = Emit("Sub", row, beta, Emit("Mul", row, mean, gain));
        var y = Emit("Add", x.Shape, Emit("Mul", x.Shape, x, gain), offset);

        // The two sums serve all three gradients; y has one gradient, so they are written once.
        Tensor? sum = null, sumTimesX = null;
        void Sums(Tensor d)
        {
            sum ??= d.SumRows();
            sumTimesX ??= (d * x).SumRows() - batchMean * sum;
        }
        return tape.Record(
            y, [x, gamma, beta],
            (d, _) =>
            {
                Sums(d);
                var k2 = (gain * inverseDeviation * inverseDeviation * sumTimesX! * (1f / rows)).Negate();
                var k1 = (gain * sum! * (1f / rows) + k2 * batchMean).Negate();
                return d * gain + x * k2 + k1;
            },
            (d, _) =>
            {
                Sums(d);
                return (sumTimesX! * inverseDeviation).Reshape(gamma.Shape);
            },
            (d, _) =>
            {
                Sums(d);
                return sum!.Reshape(beta.Shape);
            });
    }
}
