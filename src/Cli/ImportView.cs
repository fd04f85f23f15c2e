using Atoll.Client;
using Atoll.Contracts;
using Spectre.Console;

namespace Atoll.Cli;

/// <summary>How an upload and its import look on a terminal.</summary>
internal static class ImportView
{
    private const int ProblemsShownMax = 20;

    /// <summary>Sends files with a bar.</summary>
    public static async Task<ImportResponse> UploadAsync(ProgressView.Bar bar, Func<IProgress<TransferProgress>, Task<ImportResponse>> start)
    {
        bar.Report(0, "uploading");
        var progress = new DirectProgress(step => bar.Report(
            step.Total is > 0 and var total ? (double)step.Bytes / total : null, "uploading",
            step.Total is { } all ? $"{Words.Bytes(step.Bytes)} of {Words.Bytes(all)}" : Words.Bytes(step.Bytes)));
        return await start(progress);
    }

    /// <summary>Waits for the server to make a dataset version of what it was sent. The caller finishes the bar.</summary>
    public static async Task<ImportResponse> FollowAsync(ProgressView.Bar bar, AtollClient client, ImportResponse import, CancellationToken cancellationToken)
    {
        if (!ImportStates.IsEnded(import.State))
        {
            await foreach (var now in client.FollowImportAsync(import.Id, cancellationToken))
            {
                import = now;
                if (!ImportStates.IsEnded(now.State)) bar.Report(now.State == ImportStates.Queued ? null : now.Progress, now.State == ImportStates.Queued ? "waiting" : "importing");
            }
        }
        return import;
    }

    public static void Show(IAnsiConsole console, ImportResponse import)
    {
        switch (import.State)
        {
            case ImportStates.Succeeded:
                console.WriteLine(
                    $"{import.Dataset} version {import.Version}: {Words.Plural(import.Samples ?? 0, "sample")}{(import.Skipped is > 0 and var skipped ? $", {Words.Count(skipped)} bad ones left out" : "")}.");
                break;
            case ImportStates.Queued or ImportStates.Running:
                console.Hint($"Import {import.Id} goes on at the server. When it is done: atoll datasets show {import.Dataset}");
                break;
            default:
                console.WriteLine($"The import was {import.State}{(import.Error is { } error ? $": {error}" : ".")}");
                break;
        }
        // A single problem is the reason itself, which was just said.
        if (import.ProblemCount != 1 || import.Error?.Contains(import.Problems[0].Message, StringComparison.Ordinal) != true) Problems(console, "problem", import.Problems, import.ProblemCount);
        Problems(console, "warning", import.Warnings, import.WarningCount);
    }

    public static void Problems(IAnsiConsole console, string kind, IReadOnlyList<ImportProblem> problems, long count)
    {
        if (problems.Count == 0) return;
        console.WriteLine();
        console.WriteLine(Words.Plural(count, kind) + ":");
        foreach (var problem in problems.Take(ProblemsShownMax))
        {
            var place = string.Join(", ", ((string?[])[problem.File, problem.Line is { } line ? $"line {Words.Count(line)}" : null, problem.Entry, problem.Column is { } column ? $"column {column}" : null]).Where(part => part is not null));
            console.WriteLine($"  {(place.Length > 0 ? place + ": " : "")}{problem.Message}");
        }
        if (count > ProblemsShownMax) console.WriteLine($"  and {Words.Count(count - ProblemsShownMax)} more; up to a hundred with --output json");
    }
}
