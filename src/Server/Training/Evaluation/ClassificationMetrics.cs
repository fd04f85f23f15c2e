using Atoll.Contracts;

namespace Atoll.Training.Evaluation;

/// <summary>Scores of predictions with one label per sample.</summary>
internal static class ClassificationMetrics
{
    // A model that gives the truth no probability at all would have infinite loss; the bound is that of single precision.
    private const double SmallestProbability = 1e-7;

    /// <summary>Compares predictions with the truth.</summary>
    /// <param name="actual">Positions in <paramref name="labels"/>.</param>
    /// <param name="predicted">Positions in <paramref name="labels"/>.</param>
    /// <param name="probabilities">Rows of <paramref name="modelLabelCount"/> probabilities.</param>
    /// <param name="labels">The model's labels first, then those that only the samples have.</param>
    /// <param name="modelLabelCount">How many of <paramref name="labels"/> the model knows.</param>
    public static EvaluationReport Compute(
        ReadOnlySpan<int> actual, ReadOnlySpan<int> predicted, ReadOnlySpan<float> probabilities,
        IReadOnlyList<string> labels, int modelLabelCount)
    {
        var count = actual.Length;
        if (count == 0) throw new ArgumentException("There are no samples to evaluate on.", nameof(actual));
        if (predicted.Length != count || probabilities.Length != (long)count * modelLabelCount)
            throw new ArgumentException("Predictions, probabilities and truth must cover the same samples.", nameof(predicted));

        var confusion = new int[labels.Count][];
        for (var i = 0; i < confusion.Length; i++) confusion[i] = new int[labels.Count];
        for (var i = 0; i < count; i++) confusion[actual[i]][predicted[i]]++;

        var counts = new LabelCounts[labels.Count];
        var right = 0;
        for (var row = 0; row < labels.Count; row++)
        {
            right += confusion[row][row];
            counts[row].TruePositives = confusion[row][row];
            for (var column = 0; column < labels.Count; column++)
            {
                counts[row].Actual += confusion[row][column];
                counts[column].Predicted += confusion[row][column];
            }
        }

        var metrics = new SortedDictionary<string, double>(StringComparer.Ordinal) { [MetricNames.Accuracy] = (double)right / count };
        LabelCounts.AddMacro(counts, metrics);
        LabelCounts.AddWeighted(counts, metrics);
        metrics[MetricNames.LogLoss] = LogLoss(actual, probabilities, modelLabelCount);
        var calibration = CalibrationOf(actual, predicted, probabilities, modelLabelCount);
        metrics[MetricNames.CalibrationError] = calibration.Error;
        if (labels.Count == 2 && modelLabelCount == 2) AddBinary(actual, probabilities, metrics);

        return new EvaluationReport
        {
            Task = TaskKinds.Classification,
            SampleCount = count,
            Metrics = metrics,
            Labels = labels,
            ConfusionMatrix = confusion,
            PerLabel = LabelCounts.ToTable(counts, labels),
            Intervals = [IntervalOf(MetricNames.Accuracy, right, count)],
            Calibration = calibration.ToTable(),
        };
    }

    /// <summary>Of a score that is the share of so many samples.</summary>
    public static ScoreInterval IntervalOf(string metric, int hits, int count)
    {
        var (lower, upper) = Confidence.Wilson(hits, count);
        return new ScoreInterval(metric, lower, upper);
    }

    private static void AddBinary(ReadOnlySpan<int> actual, ReadOnlySpan<float> probabilities, SortedDictionary<string, double> metrics)
    {
        var scores = new float[actual.Length];
        var positive = new bool[actual.Length];
        double squares = 0;
        for (var i = 0; i < scores.Length; i++)
        {
            scores[i] = probabilities[2 * i + 1];
            positive[i] = actual[i] == 1;
            var error = scores[i] - (positive[i] ? 1.0 : 0.0);
            squares += error * error;
        }
        metrics[MetricNames.Brier] = squares / scores.Length;
        if (RankingMetrics.Auc(scores, positive) is { } auc) metrics[MetricNames.Auc] = auc;
        if (RankingMetrics.AveragePrecision(scores, positive) is { } area) metrics[MetricNames.AucPr] = area;
    }

    public static double LogLoss(ReadOnlySpan<int> actual, ReadOnlySpan<float> probabilities, int width)
    {
        double sum = 0;
        for (var i = 0; i < actual.Length; i++)
        {
            double probability = actual[i] < width ? probabilities[i * width + actual[i]] : 0;
            sum -= Math.Log(Math.Clamp(probability, SmallestProbability, 1));
        }
        return sum / actual.Length;
    }

    private static Calibration CalibrationOf(
        ReadOnlySpan<int> actual, ReadOnlySpan<int> predicted, ReadOnlySpan<float> probabilities, int width)
    {
        var calibration = new Calibration();
        for (var i = 0; i < actual.Length; i++)
            calibration.Add(predicted[i] < width ? probabilities[i * width + predicted[i]] : 0, actual[i] == predicted[i]);
        return calibration;
    }
}
