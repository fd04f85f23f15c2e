using System.CommandLine;
using Atoll.Contracts;

namespace Atoll.Cli.Commands;

/// <summary>Options of every list.</summary>
internal sealed class Paging
{
    public Option<int?> Limit { get; } = new("--limit") { Description = "How many to show at most.", HelpName = "number" };

    public Option<string?> After { get; } = new("--after") { Description = "Go on where a former list ended.", HelpName = "cursor" };

    /// <summary>Tells how to see the rest.</summary>
    public static void ShowMore<T>(CommandContext context, Page<T> page)
    {
        if (page.Next is { } next) context.Terminal.Error.WriteLine($"There are more. See them with: --after {next}");
    }
}
