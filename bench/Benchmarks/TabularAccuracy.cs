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

    private static readonly double[] LeftOut = [0.25, 0.5, 0.75];

    private sealed record Outcome(
        double Score, Dictionary<string, double> Others, double[] Blanked, double Seconds, int Bytes, string Algorithm);

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
        Console.WriteLine("| dataset | rows train / test | seeds | metric | mean | lowest | highest | bar | other scores | values left out: a quarter | half | three quarters | training, CPU s | model KB | chosen |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
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
        if (set.Ignore.Length > 0) parameters.TryAdd("ignore", set.Ignore);
        var seeds = (arguments["--seeds"] ?? "1").Split(',').Select(seed => int.Parse(seed, CultureInfo.InvariantCulture)).ToArray();

        // Settings are chosen on folds of the training split; the test split is for telling how good the choice is.
        var folds = int.Parse(arguments["--folds"] ?? "0", CultureInfo.InvariantCulture);
        var outcomes = new List<Outcome>();
        foreach (var seed in seeds)
        {
            var settings = new TrainingSettings { Parameters = parameters, Seed = seed };
            if (folds == 0) outcomes.Add(Train(set, train, test, settings, arguments));
            for (var fold = 0; fold < folds; fold++)
            {
                var (learned, held) = Part(train, folds, fold);
                outcomes.Add(Train(set, learned, held, settings, arguments));
            }
        }
        var mean = outcomes.Average(outcome => outcome.Score);
        var met = set.SmallerIsBetter ? mean <= set.Bar : mean >= set.Bar;
        var others = string.Join(", ", outcomes[0].Others.Keys.Select(name => $"{name} {Format(outcomes.Average(outcome => outcome.Others[name]))}"));
        var blanked = string.Join(" | ", Enumerable.Range(0, LeftOut.Length).Select(i => Format(outcomes.Average(outcome => outcome.Blanked[i]))));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {set.Name} | {train.RowCount:N0} / {(folds == 0 ? $"{test.RowCount:N0}" : $"{folds} folds of train")} | {seeds.Length} | {set.Metric} | {(met ? "" : "**missed** ")}{Format(mean)} | {Format(outcomes.Min(outcome => outcome.Score))} | {Format(outcomes.Max(outcome => outcome.Score))} | {Format(set.Bar)} | {others} | {blanked} | {outcomes.Average(outcome => outcome.Seconds):0.0} | {outcomes.Average(outcome => outcome.Bytes) / 1024:0} | {outcomes[0].Algorithm} |"));
        return met;
    }

    private static Outcome Train(Set set, TabularExamples train, TabularExamples test, TrainingSettings settings, BenchmarkArguments arguments)
    {
        using var process = Process.GetCurrentProcess();
        var processor = process.TotalProcessorTime;
        var verbose = arguments["--verbose"] == "true";
        var trained = TabularTrainer.Train(train, settings, verbose ? new LogReport() : new SilentTrainingReport(), CancellationToken.None);
        process.Refresh();
        var seconds = (process.TotalProcessorTime - processor).TotalSeconds;
        if (arguments["--preparation"] == "true") Console.WriteLine(trained.Preparation!.ToJsonString(new() { WriteIndented = true }));

        using var session = OnnxSession.Load(trained.Onnx);
        IReadOnlyDictionary<string, double> ScoresOf(TabularExamples rows) => ModelEvaluator.Evaluate(session, trained.Signature, rows, CancellationToken.None).Metrics;
        var scores = ScoresOf(test);
        string[] others = [MetricNames.Accuracy, MetricNames.LogLoss, MetricNames.Mae, MetricNames.Rmse, MetricNames.IntervalCoverage];
        return new Outcome(
            scores[set.Metric], scores.Where(pair => pair.Key != set.Metric && others.Contains(pair.Key)).ToDictionary(),
            [.. LeftOut.Select(share => ScoresOf(Blank(test, share))).Select(blanked => blanked[set.Metric])], seconds, trained.Onnx.Length, trained.Algorithm);
    }

    private static (TabularExamples Learned, TabularExamples Held) Part(TabularExamples examples, int folds, int fold)
    {
        var foldOf = new int[examples.RowCount];
        for (var row = 0; row < foldOf.Length; row++) foldOf[row] = row % folds;
        new Random(1).Shuffle(foldOf);
        TabularExamples Take(Func<int, bool> isTaken)
        {
            var rows = Enumerable.Range(0, examples.RowCount).Where(isTaken).ToArray();
            return examples with
            {
                RowCount = rows.Length,
                Columns =
                [
                    .. examples.Columns.Select(column => column with
                    {
                        Numbers = column.Numbers is { } numbers ? Array.ConvertAll(rows, row => numbers[row]) : null,
                        Texts = column.Texts is { } texts ? Array.ConvertAll(rows, row => texts[row]) : null,
                    }),
                ],
            };
        }
        return (Take(row => foldOf[row] != fold), Take(row => foldOf[row] == fold));
    }

    /// <summary>Leaves out a share of the values, by chance, as callers do who do not know everything.</summary>
    private static TabularExamples Blank(TabularExamples examples, double share)
    {
        var random = new Random(7);
        return examples with
        {
            Columns =
            [
                .. examples.Columns.Select(column => column.Name == examples.Target ? column : column with
                {
                    Numbers = column.Numbers is { } numbers ? Array.ConvertAll(numbers, value => random.NextDouble() < share ? float.NaN : value) : null,
                    Texts = column.Texts is { } texts ? Array.ConvertAll(texts, value => random.NextDouble() < share ? null : value) : null,
                }),
            ],
        };
    }

    private static string Format(double value) => value.ToString(Math.Abs(value) >= 100 ? "N0" : "0.0000", CultureInfo.InvariantCulture);

    internal static ColumnVerdict[] TypesOf(string path)
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

    internal static TabularExamples Read(string path, ColumnVerdict[] types, string target)
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
