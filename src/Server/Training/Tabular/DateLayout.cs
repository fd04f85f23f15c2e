using System.Text.RegularExpressions;

namespace Atoll.Training.Tabular;

/// <summary>A number that is read out of a date.</summary>
internal enum DatePart
{
    /// <summary>Days since a reference day, with the time as a fraction.</summary>
    Days,
    Month,
    DayOfMonth,
    DayOfWeek,
    Hour,
    MonthSine,
    MonthCosine,
    HourSine,
    HourCosine,
    WeekSine,
    WeekCosine,
}

/// <summary>In which order the numbers of a date stand: the texts of one column follow one order.</summary>
/// <param name="Year">Position of the year among the digit groups.</param>
/// <param name="Month">Position of the month.</param>
/// <param name="Day">Position of the day.</param>
/// <param name="HasNames">Whether months may be written as English names, of which the first three letters count.</param>
/// <param name="HasHalves">Whether hours may be followed by am or pm.</param>
internal sealed partial record DateLayout(int Year, int Month, int Day, bool HasNames = false, bool HasHalves = false)
{
    public static IReadOnlyList<string> MonthNames { get; } =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

    /// <summary>Regular expressions for the whole lower-case text that mark hours before and after noon.</summary>
    public const string MorningForm = "(?s).*[0-9] ?am.*";
    public const string AfternoonForm = "(?s).*[0-9] ?pm.*";

    /// <summary>Digit groups that are read: year, month, day in some order, then hour, minute, second.</summary>
    public const int Groups = 6;

    // Nine digits fit an int; the exported graph cuts the groups in the same way.
    public const int DigitsMost = 9;

    private static readonly DateLayout[] All = [new(0, 1, 2), new(2, 0, 1), new(2, 1, 0)];

    /// <summary>The layout that most texts of a column fit, month before day if both do; null when too few are dates.</summary>
    public static DateLayout? Detect(IEnumerable<string?> texts)
    {
        var fits = new int[All.Length];
        var present = 0;
        var hasNames = false;
        var hasHalves = false;
        Span<int> groups = stackalloc int[Groups];
        foreach (var text in texts)
        {
            if (string.IsNullOrEmpty(text)) continue;
            present++;
            var lower = CategoryDerivation.LowerAscii(text);
            var named = ReadGroups(lower, groups, names: true);
            if (named >= 0) hasNames = true;
            else ReadGroups(lower, groups, names: false);
            hasHalves |= Morning().IsMatch(lower) || Afternoon().IsMatch(lower);
            for (var i = 0; i < All.Length; i++)
            {
                if ((named < 0 || named == All[i].Month) && All[i].IsDate(groups)) fits[i]++;
            }
        }
        var best = 0;
        for (var i = 1; i < All.Length; i++)
        {
            if (fits[i] > fits[best]) best = i;
        }
        return present > 0 && fits[best] >= 0.9 * present ? All[best] with { HasNames = hasNames, HasHalves = hasHalves } : null;
    }

    /// <summary>The date that a text holds, or null for what is not a date.</summary>
    public DateValue? Read(string? text)
    {
        if (string.IsNullOrEmpty(text)) return null;
        Span<int> groups = stackalloc int[Groups];
        if (HasNames || HasHalves) text = CategoryDerivation.LowerAscii(text);
        ReadGroups(text, groups, HasNames);
        if (!IsDate(groups)) return null;
        var year = groups[Year];
        if (year < 100) year += year < 70 ? 2000 : 1900;
        if (HasHalves)
        {
            if (groups[3] == 12 && Morning().IsMatch(text)) groups[3] = 0;
            else if (groups[3] < 12 && Afternoon().IsMatch(text)) groups[3] += 12;
        }
        var isTime = groups[3] <= 24 && groups[4] <= 60 && groups[5] <= 60;
        return new DateValue(DaysOf(year, groups[Month], groups[Day]), isTime ? (groups[3] * 3600) + (groups[4] * 60) + groups[5] : 0, groups[Month], groups[Day]);
    }

    /// <summary>The number of a part, as the exported graph computes it.</summary>
    public static float PartOf(DatePart part, DateValue date, int reference)
    {
        var hour = date.Seconds / 3600f;
        var dayOfWeek = (float)((((date.Days + 3) % 7) + 7) % 7);
        var month = (float)date.Month;
        return part switch
        {
            DatePart.Days => (date.Days - reference) + (hour / 24f),
            DatePart.Month => month,
            DatePart.DayOfMonth => date.Day,
            DatePart.DayOfWeek => dayOfWeek,
            DatePart.Hour => hour,
            DatePart.MonthSine => MathF.Sin(month * (2 * MathF.PI / 12)),
            DatePart.MonthCosine => MathF.Cos(month * (2 * MathF.PI / 12)),
            DatePart.HourSine => MathF.Sin(hour * (2 * MathF.PI / 24)),
            DatePart.HourCosine => MathF.Cos(hour * (2 * MathF.PI / 24)),
            DatePart.WeekSine => MathF.Sin(dayOfWeek * (2 * MathF.PI / 7)),
            _ => MathF.Cos(dayOfWeek * (2 * MathF.PI / 7)),
        };
    }

    private bool IsDate(ReadOnlySpan<int> groups) =>
        groups[Month] is >= 1 and <= 12 && groups[Day] is >= 1 and <= 31 && groups[Year] is >= 0 and <= 9999
        && (groups[Year] >= 1000 || (groups[Year] < 100 && Year != 0));

    /// <summary>Reads runs of digits, and names of months as their numbers; returns the position of the first name, or -1.</summary>
    private static int ReadGroups(string text, Span<int> groups, bool names)
    {
        groups.Clear();
        var named = -1;
        var group = -1;
        var digits = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsAsciiDigit(text[i]))
            {
                if (digits == 0 || digits == DigitsMost)
                {
                    if (++group == Groups) return named;
                    digits = 0;
                }
                digits++;
                groups[group] = (groups[group] * 10) + (text[i] - '0');
                continue;
            }
            digits = 0;
            var month = names ? MonthAt(text.AsSpan(i)) : 0;
            if (month == 0) continue;
            if (++group == Groups) return named;
            groups[group] = month;
            if (named < 0) named = group;
            i += 2;
        }
        return named;
    }

    private static int MonthAt(ReadOnlySpan<char> text)
    {
        for (var i = 0; i < MonthNames.Count; i++)
        {
            if (text.StartsWith(MonthNames[i], StringComparison.Ordinal)) return i + 1;
        }
        return 0;
    }

    [GeneratedRegex(MorningForm)]
    private static partial Regex Morning();

    [GeneratedRegex(AfternoonForm)]
    private static partial Regex Afternoon();

    // The calendar by 400-year cycles that begin in March, after Howard Hinnant's "chrono-compatible low-level date algorithms".
    private static int DaysOf(int year, int month, int day)
    {
        if (month <= 2) year--;
        var monthFromMarch = month > 2 ? month - 3 : month + 9;
        return (365 * year) + (year / 4) - (year / 100) + (year / 400) + (((153 * monthFromMarch) + 2) / 5) + day - 719469;
    }
}

/// <summary>A date as the numbers that parts are made of.</summary>
/// <param name="Days">Since 1970-01-01.</param>
/// <param name="Seconds">Of the day.</param>
/// <param name="Month">From 1.</param>
/// <param name="Day">Of the month, from 1.</param>
internal readonly record struct DateValue(int Days, int Seconds, int Month, int Day);
