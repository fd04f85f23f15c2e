using System.Diagnostics;
using System.Globalization;
using Atoll.Training;
using Atoll.Training.Linear;
using Atoll.Training.Trees;

namespace Atoll.Benchmarks;

/// <summary>How many small models can be trained in a minute: 1,000 rows, 20 numeric columns, one logistic regression and 100 trees of 31 leaves each.</summary>
internal static class TabularSpeed
{
    private const int Rows = 1000;
    private const int TestRows = 4000;
    private const int Columns = 20;
    // On two cores.
    private const double Bar = 1300;

    public static bool Run(BenchmarkArguments arguments)
    {
        var threads = int.Parse(arguments["--threads"] ?? "2", CultureInfo.InvariantCulture);
        var models = int.Parse(arguments["--models"] ?? "200", CultureInfo.InvariantCulture);
        var (columns, target) = Data(new SplitMix64(1), Rows + TestRows);
        var train = columns.Select(column => column[..Rows]).ToArray();
        var trainTarget = target[..Rows];

        // The runtime compiles hot loops again after some use; that belongs to no model.
        for (var i = 0; i < 60; i++) Train(train, trainTarget, (ulong)i);
        using var process = Process.GetCurrentProcess();
        var processor = process.TotalProcessorTime;
        var watch = Stopwatch.StartNew();
        Parallel.For(0, models, new ParallelOptions { MaxDegreeOfParallelism = threads }, i => Train(train, trainTarget, (ulong)i));
        var perMinute = models / watch.Elapsed.TotalMinutes;

        // Neighbours on the machine take wall time, not processor time: the bar is held against what the cores would give alone.
        process.Refresh();
        var processorMs = (process.TotalProcessorTime - processor).TotalMilliseconds / models;
        var alone = threads * 60_000 / processorMs;

        var (linear, trees) = Train(train, trainTarget, 1);
        Console.WriteLine("| rows x columns | threads | CPU ms a model | models a minute by CPU time | by wall time | bar | AUC of trees | AUC of logistic |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {Rows:N0} x {Columns} | {threads} | {processorMs:0.0} | {alone:N0} | {perMinute:N0} | {Bar:N0} | {AucOf(trees, columns, target):0.0000} | {AucOf(linear, columns, target):0.0000} |"));
        return alone >= Bar * threads / 2;
    }

    private static (LinearModel Linear, BoostedTrees Trees) Train(float[][] columns, float[] target, ulong seed)
    {
        var rows = Enumerable.Range(0, Rows).ToArray();
        var sparse = new SparseRows(Columns);
        for (var row = 0; row < Rows; row++)
        {
            for (var column = 0; column < Columns; column++) sparse.Add(column, columns[column][row]);
            sparse.EndRow();
        }
        var linear = LinearSolver.Fit(new LinearProblem(sparse, target, LossKind.Logistic, 1, rows), 1, null, CancellationToken.None);
        var data = BinnedFeatures.Fit(columns, Rows);
        var trees = Boosting.Train(
            new BoostingProblem(data, target, LossKind.Logistic, 1, rows, []),
            new TreeSettings { Leaves = 31, LearningRate = 0.1f }, 100, int.MaxValue, seed, null, null, CancellationToken.None);
        return (linear, trees.Model);
    }

    private static double AucOf(object model, float[][] columns, float[] target)
    {
        var scores = new float[TestRows];
        var positive = new bool[TestRows];
        var values = new float[Columns];
        Span<double> score = stackalloc double[1];
        var positions = Enumerable.Range(0, Columns).ToArray();
        for (var i = 0; i < TestRows; i++)
        {
            for (var column = 0; column < Columns; column++) values[column] = columns[column][Rows + i];
            if (model is BoostedTrees trees) trees.Predict(values, score);
            else ((LinearModel)model).Predict(positions, values, score);
            scores[i] = (float)score[0];
            positive[i] = target[Rows + i] > 0.5f;
        }
        return Training.Evaluation.RankingMetrics.Auc(scores, positive)!.Value;
    }

    /// <summary>Numbers of which a few matter, in straight, bent and joint ways.</summary>
    private static (float[][] Columns, float[] Target) Data(SplitMix64 random, int rows)
    {
        var columns = Enumerable.Range(0, Columns).Select(_ => new float[rows]).ToArray();
        var target = new float[rows];
        for (var row = 0; row < rows; row++)
        {
            double Normal() => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            foreach (var column in columns) column[row] = (float)Normal();
            var score = columns[0][row] - (0.8 * columns[1][row]) + (columns[2][row] * columns[3][row])
                + Math.Abs(columns[4][row]) - (0.5 * columns[5][row] * columns[5][row]) + (0.5 * columns[6][row]) + (0.5 * Normal());
            target[row] = score > 0 ? 1 : 0;
        }
        return (columns, target);
    }
}
