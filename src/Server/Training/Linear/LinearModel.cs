namespace Atoll.Training.Linear;

/// <summary>Weights and intercepts that give raw scores: the value itself, log odds, or one score a label before softmax.</summary>
/// <param name="Weights">Columns x outputs.</param>
/// <param name="Intercepts">One an output.</param>
internal sealed record LinearModel(double[] Weights, double[] Intercepts)
{
    public int Outputs => Intercepts.Length;

    public void Predict(ReadOnlySpan<int> columns, ReadOnlySpan<float> values, Span<double> scores)
    {
        Intercepts.CopyTo(scores);
        for (var i = 0; i < columns.Length; i++)
        {
            var start = columns[i] * Outputs;
            double value = values[i];
            for (var k = 0; k < Outputs; k++) scores[k] += value * Weights[start + k];
        }
    }
}
