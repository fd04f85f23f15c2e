using Atoll.Contracts;

namespace Atoll.Training.Evaluation;

/// <summary>How often a label occurred, was predicted, and both at once.</summary>
internal struct LabelCounts
{
    public int TruePositives;
    public int Actual;
    public int Predicted;

    public readonly double Precision => Ratio(TruePositives, Predicted);

    public readonly double Recall => Ratio(TruePositives, Actual);

    public readonly double F1 => Ratio(2 * TruePositives, Actual + Predicted);

    /// <summary>Means over the labels that occur or were predicted: a label the samples lack says nothing about the model.</summary>
    public static void AddMacro(ReadOnlySpan<LabelCounts> labels, IDictionary<string, double> metrics)
    {
        double precision = 0, recall = 0, f1 = 0;
        var seen = 0;
        foreach (var label in labels)
        {
            if (label.Actual == 0 && label.Predicted == 0) continue;
            seen++;
            precision += label.Precision;
            recall += label.Recall;
            f1 += label.F1;
        }
        if (seen == 0) return;
        metrics[MetricNames.MacroPrecision] = precision / seen;
        metrics[MetricNames.MacroRecall] = recall / seen;
        metrics[MetricNames.MacroF1] = f1 / seen;
    }

    public static void AddWeighted(ReadOnlySpan<LabelCounts> labels, IDictionary<string, double> metrics)
    {
        double precision = 0, recall = 0, f1 = 0, total = 0;
        foreach (var label in labels)
        {
            precision += label.Actual * label.Precision;
            recall += label.Actual * label.Recall;
            f1 += label.Actual * label.F1;
            total += label.Actual;
        }
        if (total == 0) return;
        metrics[MetricNames.WeightedPrecision] = precision / total;
        metrics[MetricNames.WeightedRecall] = recall / total;
        metrics[MetricNames.WeightedF1] = f1 / total;
    }

    public static void AddMicro(ReadOnlySpan<LabelCounts> labels, IDictionary<string, double> metrics)
    {
        var sum = new LabelCounts();
        foreach (var label in labels)
        {
            sum.TruePositives += label.TruePositives;
            sum.Actual += label.Actual;
            sum.Predicted += label.Predicted;
        }
        if (sum.Actual == 0 && sum.Predicted == 0) return;
        metrics[MetricNames.MicroPrecision] = sum.Precision;
        metrics[MetricNames.MicroRecall] = sum.Recall;
        metrics[MetricNames.MicroF1] = sum.F1;
    }

    public static IReadOnlyList<LabelMetrics> ToTable(ReadOnlySpan<LabelCounts> counts, IReadOnlyList<string> labels)
    {
        var table = new LabelMetrics[counts.Length];
        for (var i = 0; i < table.Length; i++)
        {
            table[i] = new LabelMetrics
            {
                Label = labels[i],
                Precision = counts[i].Precision,
                Recall = counts[i].Recall,
                F1 = counts[i].F1,
                Support = counts[i].Actual,
            };
        }
        return table;
    }

    private static double Ratio(int part, int whole) => whole == 0 ? 0 : (double)part / whole;
}
