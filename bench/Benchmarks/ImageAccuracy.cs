using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using Atoll.Contracts;
using Atoll.Platform.Imaging;
using Atoll.Serving.Onnx;
using Atoll.Training;
using Atoll.Training.Evaluation;
using Atoll.Training.Images;

namespace Atoll.Benchmarks;

/// <summary>Trains an image model per dataset and measures the exported model on the raw images of the test split.</summary>
internal static class ImageAccuracy
{
    private static readonly (string Dataset, double Bar)[] Sets = [("fashion-mnist", 0.895), ("trashnet", 0.78), ("playing-cards", 0.5)];

    public static bool Run(BenchmarkArguments arguments)
    {
        var folder = arguments["--data"]!;
        var only = arguments["--only"]?.Split(':').ElementAtOrDefault(1);
        var given = arguments.All("--set").Select(pair => pair.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]);
        var settings = new TrainingSettings
        {
            Parameters = given.Where(pair => pair.Key is not ("limit" or "seed")).ToDictionary(),
            Seed = given.TryGetValue("seed", out var seed) ? int.Parse(seed, CultureInfo.InvariantCulture) : 1,
            TimeLimit = given.TryGetValue("limit", out var limit) ? TimeSpan.FromSeconds(double.Parse(limit, CultureInfo.InvariantCulture)) : null,
        };

        var rows = new List<string>();
        var met = true;
        foreach (var (dataset, bar) in Sets)
        {
            if (only is not null && only != dataset) continue;
            var path = Path.Combine(folder, dataset);
            var set = File.Exists(Path.Combine(path, "labels.csv")) ? ReadListed(path, dataset) : ReadFolders(path);
            var row = Measure(set, dataset, bar, settings, arguments["--verbose"] == "true", out var score);
            met &= score >= bar;
            rows.Add(row);
        }
        Console.WriteLine("| dataset | images train / test | metric | ours | bar | training: CPU s | wall s | peak MB | model bytes | ms an image |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|");
        foreach (var row in rows) Console.WriteLine(row);
        return met;
    }

    private static string Measure(ImageSet set, string dataset, double bar, TrainingSettings settings, bool isVerbose, out double score)
    {
        var examples = new ImageExamples(set.Train.Count, i => ImageDecoder.Decode(set.Train[i].File), [.. set.Train.Select(image => image.Labels)], set.Names);
        using var process = Process.GetCurrentProcess();
        var cpu = process.TotalProcessorTime;
        var clock = Stopwatch.StartNew();
        var model = ImageTrainer.Train(examples, set.IsMultiLabel, settings, new ConsoleReport(isVerbose), CancellationToken.None);
        var wall = clock.Elapsed;
        process.Refresh();
        cpu = process.TotalProcessorTime - cpu;

        // The exported model, on raw images: what a client would get.
        using var session = OnnxSession.Load(model.Onnx);
        var right = 0;
        var (selected, probabilities) = (new List<bool>(), new List<float>());
        var runTime = TimeSpan.Zero;
        foreach (var (file, labels) in set.Test)
        {
            var image = ImageDecoder.Decode(file);
            using var input = OnnxTensor.Create<byte>(image.Pixels, 1, image.Height, image.Width, 3);
            clock.Restart();
            var outputs = session.Run(input);
            runTime += clock.Elapsed;
            if (set.IsMultiLabel)
            {
                probabilities.AddRange(outputs[0].Span<float>());
                selected.AddRange(outputs[1].Span<bool>());
            }
            else if (outputs[0].ToStrings()[0] == set.Names[labels[0]])
            {
                right++;
            }
            foreach (var output in outputs) output.Dispose();
        }
        var metric = set.IsMultiLabel ? MetricNames.MacroF1 : MetricNames.Accuracy;
        score = set.IsMultiLabel
            ? MultiLabelMetrics.Compute(
                [.. set.Test.Select(image => image.Labels)], selected.ToArray(), probabilities.ToArray(), set.Names, set.Names.Length).Metrics[metric]
            : (double)right / set.Test.Count;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"| {dataset} | {set.Train.Count} / {set.Test.Count} | {metric} | {score:F4} | {bar:F3}{(score >= bar ? "" : " MISSED")} | {cpu.TotalSeconds:F0} | {wall.TotalSeconds:F0} | {process.PeakWorkingSet64 >> 20} | {model.Onnx.Length} | {runTime.TotalMilliseconds / set.Test.Count:F2} |");
    }

    /// <summary>train.zip and test.zip with a folder per label.</summary>
    private static ImageSet ReadFolders(string path)
    {
        var (train, test) = (ReadZip(Path.Combine(path, "train.zip")), ReadZip(Path.Combine(path, "test.zip")));
        static string Label(string name) => Path.GetFileName(Path.GetDirectoryName(name)!);
        var names = train.Select(entry => Label(entry.Name)).Distinct().Order(StringComparer.Ordinal).ToArray();
        List<(byte[], int[])> Labelled(List<(string Name, byte[] File)> entries) =>
            [.. entries.Select(entry => (entry.File, (int[])[Array.IndexOf(names, Label(entry.Name))]))];
        return new ImageSet(Labelled(train), Labelled(test), names, IsMultiLabel: false);
    }

    /// <summary>One zip, and labels.csv with image, split and the labels joined by semicolons.</summary>
    private static ImageSet ReadListed(string path, string dataset)
    {
        var files = ReadZip(Path.Combine(path, dataset + ".zip")).ToDictionary(entry => Path.GetFileName(entry.Name), entry => entry.File);
        var rows = File.ReadLines(Path.Combine(path, "labels.csv")).Skip(1).Select(line => line.Split(','))
            .Select(cells => (File: files[cells[0]], Split: cells[1], Labels: cells[2].Split(';', StringSplitOptions.RemoveEmptyEntries))).ToArray();
        var names = rows.SelectMany(row => row.Labels).Distinct().Order(StringComparer.Ordinal).ToArray();
        List<(byte[], int[])> Labelled(string split) => [.. rows.Where(row => row.Split == split)
            .Select(row => (row.File, Array.ConvertAll(row.Labels, label => Array.IndexOf(names, label))))];
        return new ImageSet(Labelled("train"), Labelled("test"), names, IsMultiLabel: true);
    }

    private static List<(string Name, byte[] File)> ReadZip(string path)
    {
        using var zip = ZipFile.OpenRead(path);
        var files = new List<(string, byte[])>();
        foreach (var entry in zip.Entries.Where(entry => entry.Name.Length > 0).OrderBy(entry => entry.FullName, StringComparer.Ordinal))
        {
            using var stream = entry.Open();
            using var memory = new MemoryStream();
            stream.CopyTo(memory);
            files.Add((entry.FullName, memory.ToArray()));
        }
        return files;
    }

    /// <summary>The images of a dataset with the positions of their labels.</summary>
    private sealed record ImageSet(List<(byte[] File, int[] Labels)> Train, List<(byte[] File, int[] Labels)> Test, string[] Names, bool IsMultiLabel);

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
