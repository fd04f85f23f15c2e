using System.CommandLine;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Atoll.Cli;

/// <summary>Says in options of a command what the server says in fields of its API.</summary>
internal static partial class ApiWords
{
    private static readonly (string Api, string Option)[] Queries =
    [
        ("add ?unknown=ignore", "add --ignore-unknown"), ("?alias=", "--alias"), ("?version=", "--version"),
        ("send skipBad=true", "add --skip-bad"), ("Send what /openapi/v1.json describes for this route.", "See what the command takes with --help."),
    ];

    /// <summary>The text with what can be typed instead of what is sent.</summary>
    public static string Translate(string text, Command command)
    {
        foreach (var (api, option) in Queries) text = text.Replace(api, option, StringComparison.Ordinal);
        text = QuotedField().Replace(text, match => OptionFor(match.Groups["name"].Value, command) ?? match.Value);
        return text;
    }

    private static string? OptionFor(string field, Command command)
    {
        if (field.Split('.', 2) is ["parameters", var parameter]) return $"--set {parameter}";
        if (field.Split('.', 2) is ["columns", var column]) return $"--column {column}";
        if (field.StartsWith("gates[", StringComparison.Ordinal)) return "--gate";
        var name = "--" + JsonNamingPolicy.KebabCaseLower.ConvertName(field).Replace("-max", "", StringComparison.Ordinal);
        return command.Options.FirstOrDefault(option => option.Name == name)?.Name;
    }

    [GeneratedRegex(@"The field '(?<name>[\w.\[\]-]+)'")]
    private static partial Regex QuotedField();
}
