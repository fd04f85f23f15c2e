using System.Buffers;
using System.Globalization;

namespace Atoll.Datasets;

/// <summary>Reads single values of tables as people write them. The same functions infer types, check values and read numbers for training.</summary>
internal static class CellValues
{
    /// <summary>What stands for a value that is not there, besides the empty cell; letters of either case.</summary>
    public static IReadOnlyList<string> MissingMarkersDefault { get; } = ["NA", "N/A", "null", "none", "nan", "?", "-"];

    private const string CurrencySymbols = "$€£¥₹₩₽₺₪";

    private static readonly SearchValues<char> Spaces = SearchValues.Create(" \u00A0\u202F\t");

    private static readonly HashSet<string> CurrencyCodes =
        new(["USD", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "CNY", "INR", "SEK", "NOK", "DKK", "PLN", "BRL", "MXN", "ZAR", "KRW", "RUB", "TRY", "SGD", "HKD", "NZD"], StringComparer.OrdinalIgnoreCase);

    private static readonly HashSet<string>.AlternateLookup<ReadOnlySpan<char>> CurrencyCodeLookup = CurrencyCodes.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>A number: digits with an optional sign, fraction, exponent and separators of thousands.</summary>
    public static bool TryNumber(ReadOnlySpan<char> text, bool decimalComma, out double value)
    {
        value = 0;
        text = text.Trim();
        if (text.IsEmpty || text.Length > 64) return false;

        // Accounts write negative amounts in brackets.
        if (text.Length > 2 && text[0] == '(' && text[^1] == ')')
        {
            if (!TryNumber(text[1..^1], decimalComma, out value) || value < 0) return false;

            value = -value;
            return true;
        }

        char last = text[^1], first = text[0];
        if (!char.IsAsciiDigit(last) && last != '.' && last != ',') return false;
        if (!char.IsAsciiDigit(first) && first is not ('-' or '+' or '.' or ',' or '\u2212')) return false;

        char point = decimalComma ? ',' : '.', thousands = decimalComma ? '.' : ',';
        if (text.ContainsAny(Grouping) || (decimalComma && text.Contains('.')))
        {
            return TryGrouped(text, point, thousands, out value);
        }

        return double.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out value)
            && double.IsFinite(value);
    }

    /// <summary>A whole number without separators, as far as 64 bits go.</summary>
    public static bool IsInteger(ReadOnlySpan<char> text) => text.Length <= 20 && long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _);

    /// <summary>Digits that begin with a zero: a code such as 00501, which would lose its zeros as a number.</summary>
    public static bool HasLeadingZero(ReadOnlySpan<char> text) => text.Length > 1 && text[0] == '0' && char.IsAsciiDigit(text[1]);

    /// <summary>A number with a currency before or after it.</summary>
    public static bool TryCurrency(ReadOnlySpan<char> text, bool decimalComma, out double value)
    {
        value = 0;
        text = text.Trim();
        bool bracketed = text.Length > 2 && text[0] == '(' && text[^1] == ')';
        if (bracketed) text = text[1..^1].Trim();

        bool negative = text.Length > 1 && text[0] == '-';
        var body = negative ? text[1..].TrimStart() : text;
        if (body.Length < 2) return false;

        if (CurrencySymbols.Contains(body[0])) body = body[1..].TrimStart();
        else if (CurrencySymbols.Contains(body[^1])) body = body[..^1].TrimEnd();
        else if (body.Length > 3 && CurrencyCodeLookup.Contains(body[..3])) body = body[3..].TrimStart();
        else if (body.Length > 3 && CurrencyCodeLookup.Contains(body[^3..])) body = body[..^3].TrimEnd();
        else return false;

        if (!TryNumber(body, decimalComma, out value)) return false;

        if (negative || bracketed) value = -value;
        return true;
    }

    /// <summary>A number followed by %; 12 % gives 12.</summary>
    public static bool TryPercent(ReadOnlySpan<char> text, bool decimalComma, out double value)
    {
        value = 0;
        text = text.Trim();
        return text.Length > 1 && text[^1] == '%' && TryNumber(text[..^1], decimalComma, out value);
    }

    /// <summary>The number in a cell of a numeric column, whatever stands around it.</summary>
    public static bool TryNumeric(ReadOnlySpan<char> text, bool decimalComma, out double value) =>
        TryNumber(text, decimalComma, out value) || TryCurrency(text, decimalComma, out value) || TryPercent(text, decimalComma, out value);

    /// <summary>One of the pairs in which people write yes and no; the pair's number, or -1.</summary>
    public static int BooleanPair(ReadOnlySpan<char> text)
    {
        if (text.Length is 0 or > 5) return -1;
        if (Is(text, "true") || Is(text, "false")) return 0;
        if (Is(text, "yes") || Is(text, "no")) return 1;
        if (Is(text, "y") || Is(text, "n")) return 2;
        if (Is(text, "t") || Is(text, "f")) return 3;
        if (Is(text, "on") || Is(text, "off")) return 4;
        return text is "0" or "1" ? 5 : -1;
    }

    public static bool IsEmail(ReadOnlySpan<char> text)
    {
        int at = text.IndexOf('@');
        if (at <= 0 || text.Length > 254 || text.ContainsAny(Spaces) || text[(at + 1)..].Contains('@')) return false;

        var domain = text[(at + 1)..];
        int dot = domain.LastIndexOf('.');
        return dot > 0 && domain.Length - dot - 1 >= 2 && !domain[(dot + 1)..].ContainsAnyExcept(Letters);
    }

    public static bool IsUrl(ReadOnlySpan<char> text)
    {
        if (text.Length < 5 || text.ContainsAny(Spaces)) return false;
        if (text.StartsWith("http://", StringComparison.OrdinalIgnoreCase)) return text.Length > 10;
        if (text.StartsWith("https://", StringComparison.OrdinalIgnoreCase)) return text.Length > 11;
        if (text.StartsWith("ftp://", StringComparison.OrdinalIgnoreCase)) return text.Length > 9;
        return text.StartsWith("www.", StringComparison.OrdinalIgnoreCase) && text[4..].Contains('.');
    }

    /// <summary>Seven to fifteen digits with the marks that telephone numbers have.</summary>
    /// <param name="marked">There is such a mark; without it the value might be any number.</param>
    public static bool IsPhone(ReadOnlySpan<char> text, out bool marked)
    {
        marked = false;
        if (text.Length is < 7 or > 25) return false;

        int digits = 0;
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (char.IsAsciiDigit(c)) digits++;
            else if (c is '(' or ')' or ' ' or '-' or '/' || (c == '+' && i == 0)) marked = true;
            else if (c == 'x' && digits >= 7) marked = true;
            else if (c != '.') return false;
        }

        return digits is >= 7 and <= 15;
    }

    /// <summary>Digits, or letters and digits, in the length that postal codes have. Many other codes look like that: the column's name decides.</summary>
    public static bool IsPostalCode(ReadOnlySpan<char> text)
    {
        if (text.Length is < 3 or > 10) return false;

        bool digit = false;
        foreach (char c in text)
        {
            if (char.IsAsciiDigit(c)) digit = true;
            else if (!char.IsAsciiLetter(c) && c is not (' ' or '-')) return false;
        }

        return digit;
    }

    private static readonly SearchValues<char> Grouping = SearchValues.Create(", '\u00A0\u202F\u2212");

    private static readonly SearchValues<char> Letters = SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

    private static bool Is(ReadOnlySpan<char> text, string word) => text.Equals(word, StringComparison.OrdinalIgnoreCase);

    private static bool TryGrouped(ReadOnlySpan<char> text, char point, char thousands, out double value)
    {
        value = 0;
        Span<char> plain = stackalloc char[text.Length];
        int length = 0, group = -1, separators = 0;
        char separator = '\0';
        bool fraction = false;
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (i == 0 && c is '-' or '+' or '\u2212')
            {
                plain[length++] = c == '+' ? '+' : '-';
            }
            else if (char.IsAsciiDigit(c))
            {
                if (group >= 0 && !fraction) group++;
                plain[length++] = c;
            }
            else if (c == point && !fraction)
            {
                if (separators > 0 && group != 3) return false;

                fraction = true;
                plain[length++] = '.';
            }
            else if (!fraction && (c == thousands || c is '\'' or ' ' or '\u00A0' or '\u202F'))
            {
                // Groups are of three digits after the first, which has one to three, all parted the same way.
                if (separators > 0 ? group != 3 || c != separator : DigitsBefore(plain[..length]) is 0 or > 3) return false;

                separator = c;
                separators++;
                group = 0;
            }
            else
            {
                return false;
            }
        }

        if (!fraction && separators > 0 && group != 3) return false;

        return double.TryParse(plain[..length], NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out value);
    }

    private static int DigitsBefore(ReadOnlySpan<char> text) => text.Length - (text.Length > 0 && !char.IsAsciiDigit(text[0]) ? 1 : 0);
}
