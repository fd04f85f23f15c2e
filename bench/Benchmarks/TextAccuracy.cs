using System.Diagnostics;
using System.Globalization;
using System.Text;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Serving.Onnx;
using Atoll.Training;
using Atoll.Training.Evaluation;
using Atoll.Training.Text;

namespace Atoll.Benchmarks;

/// <summary>Trains a text model per dataset and measures the exported model on the raw texts of the test split.</summary>
internal static class TextAccuracy
{
    private const int TimedRequests = 2_000;

    private static readonly TextSet[] Sets =
    [
        new("banking77", "banking77", "text", "label", false, [new(MetricNames.Accuracy, 0.918)]),
        new("sentiment-sentences", "sentiment-sentences", "text", "label", false, [new(MetricNames.Accuracy, 0.835)]),
        new("goemotions-sentiment", "goemotions", "text", "sentiment", false, [new(MetricNames.Accuracy, 0.733), new(MetricNames.MacroF1, 0.720)])
        {
            Only = ["positive", "negative", "neutral"],
        },
        new("goemotions", "goemotions", "text", "emotions", true, [new(MetricNames.MacroF1, 0.36)]),
    ];

    public static bool Run(BenchmarkArguments arguments)
    {
        var only = arguments["--only"]?.Split(':').ElementAtOrDefault(1);
        var settings = new TrainingSettings
        {
            Parameters = arguments.All("--set").Select(pair => pair.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]),
        };
        Console.WriteLine("| dataset | texts train / test | labels | metric | ours | bar | CPU s | wall s | model MB | p50 ms a request |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|");
        var met = true;
        foreach (var set in Sets)
            if (only is null || only == set.Name) met &= Measure(arguments["--data"]!, set, settings, arguments["--verbose"] == "true");
        return met;
    }

    private static bool Measure(string data, TextSet set, TrainingSettings settings, bool isVerbose)
    {
        var train = Read(Path.Combine(data, set.Folder, "train.csv"), set);
        var test = Read(Path.Combine(data, set.Folder, "test.csv"), set);
        using var process = Process.GetCurrentProcess();
        var cpu = process.TotalProcessorTime;
        var clock = Stopwatch.StartNew();
        var model = TextTrainer.Train(
            train, set.IsMultiLabel, settings, isVerbose ? new LogReport() : new SilentTrainingReport(), CancellationToken.None);
        var wall = clock.Elapsed;
        process.Refresh();
        cpu = process.TotalProcessorTime - cpu;

        using var session = OnnxSession.Load(model.Onnx);
        var report = ModelEvaluator.Evaluate(session, model.Signature, test, CancellationToken.None);
        var latency = Latency(session, test.Texts);
        var met = true;
        foreach (var bar in set.Bars)
        {
            var score = report.Metrics[bar.Metric];
            met &= score >= bar.Least;
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {set.Name} | {train.Texts.Count} / {test.Texts.Count} | {train.LabelNames.Count} | {bar.Metric} | {score:F4} | {bar.Least:F3}{(score < bar.Least ? " MISSED" : "")} | {cpu.TotalSeconds:F1} | {wall.TotalSeconds:F1} | {model.Onnx.Length / 1e6:F1} | {latency:F3} |"));
        }
        if (isVerbose) Console.WriteLine(string.Join(", ", report.Metrics.Select(pair => string.Create(CultureInfo.InvariantCulture, $"{pair.Key} {pair.Value:F4}"))));
        return met;
    }

    private static double Latency(OnnxSession session, IReadOnlyList<string> texts)
    {
        var times = new double[TimedRequests];
        for (var i = 0; i < times.Length; i++)
        {
            var start = Stopwatch.GetTimestamp();
            using var input = OnnxTensor.FromStrings([texts[i % texts.Count]], 1);
            foreach (var output in session.Run(input)) output.Dispose();
            times[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }
        Array.Sort(times);
        return times[times.Length / 2];
    }

    private static TextExamples Read(string path, TextSet set)
    {
        using var csv = new CsvReader(File.OpenRead(path), new CsvDialect { Encoding = Encoding.UTF8 });
        csv.Read();
        var header = Enumerable.Range(0, csv.FieldCount).Select(i => csv[i].ToString()).ToList();
        var (textAt, labelAt) = (header.IndexOf(set.TextColumn), header.IndexOf(set.LabelColumn));
        List<string> texts = [];
        List<string[]> labels = [];
        while (csv.Read())
        {
            string[] names = csv[labelAt].ToString().Split(';');
            if (set.Only is not null && (names.Length != 1 || !set.Only.Contains(names[0]))) continue;
            texts.Add(csv[textAt].ToString());
            labels.Add(names);
        }
        var all = labels.SelectMany(names => names).Distinct().Order(StringComparer.Ordinal).ToList();
        return new TextExamples(texts, [.. labels.Select(names => names.Select(name => all.IndexOf(name)).ToArray())], all);
    }

    private sealed record Bar(string Metric, double Least);

    private sealed record TextSet(string Name, string Folder, string TextColumn, string LabelColumn, bool IsMultiLabel, Bar[] Bars)
    {
        /// <summary>Rows with exactly one of these labels; null: all rows.</summary>
        public string[]? Only { get; init; }
    }

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
