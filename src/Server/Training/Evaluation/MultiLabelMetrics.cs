using Atoll.Contracts;

namespace Atoll.Training.Evaluation;

/// <summary>Scores of predictions with any number of labels per sample.</summary>
internal static class MultiLabelMetrics
{
    private const double SmallestProbability = 1e-7;

    /// <summary>Compares predictions with the truth.</summary>
    /// <param name="actual">Per sample the positions of its labels in <paramref name="labels"/>.</param>
    /// <param name="selected">Rows of <paramref name="modelLabelCount"/> decisions.</param>
    /// <param name="probabilities">Rows of <paramref name="modelLabelCount"/> probabilities.</param>
    /// <param name="labels">The model's labels first, then those that only the samples have.</param>
    /// <param name="modelLabelCount">How many of <paramref name="labels"/> the model knows.</param>
    public static EvaluationReport Compute(
        IReadOnlyList<int[]> actual, ReadOnlySpan<bool> selected, ReadOnlySpan<float> probabilities,
        IReadOnlyList<string> labels, int modelLabelCount)
    {
        if (actual.Count == 0) throw new ArgumentException("There are no samples to evaluate on.", nameof(actual));
        var cells = (long)actual.Count * modelLabelCount;
        if (selected.Length != cells || probabilities.Length != cells)
            throw new ArgumentException("Decisions, probabilities and truth must cover the same samples.", nameof(selected));

        var counts = new LabelCounts[labels.Count];
        var truth = new bool[labels.Count];
        double loss = 0;
        var calibration = new Calibration();
        var exact = 0;
        for (var i = 0; i < actual.Count; i++)
        {
            Array.Clear(truth);
            foreach (var label in actual[i]) truth[label] = true;
            var same = true;
            for (var label = 0; label < labels.Count; label++)
            {
                var known = label < modelLabelCount;
                var chosen = known && selected[i * modelLabelCount + label];
                if (truth[label]) counts[label].Actual++;
                if (chosen) counts[label].Predicted++;
                if (truth[label] && chosen) counts[label].TruePositives++;
                same &= truth[label] == chosen;
                double probability = known ? probabilities[i * modelLabelCount + label] : 0;
                if (known) calibration.Add(probability, truth[label]);
                loss -= Math.Log(Math.Clamp(truth[label] ? probability : 1 - probability, SmallestProbability, 1));
            }
            if (same) exact++;
        }

        var metrics = new SortedDictionary<string, double>(StringComparer.Ordinal)
        {
            [MetricNames.SubsetAccuracy] = (double)exact / actual.Count,
            [MetricNames.LogLoss] = loss / ((double)actual.Count * labels.Count),
        };
        LabelCounts.AddMacro(counts, metrics);
        LabelCounts.AddMicro(counts, metrics);
        LabelCounts.AddWeighted(counts, metrics);
        return new EvaluationReport
        {
            Task = TaskKinds.MultiLabelClassification,
            SampleCount = actual.Count,
            Metrics = metrics,
            Labels = labels,
            PerLabel = LabelCounts.ToTable(counts, labels),
            Intervals = [ClassificationMetrics.IntervalOf(MetricNames.SubsetAccuracy, exact, actual.Count)],
            Calibration = calibration.ToTable(),
        };
    }
}
