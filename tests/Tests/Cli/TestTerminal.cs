using System.CommandLine;
using Atoll.Cli;
using Atoll.Commands;

namespace Atoll.Tests.Cli;

/// <summary>Runs commands in this process and keeps what they write.</summary>
internal sealed class TestTerminal : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly Dictionary<string, string> _environment = [];

    /// <summary>Everything written to standard output by the last command.</summary>
    public string Out { get; private set; } = "";

    /// <summary>Everything written to standard error by the last command.</summary>
    public string Error { get; private set; } = "";

    public string ConfigFolder => Path.Combine(_folder.Path, "config");

    public string Folder => _folder.Path;

    /// <summary>Pretends that output goes to a screen of this width.</summary>
    public int? Columns { get; init; }

    public string this[string variable]
    {
        set => _environment[variable] = value;
    }

    /// <summary>The server's own commands join those of the command line, as in the program.</summary>
    public static IEnumerable<Command> ExtraCommands() => ServerCommands.All();

    public Terminal Create(TextWriter output, TextWriter error, string input = "") =>
        new(output, error, new StringReader(input), name => _environment.GetValueOrDefault(name), ConfigFolder)
        {
            OutIsTerminal = Columns is not null,
            Columns = () => Columns ?? 80,
        };

    /// <summary>Runs a command; the arguments are separated by spaces.</summary>
    public Task<int> RunAsync(string line) => RunAsync(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));

    public async Task<int> RunAsync(string[] args, string input = "")
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await CommandLine.RunAsync(args, ExtraCommands(), Create(output, error, input), TestContext.Current.CancellationToken);
        Out = output.ToString().ReplaceLineEndings("\n");
        Error = error.ToString().ReplaceLineEndings("\n");
        return code;
    }

    public void Dispose() => _folder.Dispose();
}
