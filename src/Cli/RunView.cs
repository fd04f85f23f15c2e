using Atoll.Contracts;
using Spectre.Console;

namespace Atoll.Cli;

/// <summary>How a run looks on a terminal.</summary>
internal static class RunView
{
    public static Grid.Cell State(RunResponse run) => new(run.State, run.State switch
    {
        RunStates.Succeeded => "green",
        RunStates.Failed => "red",
        RunStates.Running => "blue",
        _ => "dim",
    });

    public static void Show(IAnsiConsole console, RunResponse run, TimeProvider clock)
    {
        var facts = new Facts()
            .Add("run", run.Id).Add("state", State(run))
            .Add("model", run.ModelVersion is { } version ? $"{run.Model} version {version}" : run.Model)
            .Add("dataset", $"{run.Dataset} version {run.DatasetVersion}")
            .Add("target", run.Target).Add("experiment", run.Experiment).Add("seed", run.Seed.ToString(System.Globalization.CultureInfo.InvariantCulture));
        foreach (var (name, value) in run.Parameters ?? new Dictionary<string, string>()) facts.Add(name, value);
        if (!RunStates.IsEnded(run.State)) facts.Add("stage", $"{run.Stage ?? "waiting"} {run.Progress * 100:0} %");
        if (run.Attempt > 1) facts.Add("attempt", run.Attempt.ToString(System.Globalization.CultureInfo.InvariantCulture));
        facts.Add("created", $"{run.CreatedUtc:yyyy-MM-dd HH:mm:ss}Z ({Words.Ago(run.CreatedUtc, clock)})");
        if (run.StartedUtc is { } started) facts.Add("took", Words.Duration((run.EndedUtc ?? clock.GetUtcNow().UtcDateTime) - started));
        if (run.Error is { } error) facts.Add("error", new Grid.Cell(error, "red"));
        facts.Write(console);
        if (run.Metrics is { Count: > 0 } metrics)
        {
            console.WriteLine();
            Scores(console, metrics);
        }
    }

    public static void Scores(IAnsiConsole console, IReadOnlyDictionary<string, double> metrics)
    {
        var grid = new Grid().Text("score").Number("held-out");
        foreach (var (name, value) in metrics) grid.Row(name, Words.Score(value));
        grid.Write(console);
    }

    /// <summary>Watches a run, then shows how it ended.</summary>
    public static async Task<int> FollowAsync(CommandContext context, string id, CancellationToken cancellationToken)
    {
        var run = await context.Client.GetRunAsync(id, cancellationToken);
        if (!RunStates.IsEnded(run.State))
        {
            run = await ProgressView.RunAsync(context.Terminal.ErrorConsole, Math.Min(Math.Max(run.Model.Length, 8), 24), async view =>
            {
                var bar = view.Add(run.Model);
                var last = run;
                try
                {
                    await foreach (var change in context.Client.FollowRunAsync(id, cancellationToken)) last = Report(bar, change, context.Terminal.Clock);
                }
                catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
                {
                    // Told below, where no bar is drawn any more.
                }
                return last;
            });
            if (cancellationToken.IsCancellationRequested && !RunStates.IsEnded(run.State))
            {
                context.Terminal.Tell($"Run {id} goes on at the server.");
                context.Terminal.Tell($"Watch it:   atoll runs follow {id}");
                context.Terminal.Tell($"Cancel it:  atoll runs cancel {id}");
                return ExitCodes.Interrupted;
            }
        }
        context.Write(run, AtollJson.Default.RunResponse, console =>
        {
            Show(console, run, context.Terminal.Clock);
            if (run.State == RunStates.Succeeded)
            {
                console.WriteLine();
                console.Hint($"Report:    atoll models report {run.Model}");
                console.Hint($"Promote:   atoll promote {run.Model}");
            }
        });
        if (run.State == RunStates.Failed)
        {
            context.Terminal.Tell($"The run failed. Its log: atoll runs logs {run.Id}");
            return ExitCodes.Refused;
        }
        return run.State == RunStates.Succeeded ? ExitCodes.Done : ExitCodes.Refused;
    }

    /// <summary>Puts one event on a bar.</summary>
    public static RunResponse Report(ProgressView.Bar bar, RunEvent change, TimeProvider clock)
    {
        var run = change.Run;
        switch (run.State)
        {
            case RunStates.Queued:
                bar.Report(null, "waiting for a free worker");
                break;
            case RunStates.Running:
                var newest = change.Metrics is { Count: > 0 } points ? $"{points[^1].Name} {Words.Score(points[^1].Value)}" : null;
                bar.Report(run.Progress, run.Stage ?? "starting", newest);
                break;
            case RunStates.Succeeded:
                var took = run is { StartedUtc: { } started, EndedUtc: { } ended } ? $"  in {Words.Duration(ended - started)}" : "";
                bar.Finish($"{Words.MainScore(run.Metrics)}{took}");
                break;
            default:
                bar.Finish(run.Error is { } error ? $"{run.State}: {error}" : run.State);
                break;
        }
        return run;
    }

    /// <summary>A curve in one line of characters.</summary>
    public static string Course(IReadOnlyList<double> values, int width)
    {
        const string Levels = "▁▂▃▄▅▆▇█";
        var count = Math.Min(width, values.Count);
        if (count == 0) return "";
        var shown = Enumerable.Range(0, count).Select(i => values[count == 1 ? 0 : (int)((long)i * (values.Count - 1) / (count - 1))]).ToList();
        var (min, max) = (shown.Min(), shown.Max());
        return string.Concat(shown.Select(value => max > min ? Levels[(int)Math.Min(7, (value - min) / (max - min) * 8)] : Levels[3]));
    }
}
