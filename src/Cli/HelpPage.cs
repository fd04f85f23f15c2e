using System.CommandLine;
using System.Text;

namespace Atoll.Cli;

/// <summary>Writes the help of a command: usage, arguments, options and examples, wrapped to the reader's width.</summary>
internal static class HelpPage
{
    private static readonly (string Title, string[] Commands)[] Groups =
    [
        ("Start here", ["quickstart", "serve", "doctor", "login", "logout", "status"]),
        ("From data to predictions", ["datasets", "train", "runs", "models", "promote", "endpoints", "predict", "bench", "usage"]),
        ("Who may do what", ["tenants", "principals", "grants", "keys", "tokens", "recover"]),
        ("The command line", ["completion", "version"]),
    ];

    public static string Of(Command command, string path, GlobalOptions options, int width)
    {
        var text = new StringBuilder();
        Wrap(text, command.Description ?? "", "", width);
        if (command is Verb { Details: { } details })
        {
            text.AppendLine();
            foreach (var paragraph in details.Split('\n')) Wrap(text, paragraph, "", width);
        }
        text.AppendLine().AppendLine("Usage:").Append("  ").AppendLine(Usage(command, path));
        if (command.Arguments.Where(argument => !argument.Hidden).Select(ArgumentRow).ToList() is { Count: > 0 } arguments)
            Section(text, "Arguments", arguments, width);

        var commands = command.Subcommands.Where(child => !child.Hidden).ToDictionary(child => child.Name);
        if (command.Parents.Any())
        {
            if (commands.Count > 0) Section(text, "Commands", [.. commands.Values.Select(CommandRow)], width);
        }
        else
        {
            foreach (var (title, names) in Groups)
                if (names.Where(commands.ContainsKey).Select(name => CommandRow(commands[name])).ToList() is { Count: > 0 } rows)
                    Section(text, title, rows, width);
            var grouped = Groups.SelectMany(group => group.Commands).ToHashSet();
            if (commands.Values.Where(child => !grouped.Contains(child.Name)).Select(CommandRow).ToList() is { Count: > 0 } others)
                Section(text, "More", others, width);
        }

        if (command.Options.Where(option => !option.Hidden && !option.Recursive).Select(OptionRow).ToList() is { Count: > 0 } own)
            Section(text, "Options", own, width);
        List<(string, string)> common = [("-h, --help", "Show this help.")];
        if (command is not Verb { IsLocal: true }) common.InsertRange(0, options.All.Select(OptionRow));
        if (!command.Parents.Any()) common.Add(("--version", "Show the version."));
        Section(text, command is Verb { IsLocal: true } ? "Other options" : "Options of every command", common, width);

        if (command is Verb { Examples: { Count: > 0 } examples })
        {
            text.AppendLine().AppendLine("Examples:");
            foreach (var example in examples)
            {
                Wrap(text, "# " + example.Says, "  ", width);
                text.Append("  ").AppendLine(example.Line);
            }
        }
        if (commands.Count > 0)
        {
            text.AppendLine();
            Wrap(text, $"Help for one command: {path} <command> --help", "", width);
        }
        return text.ToString();
    }

    public static string Usage(Command command, string path)
    {
        var text = path;
        foreach (var argument in command.Arguments.Where(argument => !argument.Hidden)) text += " " + Bracketed(argument);
        if (command.Subcommands.Any(child => !child.Hidden)) return text + " <command> [options]";
        foreach (var option in command.Options.Where(option => option.Required)) text += $" {option.Name} <{option.HelpName}>";
        return text + " [options]";
    }

    private static (string, string) ArgumentRow(Argument argument) => ($"<{argument.Name}>", argument.Description ?? "");

    private static (string, string) CommandRow(Command command) => (command.Name, FirstSentence(command.Description ?? ""));

    public static (string Left, string Right) OptionRow(Option option)
    {
        var names = string.Join(", ", option.Aliases.Append(option.Name).OrderBy(name => name.Length));
        var value = option.Arity.MaximumNumberOfValues > 0 && option.ValueType != typeof(bool) ? $" <{option.HelpName ?? "value"}>" : "";
        return (names + value, option.Description ?? "");
    }

    private static string FirstSentence(string text) => text.IndexOf(". ", StringComparison.Ordinal) is > 0 and var end ? text[..(end + 1)] : text;

    private static string Bracketed(Argument argument)
    {
        var many = argument.Arity.MaximumNumberOfValues > 1 ? "..." : "";
        return argument.Arity.MinimumNumberOfValues == 0 ? $"[{argument.Name}]{many}" : $"<{argument.Name}>{many}";
    }

    /// <summary>Names on the left, what they mean on the right, below a title.</summary>
    public static void Section(StringBuilder text, string title, IReadOnlyList<(string Left, string Right)> rows, int width)
    {
        text.AppendLine().Append(title).AppendLine(":");
        var left = Math.Min(rows.Max(row => row.Left.Length), Math.Max(16, width / 3));
        var indent = new string(' ', left + 4);
        foreach (var row in rows)
        {
            var line = new StringBuilder();
            Wrap(line, row.Right, indent, width);
            var first = "  " + row.Left;
            // A name too long for its column gets a line of its own.
            if (row.Left.Length > left || line.Length == 0) text.AppendLine(first).Append(line);
            else text.Append(first.PadRight(indent.Length)).Append(line, indent.Length, line.Length - indent.Length);
        }
    }

    private static void Wrap(StringBuilder text, string words, string indent, int width)
    {
        var line = indent;
        foreach (var word in words.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.Length > indent.Length && line.Length + 1 + word.Length > width)
            {
                text.AppendLine(line);
                line = indent;
            }
            line += line.Length > indent.Length ? " " + word : word;
        }
        if (line.Length > indent.Length) text.AppendLine(line);
    }
}
