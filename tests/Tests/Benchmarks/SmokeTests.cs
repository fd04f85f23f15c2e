using System.Diagnostics;

namespace Atoll.Tests.Benchmarks;

/// <summary>Every benchmark of the serving core works: a short run that looks at counts and failures, not at bars.</summary>
public sealed class SmokeTests
{
    [Theory]
    [InlineData("peak --smoke --in-flight 8", 5)]
    [InlineData("overhead --smoke --seconds 0.05 --rounds 1 --model logistic", 6)]
    [InlineData("allocation --smoke --requests 100 --only grpc --rows 1", 1)]
    [InlineData("batches --smoke", 1)]
    [InlineData("neighbour --smoke --models 20", 2)]
    [InlineData("start --smoke --models 10000", 1)]
    [InlineData("density --models 10000", 1)]
    [InlineData("cold --smoke --models 20", 5)]
    [InlineData("churn --smoke --requests 20000", 3)]
    public async Task A_benchmark_prints_a_line_for_each_of_its_cases_and_nothing_failed(string line, int cases)
    {
        var program = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "Atoll.Benchmarks.exe" : "Atoll.Benchmarks");
        using var process = Process.Start(new ProcessStartInfo(program, line.Split(' ')) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        try
        {
            var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.True(process.ExitCode == 0, $"{process.ExitCode}\n{output}\n{await error}");
            var table = output.Split('\n').Where(row => row.StartsWith('|')).ToList();
            // The heading and the line below it stand above the cases; some tables grow with the models that are measured.
            Assert.True(table.Count >= cases + 2, output);
            Assert.All(table, row => Assert.Equal(table[0].Count(c => c == '|'), row.Count(c => c == '|')));
            Assert.DoesNotContain("NaN", output);
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }
}
