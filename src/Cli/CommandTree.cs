using System.CommandLine;
using Atoll.Cli.Commands;

namespace Atoll.Cli;

/// <summary>All commands of the program.</summary>
internal sealed class CommandTree
{
    public CommandTree(IEnumerable<Command> extraCommands)
    {
        Root = new Command("atoll", "Atoll makes models from your data and serves their predictions.");
        foreach (var option in Options.All) Root.Options.Add(option);
        Root.Options.Add(Help);
        Root.Options.Add(Version);
        Command[] commands =
        [
            .. extraCommands,
            .. LoginCommands.All(), StatusCommand.Create(),
            DatasetCommands.Create(), TrainCommand.Create(), RunCommands.Create(),
            ModelCommands.Create(), PromoteCommand.Create(), EndpointCommands.Create(), PredictCommand.Create(), BenchCommands.Create(),
            TenantCommands.Create(), PrincipalCommands.Create(), GrantCommands.Create(), KeyCommands.Create(), TokenCommands.Create(),
            UsageCommand.Create(),
            .. CompletionCommands.All(this), VersionCommand.Create(),
        ];
        foreach (var command in commands) Root.Subcommands.Add(command);
    }

    public Command Root { get; }

    public GlobalOptions Options { get; } = new();

    public Option<bool> Help { get; } = new("--help", "-h", "-?") { Description = "Show help.", Recursive = true, Hidden = true };

    public Option<bool> Version { get; } = new("--version") { Description = "Show the version.", Hidden = true };

    /// <summary>A command as it is typed: <c>atoll runs list</c>.</summary>
    public static string PathOf(Command command)
    {
        var names = new Stack<string>();
        for (Symbol? at = command; at is not null; at = at.Parents.FirstOrDefault()) names.Push(at.Name);
        return string.Join(' ', names);
    }
}
