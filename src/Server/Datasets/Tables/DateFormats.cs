using System.Globalization;

namespace Atoll.Datasets;

/// <summary>The ways of writing dates that are recognised. Order is preference when several fit.</summary>
internal static class DateFormats
{
    /// <summary>Patterns of .NET; the parser takes one or two digits for day, month and hour where the pattern has one.</summary>
    private static readonly string[] DatePatterns =
    [
        "yyyy-M-d", "yyyy/M/d", "yyyy.M.d", "M/d/yyyy", "d/M/yyyy", "d.M.yyyy", "d-M-yyyy", "M-d-yyyy", "M/d/yy", "d/M/yy", "d.M.yy",
        "d MMM yyyy", "d-MMM-yyyy", "d-MMM-yy", "d MMMM yyyy", "MMM d, yyyy", "MMMM d, yyyy", "MMM d yyyy", "ddd, d MMM yyyy",
    ];

    private static readonly string[] TimePatterns = ["H:m", "H:m:s", "H:m:s.FFFFFFF", "h:m tt", "h:m:s tt"];

    /// <summary>Every pattern; the dates come first, then dates with times.</summary>
    public static IReadOnlyList<string> All { get; } = [.. DatePatterns, .. WithTimes()];

    /// <summary>Patterns up to this one have no time of day.</summary>
    public static int DateCount => DatePatterns.Length;

    public static bool IsDateTime(int pattern) => pattern >= DatePatterns.Length;

    /// <summary>The same digits read with the month first.</summary>
    public static bool IsMonthFirst(int pattern) => All[pattern].StartsWith("M/", StringComparison.Ordinal) || All[pattern].StartsWith("M-", StringComparison.Ordinal);

    public static bool IsDayFirst(int pattern) => All[pattern].StartsWith("d/", StringComparison.Ordinal) || All[pattern].StartsWith("d-M-", StringComparison.Ordinal);

    /// <summary>Could any pattern fit? Spares the real parser most texts.</summary>
    public static bool Plausible(ReadOnlySpan<char> text)
    {
        if (text.Length is < 6 or > 40) return false;
        if (!char.IsAsciiDigit(text[0]) && !char.IsAsciiLetter(text[0])) return false;

        int digits = 0, marks = 0;
        foreach (char c in text)
        {
            if (char.IsAsciiDigit(c)) digits++;
            else if (c is '-' or '/' or '.' or ' ' or ',' or ':') marks++;
        }

        return digits is >= 3 and <= 25 && marks >= 2;
    }

    public static bool TryParse(ReadOnlySpan<char> text, string pattern, out DateTime value)
    {
        // A zone does not change which moment of the local day is meant; times are kept as they are written.
        const DateTimeStyles Style = DateTimeStyles.RoundtripKind | DateTimeStyles.AllowWhiteSpaces;
        return DateTime.TryParseExact(text, pattern, CultureInfo.InvariantCulture, Style, out value) && value.Year is >= 1000 and <= 9999;
    }

    private static IEnumerable<string> WithTimes()
    {
        // ISO 8601 in its variants first.
        foreach (var pattern in (string[])["yyyy-M-d'T'H:m", "yyyy-M-d'T'H:m:s", "yyyy-M-d'T'H:m:s.FFFFFFF", "yyyy-M-d'T'H:mK", "yyyy-M-d'T'H:m:sK", "yyyy-M-d'T'H:m:s.FFFFFFFK", "yyyy-M-d H:m:sK", "yyyy-M-d H:m:s.FFFFFFFK", "yyyy-M-d H:m:s 'UTC'"])
            yield return pattern;

        foreach (var date in DatePatterns)
        {
            foreach (var time in TimePatterns) yield return $"{date} {time}";
        }

        yield return "ddd MMM d H:m:s yyyy";
        yield return "ddd, d MMM yyyy H:m:s 'GMT'";
    }
}
