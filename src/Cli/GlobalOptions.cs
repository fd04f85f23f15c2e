using System.CommandLine;

namespace Atoll.Cli;

/// <summary>Options of every command that calls a server.</summary>
internal sealed class GlobalOptions
{
    public const string Json = "json";

    public Option<string?> Output { get; } = new("--output", "-o")
    {
        Description = "Form of the answer: a table for people, or json as the server sent it for scripts.",
        HelpName = "table|json",
        Recursive = true,
    };

    public Option<string?> Server { get; } = new("--server")
    {
        Description = "Address of the server. Default: ATOLL_SERVER, or what 'atoll login' stored.",
        HelpName = "url",
        Recursive = true,
    };

    public Option<string?> Key { get; } = new("--key")
    {
        Description = "API key. Default: ATOLL_KEY, or what 'atoll login' stored.",
        HelpName = "key",
        Recursive = true,
    };

    public GlobalOptions() => Output.AcceptOnlyFromAmong("table", Json);

    public IEnumerable<Option> All => [Output, Server, Key];
}
