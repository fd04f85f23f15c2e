using Atoll.Serving.Onnx;
using Atoll.Training.Autodiff;

namespace Atoll.Tests.Training.Autodiff;

/// <summary>Compares the gradients that a tape writes with finite differences of the same graph.</summary>
internal static class GradientCheck
{
    // A stencil of four points: its own error is of the fourth power of the step, so that the step may be large
    // against the rounding of 32-bit floats.
    private const float Step = 0.02f;
    private const double Tolerance = 1e-3;

    /// <param name="seed">Of inputs and of the weights that make a scalar of the result.</param>
    /// <param name="inputs">Values to differentiate by.</param>
    /// <param name="operation">What to check.</param>
    public static void Check(int seed, Values[] inputs, Func<Tape, Tensor[], Tensor> operation)
    {
        var random = new Random(seed);
        var graph = new OnnxGraphBuilder("check");
        var tape = Tape.ForTraining(graph, seed);
        var variables = new Tensor[inputs.Length];
        for (var i = 0; i < inputs.Length; i++)
            variables[i] = tape.Input($"x{i}", TensorElementType.Float, inputs[i].Shape, needsGradient: true);
        var result = operation(tape, variables);
        var directions = new float[result.Count];
        for (var i = 0; i < directions.Length; i++) directions[i] = random.NextSingle() * 2 - 1;
        var gradients = tape.Gradients((result * tape.Constant(directions, result.Shape)).SumAll(), variables);
        graph.Output("y", result.Name, TensorElementType.Float, Dimensions(result));
        for (var i = 0; i < gradients.Length; i++)
            graph.Output($"d{i}", gradients[i].Name, TensorElementType.Float, Dimensions(gradients[i]));

        using var session = OnnxSession.Load(graph.ToBytes());
        var tensors = inputs.Select(input => OnnxTensor.Create<float>(input.Draw(random), input.Shape)).ToArray();
        var outputs = session.Run(tensors);
        for (var i = 0; i < inputs.Length; i++)
        {
            var analytic = outputs[i + 1].Span<float>();
            var scale = 1.0;
            foreach (var value in analytic) scale = Math.Max(scale, Math.Abs(value));
            var values = tensors[i].Span<float>();
            for (var j = 0; j < values.Length; j++)
            {
                var centre = values[j];
                var numeric = (8 * (At(values, j, centre + Step) - At(values, j, centre - Step))
                    - (At(values, j, centre + 2 * Step) - At(values, j, centre - 2 * Step))) / (12 * Step);
                values[j] = centre;
                Assert.True(
                    Math.Abs(numeric - analytic[j]) <= Tolerance * scale,
                    $"seed {seed}, input {i}, element {j}: the graph says {analytic[j]}, finite differences say {numeric}");
            }
        }
        foreach (var tensor in tensors.Concat(outputs)) tensor.Dispose();

        double At(Span<float> values, int position, float value)
        {
            values[position] = value;
            var run = session.Run(tensors);
            double sum = 0;
            var y = run[0].Span<float>();
            for (var i = 0; i < y.Length; i++) sum += (double)y[i] * directions[i];
            foreach (var tensor in run) tensor.Dispose();
            return sum;
        }
    }

    public static object[] Dimensions(Tensor tensor) => Array.ConvertAll(tensor.Shape, size => (object)size);

    /// <summary>Values of an input.</summary>
    internal sealed record Values(long[] Shape, float Low = -1, float High = 1, bool AreApart = false)
    {
        /// <summary>Values that differ by more than the stencil is wide, and are not near 0: for functions with kinks.</summary>
        public static Values Apart(params long[] shape) => new(shape, AreApart: true);

        public static Values Between(float low, float high, params long[] shape) => new(shape, low, high);

        public static Values Of(params long[] shape) => new(shape);

        public float[] Draw(Random random)
        {
            var values = new float[Shape.Aggregate(1L, (product, size) => product * size)];
            for (var i = 0; i < values.Length; i++) values[i] = Low + random.NextSingle() * (High - Low);
            if (!AreApart) return values;
            for (var i = 0; i < values.Length; i++) values[i] = (i - values.Length / 2 + 0.5f) * 5 * Step;
            random.Shuffle(values);
            return values;
        }
    }
}
