using System.Text.RegularExpressions;

namespace Atoll.Training.Tabular;

/// <summary>A number made from a raw column: the column itself, a part of a date, or whether a text has a form.</summary>
internal sealed record NumberDerivation
{
    /// <summary>Name of the feature, such as <c>signup.month</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The raw column.</summary>
    public required string Column { get; init; }

    /// <summary>Set when the number is a part of a date.</summary>
    public DatePart? Part { get; init; }

    public DateLayout? Layout { get; init; }

    /// <summary>The day that <see cref="DatePart.Days"/> counts from, in days since 1970-01-01.</summary>
    public int Reference { get; init; }

    /// <summary>A regular expression that the whole text matches or not; gives 1 or 0.</summary>
    public string? Form { get; init; }

    /// <summary>Whether only the linear model gets it: trees find cycles in the plain number.</summary>
    public bool LinearOnly => Part is >= DatePart.MonthSine;

    public float[] Apply(ColumnValues column)
    {
        if (column.Numbers is { } numbers) return numbers;
        var texts = column.Texts!;
        if (Form is { } form)
        {
            var regex = new Regex(@"\A(?:" + form + @")\z", RegexOptions.CultureInvariant);
            return Array.ConvertAll(texts, text => string.IsNullOrEmpty(text) ? float.NaN : regex.IsMatch(text) ? 1f : 0f);
        }
        return Array.ConvertAll(texts, text => Layout!.Read(text) is { } date ? DateLayout.PartOf(Part!.Value, date, Reference) : float.NaN);
    }
}

/// <summary>What a category is taken from.</summary>
internal enum CategorySource
{
    /// <summary>The text as it stands.</summary>
    Value,

    /// <summary>What follows the at sign of an email address, in lower case.</summary>
    EmailDomain,

    /// <summary>The host of a web address, in lower case.</summary>
    UrlDomain,

    /// <summary>The first letters of a code such as <c>C85</c>.</summary>
    CodePrefix,
}

/// <summary>A category made from a raw column of text.</summary>
internal sealed record CategoryDerivation
{
    public required string Name { get; init; }

    public required string Column { get; init; }

    public required CategorySource Source { get; init; }

    /// <summary>Code of the empty text.</summary>
    public const int MissingCode = 0;

    /// <summary>Known values; the first one is the empty text, which stands for missing.</summary>
    public required IReadOnlyList<string> Vocabulary { get; init; }

    /// <summary>Codes: those of the vocabulary, and one more for every other value.</summary>
    public int CodeCount => Vocabulary.Count + 1;

    public int[] Apply(ColumnValues column)
    {
        var codes = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < Vocabulary.Count; i++) codes[Vocabulary[i]] = i;
        return Array.ConvertAll(column.Texts!, text => codes.GetValueOrDefault(ValueOf(Source, text), Vocabulary.Count));
    }

    /// <summary>The category of a text, as the exported graph finds it.</summary>
    public static string ValueOf(CategorySource source, string? text)
    {
        if (string.IsNullOrEmpty(text)) return "";
        switch (source)
        {
            case CategorySource.EmailDomain:
                return LowerAscii((text + "@").Split('@')[1]);
            case CategorySource.UrlDomain:
                var scheme = text.IndexOf("://", StringComparison.Ordinal);
                var rest = scheme < 0 ? text : (text + "://").Split("://")[1];
                return LowerAscii((rest + "/").Split('/')[0]);
            case CategorySource.CodePrefix:
                var start = 0;
                while (start < text.Length && !char.IsAsciiLetter(text[start]) && text[start] != NoLetters[0]) start++;
                var end = start;
                while (end < text.Length && char.IsAsciiLetter(text[end])) end++;
                return start == end ? NoLetters : text[start..end];
            default:
                return text;
        }
    }

    /// <summary>Lower case as the exported graph knows it: the operator's only locale on every system leaves other letters alone.</summary>
    public static string LowerAscii(string text) => string.Create(text.Length, text, static (into, from) =>
    {
        for (var i = 0; i < from.Length; i++) into[i] = char.IsAsciiLetterUpper(from[i]) ? (char)(from[i] | 0x20) : from[i];
    });

    /// <summary>The prefix of a code without letters; no prefix can look like it.</summary>
    public const string NoLetters = "~";
}

/// <summary>The words of a free text that matter, counted.</summary>
internal sealed record WordsDerivation
{
    public required string Name { get; init; }

    public required string Column { get; init; }

    /// <summary>Known words in lower case, most frequent first.</summary>
    public required IReadOnlyList<string> Vocabulary { get; init; }

    /// <summary>Per row the positions of its known words, ascending, repeated as often as they occur.</summary>
    public int[][] Apply(ColumnValues column)
    {
        var positions = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < Vocabulary.Count; i++) positions[Vocabulary[i]] = i;
        return Array.ConvertAll(column.Texts!, text =>
        {
            var found = new List<int>();
            foreach (var word in WordsOf(text))
            {
                if (positions.TryGetValue(word, out var position)) found.Add(position);
            }
            found.Sort();
            return found.ToArray();
        });
    }

    /// <summary>Runs of ASCII letters, digits and other letters, in lower case where they are ASCII, as the exported graph cuts them.</summary>
    public static IEnumerable<string> WordsOf(string? text)
    {
        if (string.IsNullOrEmpty(text)) yield break;
        text = CategoryDerivation.LowerAscii(text);
        var start = -1;
        for (var i = 0; i <= text.Length; i++)
        {
            var inside = i < text.Length && IsWordLetter(text[i]);
            if (inside && start < 0)
            {
                start = i;
            }
            else if (!inside && start >= 0)
            {
                yield return text[start..i];
                start = -1;
            }
        }
    }

    // Everything beyond ASCII counts as a letter: simple enough to be the same in every regular expression engine.
    private static bool IsWordLetter(char letter) => char.IsAsciiLetterOrDigit(letter) || letter > '\x7f';
}

/// <summary>A raw column that the model reads.</summary>
/// <param name="Name">Name of the column and of the model's input.</param>
/// <param name="Type">One of <see cref="Contracts.ColumnTypes"/>.</param>
/// <param name="IsNumeric">Whether the input is a number, else a text.</param>
/// <param name="Example">A value that occurred.</param>
/// <param name="MissingShare">Share of the rows without a value.</param>
/// <param name="Values">All values of a column of categories, where they are few.</param>
internal sealed record PreparedInput(
    string Name, string Type, bool IsNumeric, string? Example, double MissingShare = 0, IReadOnlyList<string>? Values = null, string? Typical = null);

/// <summary>Everything that is made from raw columns, before it is shaped for a kind of model.</summary>
internal sealed record PreparationPlan
{
    public required IReadOnlyList<PreparedInput> Inputs { get; init; }

    public required IReadOnlyList<NumberDerivation> Numbers { get; init; }

    public required IReadOnlyList<CategoryDerivation> Categories { get; init; }

    public required IReadOnlyList<WordsDerivation> Words { get; init; }

    /// <summary>Derives everything for a table that has the plan's columns.</summary>
    public PreparedRows Apply(IReadOnlyList<ColumnValues> columns, int rowCount)
    {
        var byName = columns.ToDictionary(column => column.Name, StringComparer.Ordinal);
        return new PreparedRows(
            rowCount,
            [.. Numbers.Select(number => number.Apply(byName[number.Column]))],
            [.. Categories.Select(category => category.Apply(byName[category.Column]))],
            [.. Words.Select(words => words.Apply(byName[words.Column]))]);
    }
}

/// <summary>Derived values by feature and row.</summary>
/// <param name="RowCount">Number of rows.</param>
/// <param name="Numbers">NaN is missing.</param>
/// <param name="Codes">Positions in the vocabulary of the category.</param>
/// <param name="Words">Positions in the vocabulary of the words.</param>
internal sealed record PreparedRows(int RowCount, float[][] Numbers, int[][] Codes, int[][][] Words);
