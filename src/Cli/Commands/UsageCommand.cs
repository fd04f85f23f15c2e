using System.CommandLine;
using System.Globalization;
using Atoll.Contracts;

namespace Atoll.Cli.Commands;

/// <summary><c>atoll usage</c>: what tenants used, day by day.</summary>
internal static class UsageCommand
{
    public static Verb Create()
    {
        var paging = new Paging();
        var from = new Option<string?>("--from") { Description = "First day (UTC); thirty days before the last one unless given.", HelpName = "day" };
        var to = new Option<string?>("--to") { Description = "Last day; today unless given.", HelpName = "day" };
        var all = new Option<bool>("--all-tenants") { Description = "Of every tenant; for operators of the platform." };
        return new Verb(
            "usage", "Show what your tenant used, day by day.",
            new("atoll usage --from 2026-01-01 --to 2026-01-31", "A month"),
            new("atoll usage --all-tenants --output json", "Of every tenant, for a bill"))
        {
            Details = "Predictions are counted in memory and written every few seconds: the newest are not there yet.",
            Options = { from, to, all, paging.Limit, paging.After },
        }.Does(async (context, cancellationToken) =>
        {
            var isAll = context.Get(all);
            var page = await context.Client.ListUsagePageAsync(
                context.Get(from), context.Get(to), isAll, context.Get(paging.After), context.Get(paging.Limit), cancellationToken);
            context.Write(page, AtollJson.Default.PageUsageResponse, console =>
            {
                if (page.Items.Count == 0)
                {
                    console.Hint("Nothing was used on these days.");
                    return;
                }
                var grid = new Grid().Text("day");
                if (isAll) grid.Flexible("tenant");
                grid.Number("requests").Number("samples").Number("seconds of running").Number("memory").Number("refusals").Number("model loads");
                foreach (var day in page.Items)
                {
                    List<Grid.Cell> cells = [day.Day];
                    if (isAll) cells.Add(day.Tenant ?? "");
                    cells.AddRange([
                        Words.Count(day.Requests), Words.Count(day.Samples), (day.ExecutionMs / 1e3).ToString("0.###", CultureInfo.InvariantCulture), Words.Bytes(day.ResidentBytesMax),
                        Words.Count(day.Refusals), Words.Count(day.ModelLoads)]);
                    grid.Row([.. cells]);
                }
                grid.Write(console);
                Paging.ShowMore(context, page);
            });
            return ExitCodes.Done;
        });
    }
}
