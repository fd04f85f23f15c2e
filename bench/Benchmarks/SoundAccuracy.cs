using System.Diagnostics;
using System.Globalization;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Platform.Audio;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;
using Atoll.Training;
using Atoll.Training.Audio;
using Atoll.Training.Evaluation;

namespace Atoll.Benchmarks;

/// <summary>Trains models on spoken digits and measures the served form on the raw wav files of the test split, and of a speaker who was never heard.</summary>
internal static class SoundAccuracy
{
    private const string Dataset = "fsdd";

    // Of the source's split, in which every speaker is in both parts.
    private const double Bar = 0.97;

    public static bool Run(BenchmarkArguments arguments)
    {
        if (arguments["--only"]?.Split(':') is [_, var only] && only is not (Dataset or "speakers")) return true;
        var split = arguments["--only"]?.Split(':').ElementAtOrDefault(1);
        var parameters = arguments.All("--set").Select(pair => pair.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]);
        int[] seeds = [.. (arguments["--seeds"] ?? "1").Split(',').Select(seed => int.Parse(seed, CultureInfo.InvariantCulture))];
        var (train, test, speakers) = Read(arguments["--data"]!);
        var met = true;
        Console.WriteLine("| dataset | sounds train / test | seed | accuracy | bar | training: CPU s | wall s | model KB | own bytes KB | p50 ms a sound |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|");
        foreach (var seed in seeds)
        {
            var settings = new TrainingSettings { Seed = seed, Parameters = parameters };
            if (split is null or Dataset) met &= Measure(Dataset, train, test, settings, arguments["--verbose"] == "true", Bar) >= Bar;
            if (split == Dataset) continue;

            // All sounds, without a speaker to learn from, and his to measure by.
            var all = Join(train, test);
            var scores = new List<double>();
            foreach (var speaker in speakers.Distinct().Order(StringComparer.Ordinal))
            {
                int[] mine = [.. Enumerable.Range(0, all.Count).Where(i => speakers[i] == speaker)], others = [.. Enumerable.Range(0, all.Count).Where(i => speakers[i] != speaker)];
                scores.Add(Measure($"without {speaker}", Pick(all, others), Pick(all, mine), settings, arguments["--verbose"] == "true", null));
            }
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| mean over speakers | | {seed} | {scores.Average():F4} | | | | | | |"));
        }
        return met;
    }

    private static double Measure(string name, SoundExamples train, SoundExamples test, TrainingSettings settings, bool isVerbose, double? bar)
    {
        using var process = Process.GetCurrentProcess();
        var cpu = process.TotalProcessorTime;
        var clock = Stopwatch.StartNew();
        var model = SoundTrainer.Train(train, settings, isVerbose ? new LogReport() : new SilentTrainingReport(), CancellationToken.None);
        var wall = clock.Elapsed;
        process.Refresh();
        cpu = process.TotalProcessorTime - cpu;

        var serving = ServingForm.Make(model.Onnx, CancellationToken.None);
        if (serving.GraphDigest is null) throw new InvalidOperationException($"The model does not share a session: {serving.Reason}");
        using var graph = SharedGraph.Load(serving.Graph);
        using var session = graph.Bind(serving);
        var report = ModelEvaluator.Evaluate(session, model.Signature, test, CancellationToken.None);
        var score = report.Metrics[MetricNames.Accuracy];
        var verdict = bar is { } least ? string.Create(CultureInfo.InvariantCulture, $"{least:F3}{(score < least ? " MISSED" : "")}") : "";
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| {name} | {train.Count} / {test.Count} | {settings.Seed} | {score:F4} | {verdict} | {cpu.TotalSeconds:F0} | {wall.TotalSeconds:F0} | {model.Onnx.Length / 1e3:F0} | {serving.BytesWhenLoaded / 1e3:F0} | {Latency(session, model.Signature, test):F2} |"));
        return score;
    }

    /// <summary>From the decoded file to the label.</summary>
    private static double Latency(OnnxSession session, ModelSignature signature, SoundExamples examples)
    {
        var times = new double[500];
        for (var i = 0; i < times.Length; i++)
        {
            var clip = examples.Decode(i % examples.Count);
            var start = Stopwatch.GetTimestamp();
            var samples = Resampler.Resample(clip.Samples, clip.Rate, signature.SampleRate!.Value);
            using var input = OnnxTensor.Create<float>(samples, 1, samples.Length);
            foreach (var output in session.Run(input)) output.Dispose();
            times[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }
        Array.Sort(times);
        return times[times.Length / 2];
    }

    /// <summary>Through the import that customers' files take; the speaker is the second part of a file's name.</summary>
    private static (SoundExamples Train, SoundExamples Test, string[] Speakers) Read(string data)
    {
        var folder = Directory.CreateTempSubdirectory("atoll-bench-").FullName;
        try
        {
            SourceFile FileOf(string split) => new($"{split}.zip", Path.Combine(data, Dataset, $"{split}.zip"), split);
            var (samples, index) = (Path.Combine(folder, "data"), Path.Combine(folder, "index"));
            ImportOutcome outcome;
            using (var dataFile = File.Create(samples))
            using (var indexFile = File.Create(index))
                outcome = DatasetImport.Run(new SoundFormat(), [FileOf(SplitNames.Train), FileOf(SplitNames.Test)], new ImportSettings(), dataFile, indexFile, null, CancellationToken.None);
            if (outcome.Manifest is not { } manifest) throw new InvalidOperationException(outcome.Problems.Errors[0].Message);
            using var pack = SamplePackReader.Open(samples, index);
            var reader = new ExampleReader(pack, manifest);
            string[] speakers = [.. pack.Records().OrderBy(item => item.Record.Split == Split.Train ? 0 : 1).Select(item => pack.EntryName(item.Record)!.Split('_')[1])];
            return (InMemory(reader.ReadSounds(Split.Train)), InMemory(reader.ReadSounds(Split.Test)), speakers);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static SoundExamples InMemory(SoundExamples examples)
    {
        AudioClip[] clips = [.. Enumerable.Range(0, examples.Count).Select(examples.Decode)];
        return examples with { Decode = i => clips[i] };
    }

    private static SoundExamples Join(SoundExamples one, SoundExamples two) => new(
        one.Count + two.Count, i => i < one.Count ? one.Decode(i) : two.Decode(i - one.Count), [.. one.Labels, .. two.Labels], one.LabelNames);

    private static SoundExamples Pick(SoundExamples all, int[] chosen) =>
        new(chosen.Length, i => all.Decode(chosen[i]), [.. chosen.Select(i => all.Labels[i])], all.LabelNames);

    private sealed class LogReport : ITrainingReport
    {
        public void Progress(string stage, double fraction)
        {
        }

        public void Metric(string name, double value, int step) => Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name} {step}: {value:F4}"));

        public void Log(string message) => Console.Error.WriteLine(message);
    }
}
