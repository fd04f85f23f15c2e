using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using Atoll.Platform.Imaging;
using Atoll.Serving.Onnx;
using Atoll.Training;
using Atoll.Training.Images;

namespace Atoll.Benchmarks;

/// <summary>Trains an image model per dataset and measures the exported model on the raw images of the test split.</summary>
internal static class ImageAccuracy
{
    private static readonly (string Dataset, double Bar)[] Sets = [("fashion-mnist", 0.895), ("trashnet", 0.78)];

    public static bool Run(BenchmarkArguments arguments)
    {
        var folder = arguments["--data"]!;
        var only = arguments["--only"]?.Split(':').ElementAtOrDefault(1);
        var parameters = arguments.All("--set").Select(pair => pair.Split('=', 2))
            .Where(pair => pair[0] is not ("limit" or "seed"))
            .ToDictionary(pair => pair[0], pair => pair[1]);
        string? Setting(string name) =>
            arguments.All("--set").Where(pair => pair.StartsWith(name + "=", StringComparison.Ordinal)).Select(pair => pair[(name.Length + 1)..]).FirstOrDefault();
        var settings = new TrainingSettings
        {
            Parameters = parameters,
            Seed = Setting("seed") is { } seed ? int.Parse(seed, CultureInfo.InvariantCulture) : 1,
            TimeLimit = Setting("limit") is { } limit ? TimeSpan.FromSeconds(double.Parse(limit, CultureInfo.InvariantCulture)) : null,
        };

        var rows = new List<string>();
        var met = true;
        foreach (var (dataset, bar) in Sets)
        {
            if (only is not null && only != dataset) continue;
            var row = Measure(Path.Combine(folder, dataset), dataset, bar, settings, arguments["--verbose"] == "true", out var accuracy);
            met &= accuracy >= bar;
            rows.Add(row);
        }
        Console.WriteLine("| dataset | images train / test | metric | ours | bar | training: CPU s | wall s | peak MB | model bytes | ms an image |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|");
        foreach (var row in rows) Console.WriteLine(row);
        return met;
    }

    private static string Measure(string folder, string dataset, double bar, TrainingSettings settings, bool isVerbose, out double accuracy)
    {
        var (trainFiles, trainLabels) = Read(Path.Combine(folder, "train.zip"));
        var (testFiles, testLabels) = Read(Path.Combine(folder, "test.zip"));
        var names = trainLabels.Distinct().Order(StringComparer.Ordinal).ToArray();
        var examples = new ImageExamples(
            trainFiles.Count, i => ImageDecoder.Decode(trainFiles[i]),
            [.. trainLabels.Select(label => (int[])[Array.IndexOf(names, label)])], names);

        var process = Process.GetCurrentProcess();
        var cpu = process.TotalProcessorTime;
        var clock = Stopwatch.StartNew();
        var model = ImageTrainer.Train(examples, multiLabel: false, settings, new ConsoleReport(isVerbose), CancellationToken.None);
        var wall = clock.Elapsed;
        process.Refresh();
        cpu = process.TotalProcessorTime - cpu;

        using var session = OnnxSession.Load(model.Onnx);
        var right = 0;
        var runTime = TimeSpan.Zero;
        for (var i = 0; i < testFiles.Count; i++)
        {
            var image = ImageDecoder.Decode(testFiles[i]);
            using var input = OnnxTensor.Create<byte>(image.Pixels, 1, image.Height, image.Width, 3);
            clock.Restart();
            var outputs = session.Run(input);
            runTime += clock.Elapsed;
            if (outputs[0].ToStrings()[0] == testLabels[i]) right++;
            foreach (var output in outputs) output.Dispose();
        }
        accuracy = (double)right / testFiles.Count;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"| {dataset} | {trainFiles.Count} / {testFiles.Count} | accuracy | {accuracy:F4} | {bar:F3}{(accuracy >= bar ? "" : " MISSED")} | {cpu.TotalSeconds:F0} | {wall.TotalSeconds:F0} | {process.PeakWorkingSet64 >> 20} | {model.Onnx.Length} | {runTime.TotalMilliseconds / testFiles.Count:F2} |");
    }

    /// <summary>The files of a zip with a folder per label.</summary>
    private static (List<byte[]> Files, List<string> Labels) Read(string path)
    {
        using var zip = ZipFile.OpenRead(path);
        var (files, labels) = (new List<byte[]>(), new List<string>());
        foreach (var entry in zip.Entries.Where(entry => entry.Name.Length > 0).OrderBy(entry => entry.FullName, StringComparer.Ordinal))
        {
            using var stream = entry.Open();
            using var memory = new MemoryStream();
            stream.CopyTo(memory);
            files.Add(memory.ToArray());
            labels.Add(Path.GetFileName(Path.GetDirectoryName(entry.FullName)!));
        }
        return (files, labels);
    }

    /// <summary>Prints the learning curve as it grows.</summary>
    private sealed class ConsoleReport(bool isVerbose) : ITrainingReport
    {
        private readonly Stopwatch _clock = Stopwatch.StartNew();

        public void Progress(string stage, double fraction)
        {
        }

        public void Metric(string name, double value, int step)
        {
            if (isVerbose) Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{_clock.Elapsed.TotalSeconds,7:F1} s  epoch {step,3}  {name,-22} {value:F4}"));
        }

        public void Log(string message)
        {
            if (isVerbose) Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{_clock.Elapsed.TotalSeconds,7:F1} s  {message}"));
        }
    }
}
