using System.Text.RegularExpressions;
using Atoll.Platform.Http;

namespace Atoll.Platform;

/// <summary>The rule for names that people give and that stand in addresses.</summary>
internal static partial class Names
{
    public const string Rule = "1 to 63 lower-case letters, digits, hyphens or underscores, beginning with a letter or digit";

    [GeneratedRegex("^[a-z0-9][a-z0-9_-]{0,62}\\z")]
    private static partial Regex Pattern();

    public static bool IsValid(string? name) => name is not null && Pattern().IsMatch(name);

    /// <summary>Null when the name may be used; otherwise the problem to answer.</summary>
    public static Problem? Check(string? name, string field = "name") => IsValid(name) ? null : HttpProblems.InvalidField(
        field, name is null or "" ? "is missing" : $"'{Shorten(name)}' is not a name", $"Use {Rule}, such as '{Suggest(name)}'.");

    /// <summary>The nearest valid name: for messages, and for files that become datasets.</summary>
    public static string Suggest(string? name)
    {
        var letters = (name ?? "").ToLowerInvariant().Select(c => char.IsAsciiLetterOrDigit(c) || c is '_' ? c : '-');
        var suggestion = string.Join('-', new string([.. letters]).Split('-', StringSplitOptions.RemoveEmptyEntries)).TrimStart('_');
        if (suggestion.Length > 63) suggestion = suggestion[..63];
        return suggestion.Length == 0 ? "lead-scoring" : suggestion;
    }

    private static string Shorten(string text) => text.Length <= 80 ? text : text[..77] + "...";
}
