using System.Diagnostics;
using System.Globalization;
using System.Text;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Serving.Onnx;
using Atoll.Training;
using Atoll.Training.Evaluation;
using Atoll.Training.Tabular;

namespace Atoll.Benchmarks;

/// <summary>Trains a tabular model per dataset and measures the exported model on the raw rows of the test split.</summary>
internal static class TabularAccuracy
{
    private sealed record Set(string Name, string Target, string Ignore, string Metric, double Bar, bool SmallerIsBetter = false);

    private static readonly Set[] Sets =
    [
        new("adult", "income", "", MetricNames.Auc, 0.927),
        new("telco-churn", "Churn", "", MetricNames.Auc, 0.843),
        new("bank-marketing", "y", "duration", MetricNames.Auc, 0.815),
        new("titanic", "Survived", "", MetricNames.Auc, 0.878),
        new("bike-sharing", "cnt", "casual,registered,instant", MetricNames.R2, 0.954),
        new("california-housing", "median_house_value", "", MetricNames.Rmse, 46_000, SmallerIsBetter: true),
    ];

    public static bool Run(BenchmarkArguments arguments)
    {
        var only = arguments["--only"]?.Split(':').ElementAtOrDefault(1);
        var met = true;
        Console.WriteLine("| dataset | rows train / test | metric | ours | bar | other scores | training: CPU s | wall s | model KB | chosen |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|");
        foreach (var set in Sets)
        {
            if (only is null || only.Split(',').Contains(set.Name)) met &= Measure(arguments, set);
        }
        return met;
    }

    private static bool Measure(BenchmarkArguments arguments, Set set)
    {
        var folder = Path.Combine(arguments["--data"]!, set.Name);
        var types = TypesOf(Path.Combine(folder, "train.csv"));
        var train = Read(Path.Combine(folder, "train.csv"), types, set.Target);
        var test = Read(Path.Combine(folder, "test.csv"), types, set.Target);
        var parameters = arguments.All("--set").Select(pair => pair.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]);
        parameters.Remove("seed", out var seed);
        if (set.Ignore.Length > 0) parameters.TryAdd("ignore", set.Ignore);
        var settings = new TrainingSettings { Parameters = parameters, Seed = int.Parse(seed ?? "1", CultureInfo.InvariantCulture) };

        using var process = Process.GetCurrentProcess();
        var processor = process.TotalProcessorTime;
        var watch = Stopwatch.StartNew();
        var verbose = arguments["--verbose"] == "true";
        var trained = TabularTrainer.Train(train, settings, verbose ? new LogReport() : new SilentTrainingReport(), CancellationToken.None);
        var wall = watch.Elapsed.TotalSeconds;
        process.Refresh();
        var seconds = (process.TotalProcessorTime - processor).TotalSeconds;

        using var session = OnnxSession.Load(trained.Onnx);
        var scores = ModelEvaluator.Evaluate(session, trained.Signature, test, CancellationToken.None).Metrics;
        var ours = scores[set.Metric];
        var met = set.SmallerIsBetter ? ours <= set.Bar : ours >= set.Bar;
        var others = scores.Where(pair => pair.Key != set.Metric && pair.Key is MetricNames.Accuracy or MetricNames.LogLoss or MetricNames.Mae or MetricNames.Rmse or MetricNames.IntervalCoverage)
            .Select(pair => $"{pair.Key} {Format(pair.Value)}");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {set.Name} | {train.RowCount:N0} / {test.RowCount:N0} | {set.Metric} | {(met ? "" : "**missed** ")}{Format(ours)} | {Format(set.Bar)} | {string.Join(", ", others)} | {seconds:0.0} | {wall:0.0} | {trained.Onnx.Length / 1024} | {trained.Algorithm} |"));
        if (arguments["--preparation"] == "true") Console.WriteLine(trained.Preparation!.ToJsonString(new() { WriteIndented = true }));
        return met;
    }

    private static string Format(double value) => value.ToString(Math.Abs(value) >= 100 ? "N0" : "0.0000", CultureInfo.InvariantCulture);

    private static ColumnVerdict[] TypesOf(string path)
    {
        using var reader = Open(path);
        reader.Read();
        var profilers = Enumerable.Range(0, reader.FieldCount).Select(i => new ColumnProfiler(reader[i].ToString(), false, reader.FieldCount)).ToArray();
        while (reader.Read())
        {
            for (var i = 0; i < profilers.Length; i++)
            {
                if (reader[i].IsEmpty) profilers[i].AddMissing();
                else profilers[i].Add(reader[i], reader.Line);
            }
        }
        return [.. profilers.Select(profiler => profiler.Infer())];
    }

    private static TabularExamples Read(string path, ColumnVerdict[] types, string target)
    {
        using var reader = Open(path);
        reader.Read();
        var names = Enumerable.Range(0, types.Length).Select(i => reader[i].ToString()).ToArray();
        var numbers = types.Select(type => ColumnTypes.IsNumeric(type.Type) ? new List<float>() : null).ToArray();
        var texts = types.Select(type => ColumnTypes.IsNumeric(type.Type) ? null : new List<string?>()).ToArray();
        var rows = 0;
        for (; reader.Read(); rows++)
        {
            for (var i = 0; i < types.Length; i++)
            {
                var cell = reader[i];
                texts[i]?.Add(cell.IsEmpty ? null : cell.ToString());
                numbers[i]?.Add(CellValues.TryNumeric(cell, false, out var value) ? (float)value : float.NaN);
            }
        }
        var columns = types.Select((type, i) => new ColumnValues
        {
            Name = names[i],
            Type = type.Type,
            Numbers = numbers[i]?.ToArray(),
            Texts = texts[i]?.ToArray(),
        });
        return new TabularExamples([.. columns], rows, target);
    }

    private static CsvReader Open(string path) => new(File.OpenRead(path), new CsvDialect { Encoding = Encoding.UTF8 });

    /// <summary>Shows the run's log.</summary>
    private sealed class LogReport : ITrainingReport
    {
        public void Progress(string stage, double fraction)
        {
        }

        public void Metric(string name, double value, int step)
        {
        }

        public void Log(string message) => Console.Error.WriteLine(message);
    }
}
