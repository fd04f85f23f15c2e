using System.CommandLine;
using Atoll.Cli;
using Atoll.Commands.Quickstart;

namespace Atoll.Commands;

/// <summary><c>atoll quickstart</c>: the whole journey from data to predictions, on real data, in front of one's eyes.</summary>
internal static class QuickstartCommand
{
    public static Command Create()
    {
        var port = new Option<int?>("--port") { Description = "Port of the server. Default: a free one.", HelpName = "number" };
        var keep = new Option<bool>("--keep") { Description = $"Keep everything in ./{QuickstartFolder.KeptName}, to serve it again later. Default: a temporary folder." };
        var exit = new Option<bool>("--exit") { Description = "Stop the server at the end. Default: it serves until Ctrl-C, if started from a terminal." };
        return new Verb(
            "quickstart", "Train three models on real data and predict with them, in a server of its own.",
            new("atoll quickstart", "See everything, then try the running server"),
            new("atoll quickstart --keep --port 8080", "The same, kept for later"),
            new("atoll quickstart --exit", "For a build server"))
        {
            IsLocal = true,
            Details = "A table of customers, texts of 77 intents and images of clothing go through upload, training, measuring, promotion and prediction, all over the public API. It takes less than four minutes and 2 GiB of memory on two cores.",
            Options = { port, keep, exit },
        }.Does((context, cancellationToken) => RunAsync(context, context.Get(port) ?? 0, context.Get(keep), context.Get(exit), cancellationToken));
    }

    private static async Task<int> RunAsync(CommandContext context, int port, bool keep, bool exit, CancellationToken cancellationToken)
    {
        if (port is < 0 or > 65535) throw new UsageException($"{port} is not a port. Give a number from 0 to 65535.");
        var samples = SampleSet.FindFolder() ?? throw new RefusedException(
            "The folder 'samples' with the quickstart's data was not found.", "Run this from a clone of Atoll, or copy its folder 'samples' beside the program.");
        using var folder = QuickstartFolder.Create(keep);
        var stay = !exit && context.Terminal.OutIsTerminal && context.Terminal.InIsTerminal;
        return await new QuickstartTour(context.Terminal, samples, folder, SampleSet.All, port, stay).RunAsync(cancellationToken);
    }
}
