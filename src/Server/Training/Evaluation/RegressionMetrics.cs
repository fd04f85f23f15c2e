using Atoll.Contracts;

namespace Atoll.Training.Evaluation;

/// <summary>Scores of predicted numbers.</summary>
internal static class RegressionMetrics
{
    /// <summary>Compares predictions with the truth.</summary>
    /// <param name="lower">Lower ends of the model's intervals; empty when it has none.</param>
    /// <param name="upper">Upper ends of the model's intervals; empty when it has none.</param>
    public static EvaluationReport Compute(
        ReadOnlySpan<float> actual, ReadOnlySpan<float> predicted, ReadOnlySpan<float> lower = default, ReadOnlySpan<float> upper = default)
    {
        var count = actual.Length;
        if (count == 0) throw new ArgumentException("There are no samples to evaluate on.", nameof(actual));
        if (predicted.Length != count || lower.Length != upper.Length || (lower.Length != 0 && lower.Length != count))
            throw new ArgumentException("Predictions, intervals and truth must cover the same samples.", nameof(predicted));

        double mean = 0;
        foreach (var value in actual) mean += value;
        mean /= count;

        var errors = new double[count];
        double squares = 0, sum = 0, variance = 0;
        for (var i = 0; i < count; i++)
        {
            var error = (double)predicted[i] - actual[i];
            errors[i] = Math.Abs(error);
            squares += error * error;
            sum += errors[i];
            variance += (actual[i] - mean) * (actual[i] - mean);
        }
        Array.Sort(errors);

        var metrics = new SortedDictionary<string, double>(StringComparer.Ordinal)
        {
            [MetricNames.Rmse] = Math.Sqrt(squares / count),
            [MetricNames.Mae] = sum / count,
            [MetricNames.MedianAbsoluteError] = count % 2 == 1 ? errors[count / 2] : (errors[count / 2 - 1] + errors[count / 2]) / 2,
        };
        if (variance > 0) metrics[MetricNames.R2] = 1 - squares / variance;
        if (!lower.IsEmpty)
        {
            var covered = 0;
            double width = 0;
            for (var i = 0; i < count; i++)
            {
                if (actual[i] >= lower[i] && actual[i] <= upper[i]) covered++;
                width += (double)upper[i] - lower[i];
            }
            metrics[MetricNames.IntervalCoverage] = (double)covered / count;
            metrics[MetricNames.IntervalWidth] = width / count;
        }
        return new EvaluationReport { Task = TaskKinds.Regression, SampleCount = count, Metrics = metrics };
    }
}
