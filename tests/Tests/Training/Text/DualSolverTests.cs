using Atoll.Training.Text;
using Xunit;

namespace Atoll.Tests.Training.Text;

/// <summary>The solver against optima that are known on paper or told by the gradient.</summary>
public sealed class DualSolverTests
{
    [Fact]
    public void One_row_reaches_the_optimum_on_paper()
    {
        // Minimise (w² + b²)/2 + C (1 - (2w + b))²: w = 2a, b = a with a = 2C / (1 + 2C * 5).
        const float strength = 0.7f;
        var solver = new DualSolver(new SparseRows([0, 1], [1], [2f], 2), [[0]], 2, LinearLoss.SquaredHinge);
        for (var epoch = 0; epoch < 50; epoch++) solver.Epoch([0], strength);
        const float a = 2 * strength / (1 + 2 * strength * 5);
        var stride = solver.Weights.Stride;
        Assert.Equal(2 * a, solver.Weights.Values[stride], 5);
        Assert.Equal(a, solver.Weights.Bias[0], 5);
        // The other label sees the same row with the sign turned.
        Assert.Equal(-2 * a, solver.Weights.Values[stride + 1], 5);
    }

    [Theory]
    [InlineData("SquaredHinge", 2)]
    [InlineData("SquaredHinge", 5)]
    [InlineData("SquaredHinge", 13)]
    [InlineData("Softmax", 2)]
    [InlineData("Softmax", 5)]
    [InlineData("Softmax", 13)]
    [InlineData("Logistic", 2)]
    [InlineData("Logistic", 5)]
    [InlineData("Logistic", 13)]
    public void The_gradient_is_zero_where_the_solver_stops(string lossName, int labelCount)
    {
        const float strength = 0.8f;
        var loss = Enum.Parse<LinearLoss>(lossName);
        var (rows, labels) = Problem(60, 12, labelCount);
        var solver = new DualSolver(rows, labels, labelCount, loss);
        var order = Enumerable.Range(0, rows.Count).ToArray();
        for (var epoch = 0; epoch < 2000; epoch++) solver.Epoch(order, strength);

        foreach (var (feature, label, gradient) in Gradient(solver.Weights, rows, labels, loss, strength))
            Assert.True(Math.Abs(gradient) < 5e-3, $"Feature {feature}, label {label}: gradient {gradient}.");
    }

    [Theory]
    [InlineData("SquaredHinge")]
    [InlineData("Softmax")]
    [InlineData("Logistic")]
    public void Going_on_with_another_strength_ends_where_starting_with_it_does(string lossName)
    {
        var loss = Enum.Parse<LinearLoss>(lossName);
        var (rows, labels) = Problem(40, 8, 3);
        var order = Enumerable.Range(0, rows.Count).ToArray();
        var direct = new DualSolver(rows, labels, 3, loss);
        var continued = new DualSolver(rows, labels, 3, loss);
        for (var epoch = 0; epoch < 20; epoch++) continued.Epoch(order, 0.1f);
        for (var epoch = 0; epoch < 300; epoch++)
        {
            direct.Epoch(order, 2);
            continued.Epoch(order, 2);
        }
        for (var i = 0; i < direct.Weights.Values.Length; i++)
            Assert.Equal(direct.Weights.Values[i], continued.Weights.Values[i], 5e-3f);
    }

    [Theory]
    [InlineData("SquaredHinge")]
    [InlineData("Softmax")]
    [InlineData("Logistic")]
    public void Beginning_where_another_solver_ended_gives_its_weights(string lossName)
    {
        var loss = Enum.Parse<LinearLoss>(lossName);
        var (rows, labels) = Problem(40, 8, 3);
        var order = Enumerable.Range(0, rows.Count).ToArray();
        var first = new DualSolver(rows, labels, 3, loss);
        for (var epoch = 0; epoch < 20; epoch++) first.Epoch(order, 0.8f);
        var second = new DualSolver(rows, labels, 3, loss);
        second.Begin(order, first.CopyDual(), 0.8f);
        for (var i = 0; i < first.Weights.Values.Length; i++)
            Assert.True(Math.Abs(first.Weights.Values[i] - second.Weights.Values[i]) < 1e-3f, $"Weight {i}: {first.Weights.Values[i]} and {second.Weights.Values[i]}.");
        Assert.Contains(second.Weights.Values, weight => weight > 0.01f);
    }

    private static (SparseRows Rows, int[][] Labels) Problem(int count, int features, int labelCount)
    {
        var random = new Random(31 + labelCount);
        var starts = new int[count + 1];
        List<int> positions = [];
        List<float> values = [];
        var labels = new int[count][];
        for (var row = 0; row < count; row++)
        {
            for (var feature = 1; feature < features; feature++)
            {
                if (random.Next(3) != 0) continue;
                positions.Add(feature);
                values.Add(random.NextSingle());
            }
            starts[row + 1] = positions.Count;
            labels[row] = [random.Next(labelCount)];
        }
        return (new SparseRows(starts, [.. positions], [.. values], features), labels);
    }

    private static IEnumerable<(int Feature, int Label, double Gradient)> Gradient(
        LinearWeights weights, SparseRows rows, int[][] labels, LinearLoss loss, double strength)
    {
        var stride = weights.Stride;
        var gradient = Array.ConvertAll(weights.Values, value => (double)value);
        var bias = Array.ConvertAll(weights.Bias, value => (double)value);
        var scores = new float[stride];
        for (var row = 0; row < rows.Count; row++)
        {
            weights.Score(rows, row, scores);
            var sum = scores.Take(weights.LabelCount).Sum(score => Math.Exp(score));
            for (var label = 0; label < weights.LabelCount; label++)
            {
                var y = labels[row].Contains(label) ? 1 : -1;
                var slope = loss switch
                {
                    LinearLoss.SquaredHinge => -2 * y * Math.Max(0, 1 - y * scores[label]),
                    LinearLoss.Softmax => Math.Exp(scores[label]) / sum - (y + 1) / 2,
                    _ => -y / (1 + Math.Exp(y * scores[label])),
                };
                bias[label] += strength * slope;
                for (var i = rows.Starts[row]; i < rows.Starts[row + 1]; i++)
                    gradient[rows.Features[i] * stride + label] += strength * slope * rows.Values[i];
            }
        }
        for (var label = 0; label < weights.LabelCount; label++)
        {
            yield return (-1, label, bias[label]);
            for (var feature = 0; feature < weights.FeatureCount; feature++) yield return (feature, label, gradient[feature * stride + label]);
        }
    }
}
