using System.Diagnostics;
using System.Globalization;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Serving.Onnx;
using Atoll.Training;
using Atoll.Training.Entities;
using Atoll.Training.Evaluation;

namespace Atoll.Benchmarks;

/// <summary>Trains a model that finds entities per dataset and measures the exported model on the raw texts of the test split.</summary>
internal static class EntityAccuracy
{
    private const int TimedRequests = 1_000;

    private static readonly EntitySet[] Sets = [new("wikigold", 0.58), new("wnut17", 0.18, HasDev: true)];

    public static bool Run(BenchmarkArguments arguments)
    {
        var only = arguments["--only"]?.Split(':').ElementAtOrDefault(1);
        var parameters = arguments.All("--set").Select(pair => pair.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]);
        int[] seeds = [.. (arguments["--seeds"] ?? "1").Split(',').Select(seed => int.Parse(seed, CultureInfo.InvariantCulture))];
        var isVerbose = arguments["--verbose"] == "true";
        Console.WriteLine("| dataset | texts train / validation / test | labels | seed | precision | recall | micro F1 | bar | CPU s | model MB | p50 ms a request |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|---|");
        var met = true;
        foreach (var set in Sets.Where(set => only is null || only == set.Name))
            foreach (var seed in seeds)
                met &= Measure(arguments["--data"]!, set, new TrainingSettings { Seed = seed, Parameters = parameters }, isVerbose, arguments.Has("--folds"));
        return met;
    }

    private static bool Measure(string data, EntitySet set, TrainingSettings settings, bool isVerbose, bool isFold)
    {
        var (train, validation, test) = Read(data, set, settings.Seed, isFold);
        using var process = Process.GetCurrentProcess();
        var cpu = process.TotalProcessorTime;
        var model = EntityTrainer.Train(train.WithValidation(validation), settings, isVerbose ? new LogReport() : new SilentTrainingReport(), CancellationToken.None);
        process.Refresh();
        cpu = process.TotalProcessorTime - cpu;

        using var session = OnnxSession.Load(model.Onnx);
        var report = EntityEvaluation.Evaluate(session, model.Signature, test, CancellationToken.None);
        var score = report.Metrics[MetricNames.MicroF1];
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| {set.Name} | {train.Samples.Count} / {validation.Samples.Count} / {test.Samples.Count} | {train.LabelNames.Count} | {settings.Seed} | {report.Metrics[MetricNames.MicroPrecision]:F4} | {report.Metrics[MetricNames.MicroRecall]:F4} | {score:F4} | {set.Least:F3}{(score < set.Least ? " MISSED" : "")} | {cpu.TotalSeconds:F1} | {model.Onnx.Length / 1e6:F1} | {Latency(session, test):F3} |"));
        if (isVerbose)
        {
            foreach (var label in report.PerLabel!)
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {label.Label}: precision {label.Precision:F3}, recall {label.Recall:F3}, F1 {label.F1:F3} of {label.Support}"));
        }
        return score >= set.Least;
    }

    private static double Latency(OnnxSession session, EntityExamples examples)
    {
        var times = new double[TimedRequests];
        for (var i = 0; i < times.Length; i++)
        {
            var start = Stopwatch.GetTimestamp();
            using var input = OnnxTensor.FromStrings([examples.Samples[i % examples.Samples.Count].Text], 1);
            foreach (var output in session.Run(input)) output.Dispose();
            times[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }
        Array.Sort(times);
        return times[times.Length / 2];
    }

    /// <summary>Through the import that customers' files take. A fold is a fifth of the training part, in place of the test part: to choose settings by.</summary>
    private static (EntityExamples Train, EntityExamples Validation, EntityExamples Test) Read(string data, EntitySet set, int seed, bool isFold)
    {
        SourceFile FileOf(string split, string name) => new($"{name}.conll", Path.Combine(data, set.Name, $"{name}.conll"), split);
        List<SourceFile> files = isFold ? [new("train.conll", Path.Combine(data, set.Name, "train.conll"))] : [FileOf(SplitNames.Train, "train"), FileOf(SplitNames.Test, "test")];
        if (set.HasDev && !isFold) files.Add(FileOf(SplitNames.Validation, "dev"));
        var folder = Directory.CreateTempSubdirectory("atoll-bench-").FullName;
        try
        {
            var (samples, index) = (Path.Combine(folder, "data"), Path.Combine(folder, "index"));
            ImportOutcome outcome;
            using (var dataFile = File.Create(samples))
            using (var indexFile = File.Create(index))
                outcome = DatasetImport.Run(new EntityFormat(), files, new ImportSettings { Seed = seed }, dataFile, indexFile, null, CancellationToken.None);
            if (outcome.Manifest is not { } manifest) throw new InvalidOperationException(outcome.Problems.Errors[0].Message);
            using var pack = SamplePackReader.Open(samples, index);
            var reader = new ExampleReader(pack, manifest);
            return (reader.ReadEntities(Split.Train), reader.ReadEntities(Split.Validation), reader.ReadEntities(Split.Test));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private sealed record EntitySet(string Name, double Least, bool HasDev = false);

    private sealed class LogReport : ITrainingReport
    {
        public void Progress(string stage, double fraction)
        {
        }

        public void Metric(string name, double value, int step) => Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name} {step}: {value:F4}"));

        public void Log(string message) => Console.Error.WriteLine(message);
    }
}
