using System.CommandLine;
using Atoll.Client;
using Atoll.Contracts;
using Spectre.Console;

namespace Atoll.Cli.Commands;

/// <summary><c>atoll runs</c>: trainings, how they go and how they went.</summary>
internal static class RunCommands
{
    public static Noun Create() => new("runs", "See, follow and cancel trainings.", List(), Show(), Follow(), Cancel(), Logs(), Metrics());

    private static Argument<string> RunArgument() => new("run") { Description = "Id of the run." };

    private static Verb List()
    {
        var model = new Option<string?>("--model") { Description = "Only runs for this model.", HelpName = "name" };
        var experiment = new Option<string?>("--experiment") { Description = "Only runs of this experiment.", HelpName = "name" };
        var state = new Option<string?>("--state") { Description = "Only runs in this state: queued, running, succeeded, failed or cancelled.", HelpName = "state" };
        state.AcceptOnlyFromAmong(RunStates.Queued, RunStates.Running, RunStates.Succeeded, RunStates.Failed, RunStates.Cancelled);
        var paging = new Paging();
        return new Verb(
            "list", "List runs, newest first.",
            new("atoll runs list", "The newest runs"),
            new("atoll runs list --state failed --output json", "Failed runs, for a script"))
        {
            Options = { model, experiment, state, paging.Limit, paging.After },
        }.Does(async (context, cancellationToken) =>
        {
            var filter = new RunFilter(context.Get(model), context.Get(experiment), context.Get(state));
            var page = await context.Client.ListRunsPageAsync(filter, context.Get(paging.After), context.Get(paging.Limit), cancellationToken);
            context.Write(page, AtollJson.Default.PageRunResponse, console =>
            {
                if (page.Items.Count == 0)
                {
                    console.Hint("No runs. Start one with: atoll train <dataset> --follow");
                    return;
                }
                var grid = new Grid().Text("run").Text("state").Flexible("model").Optional("dataset").Flexible("score").Text("created");
                foreach (var run in page.Items)
                    grid.Row(
                        run.Id, RunView.State(run), run.ModelVersion is { } version ? $"{run.Model} v{version}" : run.Model, $"{run.Dataset} v{run.DatasetVersion}",
                        Words.MainScore(run.Metrics, valueFirst: true), Words.Ago(run.CreatedUtc, context.Terminal.Clock));
                grid.Write(console);
                Paging.ShowMore(context, page);
            });
            return ExitCodes.Done;
        });
    }

    private static Verb Show()
    {
        var id = RunArgument();
        return new Verb("show", "Show a run.", new Example("atoll runs show run_01jd...", "How it stands")) { Arguments = { id } }
            .Does(async (context, cancellationToken) =>
            {
                var run = await context.Client.GetRunAsync(context.Get(id), cancellationToken);
                context.Write(run, AtollJson.Default.RunResponse, console => RunView.Show(console, run, context.Terminal.Clock));
                return ExitCodes.Done;
            });
    }

    private static Verb Follow()
    {
        var id = RunArgument();
        return new Verb("follow", "Watch a run until it ends; exit code 1 if it does not succeed.", new Example("atoll runs follow run_01jd...", "Watch it")) { Arguments = { id } }
            .Does((context, cancellationToken) => RunView.FollowAsync(context, context.Get(id), cancellationToken));
    }

    private static Verb Cancel()
    {
        var id = RunArgument();
        return new Verb("cancel", "Stop a run; what it did so far is thrown away.", new Example("atoll runs cancel run_01jd...", "Stop it")) { Arguments = { id } }
            .Does(async (context, cancellationToken) =>
            {
                var run = await context.Client.CancelRunAsync(context.Get(id), cancellationToken);
                context.Write(run, AtollJson.Default.RunResponse, console => console.WriteLine(
                    RunStates.IsEnded(run.State) ? $"Run {run.Id} is {run.State}." : $"Run {run.Id} is being cancelled."));
                return ExitCodes.Done;
            });
    }

    private static Verb Logs()
    {
        var id = RunArgument();
        var follow = new Option<bool>("--follow", "-f") { Description = "Wait for further lines until the run ends." };
        return new Verb(
            "logs", "Print the log of a run.",
            new("atoll runs logs run_01jd...", "What it said so far"),
            new("atoll runs logs run_01jd... --follow", "And what it says until it ends"))
        {
            Arguments = { id }, Options = { follow },
        }.Does(async (context, cancellationToken) =>
        {
            if (context.Get(follow))
            {
                await foreach (var change in context.Client.FollowRunAsync(context.Get(id), cancellationToken))
                    foreach (var line in change.Logs ?? [])
                        Print(line);
                return ExitCodes.Done;
            }
            if (context.IsJson)
            {
                context.WriteJson(await context.Client.GetRunLogsPageAsync(context.Get(id), cancellationToken: cancellationToken), AtollJson.Default.PageRunLogResponse);
                return ExitCodes.Done;
            }
            await foreach (var line in context.Client.GetRunLogsAsync(context.Get(id), cancellationToken)) Print(line);
            return ExitCodes.Done;

            void Print(RunLogResponse line)
            {
                if (context.IsJson) context.WriteJson(line, AtollJson.Default.RunLogResponse);
                else context.Terminal.Out.WriteLine($"{line.AtUtc:HH:mm:ss}  {line.Message}");
            }
        });
    }

    private static Verb Metrics()
    {
        var id = RunArgument();
        return new Verb("metrics", "Show the learning curves of a run.", new Example("atoll runs metrics run_01jd...", "Each curve with its course")) { Arguments = { id } }
            .Does(async (context, cancellationToken) =>
            {
                var page = new Page<RunMetricResponse>(await context.Client.GetRunMetricsAsync(context.Get(id), cancellationToken).ToListAsync(cancellationToken), null);
                context.Write(page, AtollJson.Default.PageRunMetricResponse, console =>
                {
                    if (page.Items.Count == 0)
                    {
                        console.WriteLine("No metrics yet.");
                        return;
                    }
                    var grid = new Grid().Flexible("metric").Number("first").Number("best").Number("last").Number("steps").Text("course");
                    foreach (var curve in page.Items.GroupBy(point => point.Name))
                    {
                        var values = curve.OrderBy(point => point.Step).Select(point => point.Value).ToList();
                        var best = MetricNames.HigherIsBetter(curve.Key.Split(' ', '.', '/')[^1]) == true ? values.Max() : values.Min();
                        grid.Row(curve.Key, Words.Score(values[0]), Words.Score(best), Words.Score(values[^1]), Words.Count(values.Count), RunView.Course(values, 24));
                    }
                    grid.Write(console);
                });
                return ExitCodes.Done;
            });
    }
}
