using System.Diagnostics;
using Atoll.Contracts;
using Atoll.Serving.Onnx;

namespace Atoll.Training.Evaluation;

/// <summary>Measures what a model loses without each of its columns: shuffled among the rows, and left out of all.</summary>
/// <remarks>
/// Shuffled tells what the model goes by, for a column keeps its values but they belong to nobody. Left out tells what a caller loses who does not send
/// the column; the model is not trained anew, but it has learned from rows with columns left out. Two columns that say the same hide each other in both.
/// </remarks>
internal static class ColumnEffectsMeasurement
{
    private const int RowsMost = 1000;
    private const int ColumnsMost = 100;
    private const int ShufflesMost = 3;

    // Rows that the model predicts, in all: a second or two for most models.
    private const int PredictionsMost = 200_000;
    private const double SmallestProbability = 1e-7;

    // For models that are slow all the same.
    private static readonly TimeSpan TimeMost = TimeSpan.FromSeconds(30);

    public static ColumnEffects? Measure(HeldOutTable table, ModelSignature signature, ulong seed, ITrainingReport report, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        var random = new SplitMix64(seed);
        var truth = Truth(table, signature);
        var rows = table.Rows.Where(row => truth[row] >= 0 || signature.Task == TaskKinds.Regression).ToArray();
        random.Shuffle<int>(rows);
        if (rows.Length > RowsMost) rows = rows[..RowsMost];
        if (rows.Length < 2) return null;
        Array.Sort(rows);

        // A column without importance is in no split and has no weight: nothing changes without it.
        var used = signature.Inputs.Where(input => input.Importance is null or > 0).OrderByDescending(input => input.Importance ?? 0).ToList();
        var columns = used.Take(ColumnsMost).ToList();
        var shuffles = Math.Clamp((PredictionsMost / Math.Max(1, rows.Length * columns.Count)) - 1, 1, ShufflesMost);
        var untouched = Score(table, signature, truth, rows, null, null, cancellationToken);
        var none = new int[rows.Length];
        Array.Fill(none, -1);
        var effects = new List<ColumnEffect>();
        foreach (var column in columns)
        {
            if (watch.Elapsed > TimeMost) break;
            report.Progress("evaluating", (double)effects.Count / columns.Count);
            var rises = new double[shuffles];
            for (var i = 0; i < shuffles; i++)
            {
                var from = (int[])rows.Clone();
                random.Shuffle<int>(from);
                rises[i] = Score(table, signature, truth, rows, column.Name, from, cancellationToken) - untouched;
            }
            var mean = rises.Average();
            effects.Add(new ColumnEffect(
                column.Name, mean, Math.Sqrt(rises.Sum(rise => (rise - mean) * (rise - mean)) / shuffles),
                Score(table, signature, truth, rows, column.Name, none, cancellationToken) - untouched));
        }
        return new ColumnEffects
        {
            Metric = signature.Task == TaskKinds.Regression ? MetricNames.Rmse : MetricNames.LogLoss,
            Untouched = untouched,
            Rows = rows.Length,
            Shuffles = shuffles,
            Columns = [.. effects.OrderByDescending(effect => effect.Shuffled)],
            NotMeasured = used.Count - effects.Count,
        };
    }

    /// <summary>For each row the value, or the position of its label; -1 for a label that the model does not know.</summary>
    private static double[] Truth(HeldOutTable table, ModelSignature signature)
    {
        var truth = new double[table.Rows.Length == 0 ? 0 : table.Rows[^1] + 1];
        Array.Fill(truth, -1);
        var positions = (signature.Labels ?? []).Select((label, i) => (label, i)).ToDictionary(pair => pair.label, pair => pair.i, StringComparer.Ordinal);
        foreach (var row in table.Rows)
        {
            truth[row] = signature.Task == TaskKinds.Regression
                ? table.Target.Numbers![row]
                : positions.TryGetValue(HeldOutTable.TextOf(table.Target, row)!, out var position) ? position : -1;
        }
        return truth;
    }

    private static double Score(
        HeldOutTable table, ModelSignature signature, double[] truth, int[] rows, string? changed, int[]? from, CancellationToken cancellationToken)
    {
        var isRegression = signature.Task == TaskKinds.Regression;
        var output = Outputs.Find(table.Session, isRegression ? "value" : "probabilities");
        var labels = signature.Labels?.Count ?? 0;
        double sum = 0;
        table.Run(rows, Add, cancellationToken, changed, from);
        return isRegression ? Math.Sqrt(sum / rows.Length) : sum / rows.Length;

        void Add(OnnxTensor[] inputs, int[] batch, int first)
        {
            var outputs = table.Session.Run(inputs);
            try
            {
                var values = outputs[output].Span<float>();
                for (var i = 0; i < batch.Length; i++)
                {
                    if (isRegression) sum += Math.Pow(values[i] - truth[batch[i]], 2);
                    else sum -= Math.Log(Math.Clamp((double)values[(i * labels) + (int)truth[batch[i]]], SmallestProbability, 1));
                }
            }
            finally
            {
                foreach (var value in outputs) value.Dispose();
            }
        }
    }
}
