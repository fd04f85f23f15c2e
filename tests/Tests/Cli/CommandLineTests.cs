using System.CommandLine;
using System.Text;
using Atoll.Cli;

namespace Atoll.Tests.Cli;

public sealed class CommandLineTests : IDisposable
{
    private readonly TestTerminal _terminal = new();

    public void Dispose() => _terminal.Dispose();

    [Theory]
    [InlineData("", 0)]
    [InlineData("--help", 0)]
    [InlineData("--version", 0)]
    [InlineData("version", 0)]
    [InlineData("runs list --help", 0)]
    [InlineData("runs show --help", 0)]
    [InlineData("completion bash", 0)]
    [InlineData("runs", 2)]
    [InlineData("rnus", 2)]
    [InlineData("runs lsit", 2)]
    [InlineData("runs show", 2)]
    [InlineData("runs list --nonsense", 2)]
    [InlineData("runs list --state odd", 2)]
    [InlineData("runs list --output xml", 2)]
    [InlineData("completion tcsh", 2)]
    [InlineData("promote leads --gate accuracy=0.9 --key k", 2)]
    [InlineData("promote leads --gate accuracy>=often --key k", 2)]
    [InlineData("predict leads --key k", 2)]
    [InlineData("predict leads --key k --text a --csv b", 2)]
    [InlineData("predict leads --key k --csv no-such-file.csv", 2)]
    [InlineData("predict leads --key k --row tenure", 2)]
    [InlineData("predict leads --key k --row-json [1]", 2)]
    [InlineData("train leads --set epochs --key k", 2)]
    [InlineData("datasets create leads --key k", 2)]
    [InlineData("datasets create leads no-such-file.csv --key k", 2)]
    [InlineData("datasets delete leads --key k", 2)]
    [InlineData("models alias leads champion --key k", 2)]
    [InlineData("status --server ftp://x --key k", 2)]
    [InlineData("serve --key k", 2)]
    [InlineData("serve --port 1 --urls http://127.0.0.1:0", 2)]
    [InlineData("serve --port 70000", 2)]
    [InlineData("serve --config no-such-file.json", 2)]
    [InlineData("serve nonsense", 2)]
    [InlineData("quickstart --port 70000", 2)]
    [InlineData("runs list", 1)]
    [InlineData("runs list --server http://127.0.0.1:1 --key k", 3)]
    [InlineData("login --server http://127.0.0.1:1 --key k", 3)]
    [InlineData("runs list --server http://no-such-name.invalid --key k", 3)]
    public async Task Exit_codes_tell_scripts_what_happened(string line, int code)
    {
        Assert.True(code == await _terminal.RunAsync(line), $"{line}: {_terminal.Error}");
        if (code == 0)
        {
            Assert.NotEmpty(_terminal.Out);
            Assert.Empty(_terminal.Error);
        }
        else
        {
            Assert.Empty(_terminal.Out);
            Assert.NotEmpty(_terminal.Error);
        }
    }

    [Theory]
    [InlineData("rnus list", "Did you mean 'atoll runs'?")]
    [InlineData("runs lsit", "Did you mean 'atoll runs list'?")]
    [InlineData("runs list", "Log in with: atoll login")]
    [InlineData("status", "Error: There is no API key for http://127.0.0.1:8080.\n  Log in with: atoll login --server http://127.0.0.1:8080 --key <key>")]
    [InlineData("status --server http://a.example", "atoll login --server http://a.example --key <key>")]
    [InlineData("runs list --state odd --key k", "Error: 'odd' is not one of queued, running, succeeded, failed, cancelled: --state.\n")]
    [InlineData("completion tcsh", "Error: 'tcsh' is not one of bash, zsh, fish, pwsh: <shell>.\n")]
    [InlineData("grants list --key k", "Error: <principal> is missing: Name of the principal.\n")]
    [InlineData("runs list --state", "Error: A value is missing: --state <state>.\n")]
    [InlineData("runs list --server http://127.0.0.1:1 --key k", "Start one with 'atoll serve'")]
    [InlineData("runs show", "Help: atoll runs show --help")]
    [InlineData("datasets delete leads --key k", "Confirm with --yes")]
    [InlineData("serve --key k", "takes no --key")]
    [InlineData("promote leads --gate accuracy=0.9 --key k", "'accuracy>=0.9'")]
    public async Task A_refusal_says_the_next_step(string line, string expected)
    {
        Assert.NotEqual(0, await _terminal.RunAsync(line));
        Assert.Contains(expected, _terminal.Error);
    }

    [Theory]
    [InlineData("serve --port abc", "'abc' is not a whole number: --port <number>.")]
    [InlineData("predict leads --top many --key k", "'many' is not a whole number: --top <number>.")]
    [InlineData("train leads --minutes soon --key k", "'soon' is not a number: --minutes <number>.")]
    [InlineData("models alias leads champion first --key k", "'first' is not a whole number: <version>.")]
    [InlineData("keys create ana --expires tomorrow --key k", "is not a date such as 2030-01-31")]
    [InlineData("predict leads --row-json {a --key k", "--row-json is not valid JSON, at character 2: {a")]
    public async Task A_value_of_the_wrong_kind_is_told_in_words(string line, string expected)
    {
        Assert.Equal(2, await _terminal.RunAsync(line));
        Assert.Contains(expected, _terminal.Error);
        Assert.DoesNotContain("System.", _terminal.Error);
    }

    [Fact]
    public async Task Commands_in_messages_call_the_program_as_it_was_called()
    {
        _terminal["ATOLL_PROGRAM"] = "./atoll";
        await _terminal.RunAsync("runs list");
        Assert.Contains("Log in with: ./atoll login", _terminal.Error);
        await _terminal.RunAsync("runs list --help");
        Assert.Contains("  ./atoll runs list --state failed", _terminal.Out);
        Assert.DoesNotContain(" atoll runs", _terminal.Out);
    }

    [Fact]
    public async Task A_cursor_behind_the_line_asks_for_the_next_word()
    {
        // PowerShell gives 'atoll runs ' without its last blank, and the place of the cursor.
        Assert.Equal(0, await _terminal.RunAsync(["complete", "--position", "11", "--", "atoll runs"]));
        Assert.Contains("follow", _terminal.Out.Split('\n'));
    }

    [Fact]
    public void Every_command_does_something_and_shows_by_example_how()
    {
        foreach (var (command, path) in Commands(new CommandTree(TestTerminal.ExtraCommands()).Root))
        {
            if (command.Subcommands.Count > 0)
            {
                Assert.IsNotType<Verb>(command);
                continue;
            }
            var verb = Assert.IsType<Verb>(command);
            Assert.True(verb.Work is not null, path);
            if (!verb.Hidden) Assert.True(verb.Examples.Count > 0, $"{path} has no example.");
        }
    }

    public static TheoryData<string> Examples() => [.. Commands(new CommandTree(TestTerminal.ExtraCommands()).Root)
        .Select(pair => pair.Command).OfType<Verb>().SelectMany(verb => verb.Examples).Select(example => example.Line)
        .Where(line => line.StartsWith("atoll ", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(Examples))]
    public void Every_example_is_a_command_that_exists(string line)
    {
        var parsed = new CommandTree(TestTerminal.ExtraCommands()).Root.Parse(Split(line)[1..]);
        Assert.IsType<Verb>(parsed.CommandResult.Command);
        Assert.Empty(parsed.Errors);
    }

    [Fact]
    public async Task The_reference_page_shows_the_help_of_every_command()
    {
        var page = new StringBuilder("""
            # Commands

            Every command is `atoll <noun> <verb>`, works over the public API, and takes `--help`.
            This page is that help; a test rewrites it (`UPDATE_GOLDEN=1`).

            | Exit code | Means |
            |---|---|
            | 0 | done |
            | 1 | refused: the server, a gate or the state of things said no |
            | 2 | the command was written wrongly |
            | 3 | the server cannot be reached |

            Answers go to standard output, everything else (progress, questions, errors) to standard error. With `--output json` the answer
            is the server's own JSON and nothing else; an error is then the server's problem document. `NO_COLOR` is respected.

            """).Replace("\r", "");
        foreach (var (command, path) in Commands(new CommandTree(TestTerminal.ExtraCommands()).Root).Where(pair => !pair.Command.Hidden))
        {
            Assert.Equal(0, await _terminal.RunAsync($"{path["atoll".Length..]} --help"));
            page.Append('\n').Append("## ").Append(path).Append("\n\n```text\n").Append(_terminal.Out).Append("```\n");
        }
        Golden.Check("docs/reference/cli.md", page.ToString());
    }

    [Theory]
    [InlineData(40)]
    [InlineData(80)]
    [InlineData(200)]
    public async Task Help_fits_the_screen(int columns)
    {
        using var terminal = new TestTerminal { Columns = columns };
        foreach (var (_, path) in Commands(new CommandTree(TestTerminal.ExtraCommands()).Root))
        {
            await terminal.RunAsync($"{path["atoll".Length..]} --help");
            // Usage and examples are lines to copy and stay whole; so do the names of options.
            foreach (var line in terminal.Out.Split('\n').TakeWhile(line => line != "Examples:"))
                if (!line.StartsWith("  atoll", StringComparison.Ordinal) && !line.StartsWith("  -", StringComparison.Ordinal))
                    Assert.True(line.Length <= Math.Min(columns, 120) || !line.Trim().Contains(' '), $"{path}: {line}");
        }
    }

    [Theory]
    [InlineData("atoll ru", "runs")]
    [InlineData("atoll runs s", "show")]
    [InlineData("./atoll runs list --st", "--state")]
    [InlineData("atoll runs list --state fa", "failed")]
    [InlineData("atoll completion z", "zsh")]
    public async Task The_shell_is_told_the_words_that_may_come_next(string line, string expected)
    {
        Assert.Equal(0, await _terminal.RunAsync(["complete", "--position", $"{line.Length}", "--", line]));
        Assert.Contains(expected, _terminal.Out.Split('\n'));
    }

    [Theory]
    [InlineData("bash")]
    [InlineData("zsh")]
    [InlineData("fish")]
    [InlineData("pwsh")]
    public async Task Each_shell_gets_a_script_that_asks_for_words(string shell)
    {
        Assert.Equal(0, await _terminal.RunAsync($"completion {shell}"));
        Assert.Contains(" complete ", _terminal.Out);
    }

    private static IEnumerable<(Command Command, string Path)> Commands(Command command)
    {
        yield return (command, CommandTree.PathOf(command));
        foreach (var child in command.Subcommands)
            foreach (var pair in Commands(child))
                yield return pair;
    }

    /// <summary>Words of a line as a shell makes them, with quotes.</summary>
    private static string[] Split(string line)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        char? quote = null;
        foreach (var c in line)
        {
            if (quote is null && c is '"' or '\'' && quote is null) quote = c;
            else if (c == quote) quote = null;
            else if (c == ' ' && quote is null)
            {
                words.Add(word.ToString());
                word.Clear();
            }
            else word.Append(c);
        }
        words.Add(word.ToString());
        // What follows a redirection is the shell's.
        return [.. words.TakeWhile(found => found is not ("<" or ">"))];
    }
}
