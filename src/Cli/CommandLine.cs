using System.CommandLine;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using Atoll.Client;
using Atoll.Cli.Commands;
using Atoll.Contracts;

namespace Atoll.Cli;

/// <summary>The program <c>atoll</c>: finds the command, runs it, and turns what happens into messages and exit codes.</summary>
internal static partial class CommandLine
{
    private static readonly ParserConfiguration Parsing = new()
    {
        // A value may begin with @; files are read only where an option says so.
        ResponseFileTokenReplacer = null,
    };

    /// <summary>Runs the process's command.</summary>
    /// <param name="args">What was typed after <c>atoll</c>.</param>
    /// <param name="extraCommands">Commands that need more than the API: the server's own.</param>
    public static async Task<int> RunAsync(string[] args, IEnumerable<Command> extraCommands)
    {
        Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        using var stop = new CancellationTokenSource();
        var stops = 0;

        // The first Ctrl-C asks, the second one is the system's and ends the process.
        void Stop(PosixSignalContext context)
        {
            context.Cancel = Interlocked.Increment(ref stops) == 1;
            stop.Cancel();
        }
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        return await RunAsync(args, extraCommands, Terminal.OfProcess(), stop.Token);
    }

    public static async Task<int> RunAsync(string[] args, IEnumerable<Command> extraCommands, Terminal terminal, CancellationToken cancellationToken)
    {
        var tree = new CommandTree(extraCommands);
        var parsed = tree.Root.Parse(args, Parsing);
        var command = parsed.CommandResult.Command;
        var path = CommandTree.PathOf(command);

        if (parsed.GetValue(tree.Help) || (command == tree.Root && args.Length == 0))
        {
            terminal.Out.Write(terminal.Named(HelpPage.Of(command, path, tree.Options, terminal.ReadingWidth)));
            return ExitCodes.Done;
        }
        if (command == tree.Root && parsed.GetValue(tree.Version))
        {
            terminal.Out.WriteLine($"atoll {AtollClient.Version}");
            return ExitCodes.Done;
        }
        if (parsed.UnmatchedTokens is [var unknown, ..] && command is not Verb)
        {
            var near = Nearest(unknown, command.Subcommands.Where(child => !child.Hidden).Select(child => child.Name));
            return Usage(terminal, $"There is no command '{path} {unknown}'.{(near is null ? "" : $" Did you mean '{path} {near}'?")}", path);
        }
        if (command is not Verb { Work: { } work } verb)
        {
            if (parsed.Errors.FirstOrDefault(error => error.SymbolResult is System.CommandLine.Parsing.OptionResult) is { } wrong) return Usage(terminal, Sentence(WordsOf(wrong)), path);
            terminal.Error.Write(terminal.Named(HelpPage.Of(command, path, tree.Options, terminal.ReadingWidth)));
            return ExitCodes.Usage;
        }
        if (parsed.Errors is [var first, ..]) return Usage(terminal, Sentence(WordsOf(first)), path);
        if (verb.IsLocal && tree.Options.All.FirstOrDefault(option => parsed.GetResult(option) is { Implicit: false }) is { } foreign)
            return Usage(terminal, $"'{path}' calls no server and takes no {foreign.Name}.", path);

        using var context = new CommandContext(parsed, tree.Options, terminal);
        return await RunAsync(work, context, path, cancellationToken);
    }

    /// <summary>Words that may come next, for the shell's completion.</summary>
    public static IEnumerable<string> Complete(CommandTree tree, string line, int position) =>
        tree.Root.Parse(line, Parsing).GetCompletions(position).Select(item => item.Label).Distinct();

    private static async Task<int> RunAsync(
        Func<CommandContext, CancellationToken, Task<int>> work, CommandContext context, string path, CancellationToken cancellationToken)
    {
        var terminal = context.Terminal;
        try
        {
            return await work(context, cancellationToken);
        }
        catch (UsageException problem)
        {
            return Usage(terminal, problem.Message, path);
        }
        catch (RefusedException problem)
        {
            Report(terminal, problem.Message, problem.Remedy);
            return ExitCodes.Refused;
        }
        catch (AtollException problem)
        {
            if (context.IsJson && problem.Document is { } document) terminal.Error.WriteLine(document);
            else Report(terminal, ApiWords.Translate(problem.Detail, context.Command), RemedyFor(problem, context) is { } remedy ? ApiWords.Translate(remedy, context.Command) : null);
            return ExitCodes.Refused;
        }
        catch (AtollUnreachableException) when (cancellationToken.IsCancellationRequested)
        {
            // Ctrl-C reached a server of this process first.
            return ExitCodes.Interrupted;
        }
        catch (AtollUnreachableException problem)
        {
            Report(terminal, problem.Message, "Start one with 'atoll serve', or name another with --server <url>.");
            return ExitCodes.Unreachable;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ExitCodes.Interrupted;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            Report(terminal, problem.Message, null);
            return ExitCodes.Refused;
        }
    }

    private static string? RemedyFor(AtollException problem, CommandContext context) => problem.Code switch
    {
        ProblemCodes.Unauthenticated => $"Log in with a key that is valid there: atoll login --server {context.Client.Server} --key <key>",
        _ => problem.Remedy,
    };

    private static int Usage(Terminal terminal, string message, string path)
    {
        Report(terminal, message, $"Help: {path} --help");
        return ExitCodes.Usage;
    }

    private static void Report(Terminal terminal, string message, string? remedy)
    {
        var error = terminal.ErrorConsole;
        error.Write(new Spectre.Console.Text("Error: ", new Spectre.Console.Style(Spectre.Console.Color.Red, decoration: Spectre.Console.Decoration.Bold)));
        terminal.Tell(message);
        if (remedy is not null) terminal.Tell("  " + remedy);
    }

    // The parser's own words name types of .NET.
    private static string WordsOf(System.CommandLine.Parsing.ParseError error) => error.SymbolResult switch
    {
        System.CommandLine.Parsing.OptionResult { Tokens: [var token, ..] } result when IsConversion(error) =>
            $"'{token.Value}' is not {Kind(result.Option.ValueType)}: {result.Option.Name} <{result.Option.HelpName ?? "value"}>",
        System.CommandLine.Parsing.ArgumentResult { Parent: System.CommandLine.Parsing.OptionResult option, Tokens: [var token, ..] } when IsConversion(error) =>
            $"'{token.Value}' is not {Kind(option.Option.ValueType)}: {option.Option.Name} <{option.Option.HelpName ?? "value"}>",
        System.CommandLine.Parsing.ArgumentResult { Tokens: [var token, ..] } result when IsConversion(error) =>
            $"'{token.Value}' is not {Kind(result.Argument.ValueType)}: <{result.Argument.Name}>",
        System.CommandLine.Parsing.OptionResult { Tokens.Count: 0 } result when IsMissing(error) =>
            $"A value is missing: {result.Option.Name} <{result.Option.HelpName ?? "value"}>",
        System.CommandLine.Parsing.ArgumentResult { Parent: System.CommandLine.Parsing.OptionResult option, Tokens.Count: 0 } when IsMissing(error) =>
            $"A value is missing: {option.Option.Name} <{option.Option.HelpName ?? "value"}>",
        System.CommandLine.Parsing.ArgumentResult { Tokens.Count: 0 } result when IsMissing(error) => $"<{result.Argument.Name}> is missing: {result.Argument.Description}",
        { } result when ListedValues().Match(error.Message) is { Success: true } listed =>
            $"'{listed.Groups["given"].Value}' is not one of {string.Join(", ", listed.Groups["known"].Captures.Select(known => known.Value))}: {PlaceOf(result)}",
        _ => error.Message,
    };

    private static string PlaceOf(System.CommandLine.Parsing.SymbolResult result) => result switch
    {
        System.CommandLine.Parsing.OptionResult option => option.Option.Name,
        { Parent: System.CommandLine.Parsing.OptionResult option } => option.Option.Name,
        System.CommandLine.Parsing.ArgumentResult argument => $"<{argument.Argument.Name}>",
        _ => "",
    };

    private static bool IsMissing(System.CommandLine.Parsing.ParseError error) => error.Message.StartsWith("Required argument", StringComparison.Ordinal);

    // How AcceptOnlyFromAmong says it.
    [GeneratedRegex(@"^Argument '(?<given>.*)' not recognized\. Must be one of:(?:\s*'(?<known>[^']*)')+\s*$", RegexOptions.Singleline)]
    private static partial Regex ListedValues();

    private static bool IsConversion(System.CommandLine.Parsing.ParseError error) => error.Message.StartsWith("Cannot parse argument", StringComparison.Ordinal);

    private static string Kind(Type type) => (Nullable.GetUnderlyingType(type) ?? type) switch
    {
        var known when known == typeof(int) || known == typeof(long) => "a whole number",
        var known when known == typeof(double) => "a number",
        var known when known == typeof(bool) => "true or false",
        var known when known == typeof(DateTimeOffset) => "a date such as 2030-01-31",
        _ => "such a value",
    };

    private static string Sentence(string text) => text.EndsWith('.') ? text : text + ".";

    /// <summary>The known word that differs by the fewest letters, if by few.</summary>
    private static string? Nearest(string word, IEnumerable<string> known) => known
        .Select(candidate => (candidate, distance: Distance(word, candidate)))
        .Where(pair => pair.distance <= Math.Max(1, pair.candidate.Length / 2))
        .OrderBy(pair => pair.distance).ThenBy(pair => pair.candidate, StringComparer.Ordinal)
        .Select(pair => pair.candidate).FirstOrDefault();

    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }
        return row[^1];
    }
}
