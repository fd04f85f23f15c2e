using System.CommandLine;
using Atoll.Contracts;

namespace Atoll.Cli.Commands;

/// <summary><c>atoll endpoints</c>: the addresses that answer predictions.</summary>
internal static class EndpointCommands
{
    public static Noun Create() => new("endpoints", "See the addresses for predictions and what they take.", List(), Show(), Pin(), Unpin(), Compare(), ShowLog(), SetLog(), DeleteLog());

    private static Verb List()
    {
        var paging = new Paging();
        return new Verb("list", "List endpoints.", new Example("atoll endpoints list", "Each endpoint with the version that answers")) { Options = { paging.Limit, paging.After } }
            .Does(async (context, cancellationToken) =>
            {
                var page = await context.Client.ListEndpointsPageAsync(context.Get(paging.After), context.Get(paging.Limit), cancellationToken);
                context.Write(page, AtollJson.Default.PageEndpointResponse, console =>
                {
                    if (page.Items.Count == 0)
                    {
                        console.Hint("No endpoints. A model gets one with its first version: atoll train <dataset> --follow");
                        return;
                    }
                    var grid = new Grid().Flexible("endpoint").Number("version").Text("by alias").Text("pinned").Flexible("address");
                    foreach (var endpoint in page.Items) grid.Row(endpoint.Name, endpoint.Version?.ToString(System.Globalization.CultureInfo.InvariantCulture), endpoint.Alias, endpoint.Pinned ? "yes" : null, endpoint.PredictUrl);
                    grid.Write(console);
                    Paging.ShowMore(context, page);
                });
                return ExitCodes.Done;
            });
    }

    private static Verb Compare()
    {
        var name = new Argument<string>("endpoint") { Description = "Name of the endpoint." };
        var csv = new Option<string>("--csv") { Description = "A csv file of rows, with a header.", HelpName = "file", Required = true };
        var version = new Option<int?>("--version") { Description = "Compare with this version instead of the one that serves.", HelpName = "number" };
        return new Verb(
            "compare", "Say how rows differ from those that the model was trained on (drift).",
            new Example("atoll endpoints compare leads --csv this-week.csv", "Which columns have moved, and why"))
        {
            Details = "Columns that the model does not read are skipped. Nothing is predicted.",
            Arguments = { name }, Options = { csv, version },
        }.Does(async (context, cancellationToken) =>
        {
            var path = context.Get(csv)!;
            if (!File.Exists(path)) throw new UsageException($"There is no file '{path}'.");
            var found = await context.Client.CheckDriftAsync(context.Get(name), await File.ReadAllBytesAsync(path, cancellationToken), context.Get(version), cancellationToken: cancellationToken);
            context.Write(found, AtollJson.Default.DriftResponse, console =>
            {
                console.WriteLine(found.Finding);
                console.WriteLine();
                var grid = new Grid().Flexible("column").Text("drift").Number("index").Number("importance").Flexible("reason");
                foreach (var column in found.Columns)
                    grid.Row(
                        column.Name, new Grid.Cell(column.Drift, column.Drift switch { DriftKinds.Far => "red", DriftKinds.Moved => "yellow", _ => "dim" }),
                        column.StabilityIndex.ToString("0.00", System.Globalization.CultureInfo.InvariantCulture), column.Importance is { } share ? Words.Percent(share) : "", column.Reason);
                grid.Write(console);
            });
            return ExitCodes.Done;
        });
    }

    private static Verb ShowLog()
    {
        var name = new Argument<string>("endpoint") { Description = "Name of the endpoint." };
        var day = new Option<string?>("--day") { Description = "Write the predictions of this day (UTC), one line of JSON each.", HelpName = "day" };
        return new Verb(
            "log", "Show which predictions are kept, or the predictions themselves.",
            new("atoll endpoints log leads", "The days that there are"), new("atoll endpoints log leads --day 2026-01-31 > leads.jsonl", "What was predicted on one"))
        {
            Arguments = { name }, Options = { day },
        }.Does(async (context, cancellationToken) =>
        {
            var endpoint = context.Get(name);
            if (context.Get(day) is { } wanted)
            {
                await using var standard = Console.OpenStandardOutput();
                await context.Client.DownloadPredictionLogAsync(endpoint, wanted, standard, cancellationToken: cancellationToken);
                return ExitCodes.Done;
            }
            Write(context, await context.Client.GetPredictionLogAsync(endpoint, cancellationToken));
            return ExitCodes.Done;
        });
    }

    private static Verb SetLog()
    {
        var name = new Argument<string>("endpoint") { Description = "Name of the endpoint." };
        var rate = new Argument<double>("share") { Description = "Share of the predictions to keep: 0 for none, 1 for all." };
        var days = new Option<int?>("--days") { Description = "Keep them so long; as before unless given, 30 at first.", HelpName = "number" };
        return new Verb(
            "set-log", "Keep a share of an endpoint's predictions, with what they were made from.",
            new("atoll endpoints set-log leads 0.05 --days 14", "Every twentieth, for two weeks"), new("atoll endpoints set-log leads 0", "None from now on"))
        {
            Details = "The values of samples and answers are kept in your tenant, and count among the bytes that it may keep.",
            Arguments = { name, rate }, Options = { days },
        }.Does(async (context, cancellationToken) =>
        {
            Write(context, await context.Client.PutPredictionLogAsync(context.Get(name), context.Get(rate), context.Get(days), cancellationToken));
            return ExitCodes.Done;
        });
    }

    private static Verb DeleteLog()
    {
        var name = new Argument<string>("endpoint") { Description = "Name of the endpoint." };
        var yes = new Option<bool>("--yes", "-y") { Description = "Do not ask." };
        return new Verb("delete-log", "Delete all predictions of an endpoint that were kept.", new Example("atoll endpoints delete-log leads", "Asks before it does"))
        {
            Arguments = { name }, Options = { yes },
        }.Does(async (context, cancellationToken) =>
        {
            var endpoint = context.Get(name);
            context.Confirm($"Delete all predictions of {endpoint} that were kept?", context.Get(yes));
            await context.Client.DeletePredictionLogAsync(endpoint, cancellationToken);
            context.Say($"Deleted the log of {endpoint}.");
            return ExitCodes.Done;
        });
    }

    private static void Write(CommandContext context, PredictionLogResponse log) => context.Write(log, AtollJson.Default.PredictionLogResponse, console =>
    {
        new Facts().Add("endpoint", log.Endpoint).Add("keeps", log.Rate == 0 ? "nothing" : Words.Percent(log.Rate) + " of the predictions").Add("for", Words.Plural(log.Days, "day")).Write(console);
        if (log.Files.Count == 0) return;
        console.WriteLine();
        var grid = new Grid().Text("day").Number("size");
        foreach (var day in log.Files) grid.Row(day.Day, Words.Bytes(day.Bytes));
        grid.Write(console);
    });

    private static Verb Show()
    {
        var name = new Argument<string>("endpoint") { Description = "Name of the endpoint." };
        return new Verb("show", "Show what an endpoint takes and gives.", new Example("atoll endpoints show leads", "Its address, version and columns")) { Arguments = { name } }
            .Does(async (context, cancellationToken) =>
            {
                var endpoint = await context.Client.GetEndpointAsync(context.Get(name), cancellationToken);
                context.Write(endpoint, AtollJson.Default.EndpointResponse, console =>
                {
                    new Facts().Add("endpoint", endpoint.Name).Add("address", endpoint.PredictUrl)
                        .Add("version", endpoint.Version is { } version ? $"{version}{(endpoint.Alias is { } alias ? $" ({alias})" : "")}" : "none")
                        .Add("memory", endpoint.Pinned ? "pinned" : null)
                        .Add("task", endpoint.Signature?.Task).Add("predicts", endpoint.Signature?.Target ?? (endpoint.Signature?.Labels is { } labels ? Words.Plural(labels.Count, "label") : null))
                        .Write(console);
                    if (endpoint.Signature is not { } signature) return;
                    console.WriteLine();
                    var grid = new Grid().Flexible(signature.SampleType == DatasetTypes.Tabular ? "column" : "input").Text("meaning").Flexible("example");
                    foreach (var input in signature.Inputs) grid.Row(input.Name, input.ColumnType ?? input.Datatype, input.Example);
                    grid.Write(console);
                    console.WriteLine();
                    console.Hint("Try it:  " + PredictCommand.ExampleFor(endpoint));
                });
                return ExitCodes.Done;
            });
    }

    private static Verb Pin()
    {
        var name = new Argument<string>("endpoint") { Description = "Name of the endpoint." };
        return new Verb("pin", "Keep what an endpoint serves in memory, from before the server is ready on.", new Example("atoll endpoints pin leads", "Its first prediction never waits for a load")) { Arguments = { name } }
            .Does(async (context, cancellationToken) =>
            {
                await context.Client.PinEndpointAsync(context.Get(name), cancellationToken);
                context.Say($"What {context.Get(name)} serves stays in memory.");
                return ExitCodes.Done;
            });
    }

    private static Verb Unpin()
    {
        var name = new Argument<string>("endpoint") { Description = "Name of the endpoint." };
        return new Verb("unpin", "Let what an endpoint serves leave memory when others need the room.", new Example("atoll endpoints unpin leads", "It stays for as long as it is used")) { Arguments = { name } }
            .Does(async (context, cancellationToken) =>
            {
                await context.Client.UnpinEndpointAsync(context.Get(name), cancellationToken);
                context.Say($"What {context.Get(name)} serves is no longer pinned.");
                return ExitCodes.Done;
            });
    }
}
