using System.Diagnostics;
using System.IO.Compression;
using System.Text.RegularExpressions;
using Atoll.Commands.Quickstart;
using Atoll.Contracts;

namespace Atoll.Tests.Cli;

[Collection(AloneCollection.Name)]
public sealed class QuickstartTests : IDisposable
{
    private readonly TestFolder _samples = new();
    private readonly TestTerminal _terminal = new();

    public void Dispose()
    {
        _terminal.Dispose();
        _samples.Dispose();
    }

    [Fact]
    public async Task The_whole_journey_is_shown_and_its_curl_lines_work_as_they_stand()
    {
        MakeSmallSamples();
        var sets = SampleSet.All.Select(set => set with
        {
            // With so little data the scores mean nothing; the bars of the real ones are for the real quickstart.
            Gate = new GateRequest { Metric = MetricNames.Accuracy, AtLeast = 0 },
            Parameters = set.Type == DatasetTypes.Image ? new Dictionary<string, string> { ["epochs"] = "1" } : null,
        }).ToList();
        using var output = new WaitingWriter("The server is running.");
        using var error = new StringWriter();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        using var folder = QuickstartFolder.Create(keep: false);

        var tour = new QuickstartTour(_terminal.Create(output, error), _samples.Path, folder, sets, port: 0, stay: true).RunAsync(stop.Token);
        await Task.WhenAny(output.Seen, tour);
        if (tour.IsCompleted) await tour;
        var text = output.ToString().ReplaceLineEndings("\n");
        try
        {
            foreach (var expected in (string[])["rows: actual, columns: predicted", "most confused", "is at least 0", "MiB at its peak", "What to try next"])
                Assert.Contains(expected, text);

            // The examples say what they are a part of, and that is the score of the matrix.
            Assert.Equal(3, Regex.Count(text, @"\d+ of all \d+ unseen (rows|texts|images) come out right"));
            Assert.Equal(3, text.Split('\n').Count(line => line.StartsWith("   ✓ ", StringComparison.Ordinal) && line.Contains("is at least", StringComparison.Ordinal)));
            Assert.Contains("fashion-mnist  100%", error.ToString());

            var commands = CurlLines(text);
            Assert.Equal(3, commands.Count);
            Assert.SkipUnless(!OperatingSystem.IsWindows() && await ShellAsync("command -v curl") is { Code: 0 }, "There is no curl here.");
            foreach (var command in commands)
            {
                var (code, answer) = await ShellAsync($"{Exports(text)}\n{command.Replace("curl ", "curl -sf ", StringComparison.Ordinal)}");
                Assert.True(code == 0, $"{command}: {answer}");
                Assert.Contains("\"predictions\":[{\"label\":", answer);
            }
        }
        finally
        {
            await stop.CancelAsync();
            Assert.Equal(0, await tour);
        }
        Assert.Contains("The server stopped", output.ToString());
    }

    [Fact]
    public void The_samples_of_the_repository_are_found_from_the_program()
    {
        var folder = SampleSet.FindFolder();
        Assert.Equal(Golden.InRepository("samples"), folder);
        Assert.All(SampleSet.All, set => Assert.True(File.Exists(set.TrainFile(folder!))));
        Assert.True(new DirectoryInfo(folder!).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length) < 6_000_000);
    }

    [Fact]
    public void Memory_of_this_process_is_seen() => Assert.InRange(MemoryWatch.Measure(), 10L << 20, 100L << 30);

    /// <summary>A few rows of each set, with all labels that are left in both splits.</summary>
    private void MakeSmallSamples()
    {
        foreach (var set in SampleSet.All)
        {
            Directory.CreateDirectory(Path.Combine(_samples.Path, set.Name));
            var repository = Golden.InRepository("samples");
            foreach (var (from, to, count) in ((string, string, int)[])[(set.TrainFile(repository), set.TrainFile(_samples.Path), 30), (set.TestFile(repository), set.TestFile(_samples.Path), 5)])
            {
                if (set.Type == DatasetTypes.Image) TakeImages(from, to, count);
                else TakeRows(from, to, count * 20);
            }
        }
    }

    private static void TakeRows(string from, string to, int count)
    {
        var lines = File.ReadAllLines(from);
        // Rows of the texts lie together by label: the first twenty labels are enough to be too many for a matrix.
        var rows = from.Contains("banking77", StringComparison.Ordinal)
            ? lines.Skip(1).Where(line => line.Contains(',')).GroupBy(line => line[(line.LastIndexOf(',') + 1)..]).OrderBy(label => label.Key, StringComparer.Ordinal).Take(20).SelectMany(label => label.Where(line => !line.Contains('"')).Take(count / 20))
            : lines.Skip(1).Take(count);
        File.WriteAllLines(to, [lines[0], .. rows]);
    }

    private static void TakeImages(string from, string to, int count)
    {
        using var source = ZipFile.OpenRead(from);
        using var target = ZipFile.Open(to, ZipArchiveMode.Create);
        foreach (var entry in source.Entries.GroupBy(entry => entry.FullName.Split('/')[0]).SelectMany(label => label.Take(count)))
        {
            using var input = entry.Open();
            using var output = target.CreateEntry(entry.FullName, CompressionLevel.NoCompression).Open();
            input.CopyTo(output);
        }
    }

    private static List<string> CurlLines(string text) =>
        [.. text.Split("\n\n").Where(block => block.TrimStart().StartsWith("curl ", StringComparison.Ordinal)).Select(block => block.Split("\n\n")[0])];

    private static string Exports(string text) =>
        string.Join('\n', text.Split('\n').Where(line => line.TrimStart().StartsWith("export ", StringComparison.Ordinal)));

    private static async Task<(int Code, string Output)> ShellAsync(string script)
    {
        using var process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", script]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, await output + await error);
    }

    /// <summary>Keeps what is written and tells when an awaited text came.</summary>
    private sealed class WaitingWriter(string awaited) : StringWriter
    {
        private readonly TaskCompletionSource _seen = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Seen => _seen.Task;

        public override void Write(string? value)
        {
            base.Write(value);
            if (value?.Contains(awaited, StringComparison.Ordinal) == true) _seen.TrySetResult();
        }
    }
}
