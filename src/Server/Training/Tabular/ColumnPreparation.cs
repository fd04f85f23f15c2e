using System.Globalization;
using System.Text.Json.Nodes;
using Atoll.Contracts;

namespace Atoll.Training.Tabular;

/// <summary>Looks at every raw column, decides what is made of it, and writes down why.</summary>
internal sealed class ColumnPreparation
{
    private const int VocabularyMost = 500;
    private const int WordsMost = 1000;
    private const double WarnFrom = 0.7;

    // Of more values new ones are nothing to speak of, and a signature should stay small.
    private const int ValuesListedMost = 50;
    private const int TypicalCharsMost = 200;

    private readonly TabularParameters _parameters;
    private readonly TargetValues _target;
    private readonly string _targetName;
    private readonly List<PreparedInput> _inputs = [];
    private readonly List<NumberDerivation> _numbers = [];
    private readonly List<CategoryDerivation> _categories = [];
    private readonly List<WordsDerivation> _words = [];
    private readonly JsonArray _warnings = [];
    private readonly int _rowCount;
    private readonly double _leakage;

    private ColumnPreparation(TargetValues target, string targetName, TabularParameters parameters)
    {
        _target = target;
        _targetName = targetName;
        _parameters = parameters;
        _rowCount = target.Rows.Length;

        // Measurements that go along closely are common; labels that one column gives away are not.
        _leakage = parameters.Leakage ?? (target.IsRegression ? 0.99 : 0.95);
    }

    /// <param name="columns">Raw columns without the target, cut to the rows that have one.</param>
    /// <param name="target">The target in those rows.</param>
    /// <param name="targetName">Its name.</param>
    /// <param name="parameters">What a person has set.</param>
    public static (PreparationPlan Plan, JsonObject Report) Fit(
        IReadOnlyList<ColumnValues> columns, TargetValues target, string targetName, TabularParameters parameters)
    {
        var preparation = new ColumnPreparation(target, targetName, parameters);
        var report = preparation.Run(columns);
        var plan = new PreparationPlan
        {
            Inputs = preparation._inputs,
            Numbers = preparation._numbers,
            Categories = preparation._categories,
            Words = preparation._words,
        };
        return (plan, report);
    }

    private JsonObject Run(IReadOnlyList<ColumnValues> columns)
    {
        var sums = SumLeaks(columns);
        var seen = new Dictionary<ulong, List<ColumnValues>>();
        var entries = new JsonArray();
        foreach (var column in columns)
        {
            var entry = new JsonObject { ["name"] = column.Name, ["type"] = column.Type };
            entries.Add(entry);
            var kept = _parameters.Keep.Contains(column.Name);
            var dropped = _parameters.Ignore.Contains(column.Name) ? "left out on request" : null;
            dropped ??= column.Numbers is { } numbers ? StudyNumbers(column, numbers, entry) : StudyTexts(column, column.Texts!, entry);
            if (dropped is null && !kept)
            {
                dropped = Duplicate(column, seen);
                if (dropped is null && sums.TryGetValue(column.Name, out var sum)) dropped = Leak(entry, sum);
            }
            if (dropped is null)
            {
                var (numberCount, categoryCount, wordsCount) = (_numbers.Count, _categories.Count, _words.Count);
                dropped = Derive(column, entry, kept);
                if (dropped is not null)
                {
                    _numbers.RemoveRange(numberCount, _numbers.Count - numberCount);
                    _categories.RemoveRange(categoryCount, _categories.Count - categoryCount);
                    _words.RemoveRange(wordsCount, _words.Count - wordsCount);
                }
                else
                {
                    _inputs.Add(new PreparedInput(
                        column.Name, column.Type, column.Numbers is not null, ExampleOf(column), Math.Round(entry["missing"]!.GetValue<int>() / (double)_rowCount, 4),
                        _categories.Skip(categoryCount).Any(category => category.Source == CategorySource.Value) ? ValuesOf(column.Texts!) : null, TypicalOf(column)));
                    var derived = new JsonArray();
                    foreach (var number in _numbers.Skip(numberCount)) derived.Add(number.Name);
                    foreach (var category in _categories.Skip(categoryCount)) derived.Add($"{category.Name} ({category.Vocabulary.Count - 1} values)");
                    foreach (var words in _words.Skip(wordsCount)) derived.Add($"{words.Name} ({words.Vocabulary.Count} words)");
                    entry["derived"] = derived;
                }
            }
            if (dropped is not null) entry["dropped"] = dropped;
        }
        return new JsonObject { ["rows"] = _rowCount, ["columns"] = entries, ["warnings"] = _warnings };
    }

    private static string Leak(JsonObject entry, string reason)
    {
        entry["leak"] = true;
        return reason;
    }

    private string? StudyNumbers(ColumnValues column, float[] values, JsonObject entry)
    {
        var finite = Array.FindAll(values, float.IsFinite);
        entry["missing"] = values.Count(float.IsNaN);
        if (finite.Length == 0) return "has no value in any row";
        Array.Sort(finite);
        var distinct = 1;
        for (var i = 1; i < finite.Length; i++)
        {
            if (finite[i] != finite[i - 1]) distinct++;
        }
        entry["distinct"] = distinct;
        entry["minimum"] = finite[0];
        entry["median"] = finite[finite.Length / 2];
        entry["maximum"] = finite[^1];
        entry["mean"] = finite.Average(value => (double)value);
        if (_parameters.Keep.Contains(column.Name)) return null;
        if (distinct == 1 && finite.Length == values.Length) return "has the same value in every row";
        if (column.Type == ColumnTypes.Id) return "is an identifier";

        // Whole numbers without a gap to speak of and never twice: the rows were counted.
        var range = (double)finite[^1] - finite[0] + 1;
        if (finite.Length == values.Length && distinct == values.Length && values.Length >= 50
            && range <= 2.0 * distinct && finite.All(value => value == MathF.Floor(value)))
        {
            return "numbers the rows";
        }
        return null;
    }

    private string? StudyTexts(ColumnValues column, string?[] texts, JsonObject entry)
    {
        var counts = Count(texts);
        var present = counts.Values.Sum();
        entry["missing"] = texts.Length - present;
        if (present == 0) return "has no value in any row";
        entry["distinct"] = counts.Count;
        entry["most frequent"] = new JsonArray(
            [.. counts.OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key, StringComparer.Ordinal).Take(5)
                .Select(pair => (JsonNode)new JsonObject { ["value"] = Shorten(pair.Key), ["rows"] = pair.Value })]);
        if (_parameters.Keep.Contains(column.Name)) return null;
        if (counts.Count == 1 && present == texts.Length) return "has the same value in every row";
        if (column.Type == ColumnTypes.Id) return "is an identifier";
        return null;
    }

    /// <summary>Adds what is made of a column, or says why nothing is.</summary>
    private string? Derive(ColumnValues column, JsonObject entry, bool kept)
    {
        var numbersBefore = _numbers.Count;
        var categoriesBefore = _categories.Count;
        var wordsBefore = _words.Count;
        if (column.Numbers is not null)
            _numbers.Add(new NumberDerivation { Name = column.Name, Column = column.Name });
        else if (DeriveTexts(column, column.Texts!) is { } reason)
            return reason;

        double association = 0;
        foreach (var number in _numbers.Skip(numbersBefore).Where(number => !number.LinearOnly))
            association = Math.Max(association, Associations.OfNumber(number.Apply(column), _target));
        foreach (var category in _categories.Skip(categoriesBefore))
            association = Math.Max(association, Associations.OfCodes(category.Apply(column), category.CodeCount, _target));
        foreach (var words in _words.Skip(wordsBefore))
        {
            foreach (var codes in WordPresence(words.Apply(column), Math.Min(words.Vocabulary.Count, 50)))
                association = Math.Max(association, Associations.OfCodes(codes, 2, _target));
        }
        entry["association"] = Math.Round(association, 4);
        var missing = Associations.OfCodes(
            column.Numbers is { } numbers
                ? Array.ConvertAll(numbers, value => float.IsNaN(value) ? 1 : 0)
                : Array.ConvertAll(column.Texts!, text => string.IsNullOrEmpty(text) ? 1 : 0),
            2, _target);
        if (missing > 0) entry["association of missing"] = Math.Round(missing, 4);
        var enough = _rowCount >= 50;
        if (!kept && enough && association > _leakage)
        {
            return Leak(entry, string.Create(CultureInfo.InvariantCulture,
                $"gives '{_targetName}' away: association {association:0.000} is above {_leakage}. Put it into 'keep' if it is known before the outcome"));
        }
        if (!kept && enough && missing > _leakage)
        {
            return Leak(entry, string.Create(CultureInfo.InvariantCulture,
                $"gives '{_targetName}' away by being missing: association {missing:0.000} is above {_leakage}. Put it into 'keep' if it is known before the outcome"));
        }
        if (enough && association > WarnFrom)
        {
            _warnings.Add(string.Create(CultureInfo.InvariantCulture,
                $"'{column.Name}' alone goes along with '{_targetName}' by {association:0.00}. If it is known only after the outcome, put it into 'ignore'."));
        }
        return null;
    }

    private string? DeriveTexts(ColumnValues column, string?[] texts)
    {
        switch (column.Type)
        {
            case ColumnTypes.Date or ColumnTypes.DateTime:
                if (DateLayout.Detect(texts) is { } layout)
                {
                    DeriveDate(column, texts, layout);
                    return null;
                }
                _warnings.Add($"'{column.Name}' is called a date, but its texts are not numbers of year, month and day; it is used as a category.");
                break;
            case ColumnTypes.Email:
                AddCategory(column, $"{column.Name}.domain", CategorySource.EmailDomain);
                return null;
            case ColumnTypes.Url:
                AddCategory(column, $"{column.Name}.host", CategorySource.UrlDomain);
                return null;
            case ColumnTypes.Phone:
                _numbers.Add(new NumberDerivation { Name = $"{column.Name}.valid", Column = column.Name, Form = @"\+?[0-9 ().\-/]{6,19}[0-9]" });
                return null;
        }

        var counts = Count(texts);
        var present = counts.Values.Sum();
        var isFreeText = column.Type == ColumnTypes.Text && counts.Count > Math.Min(30, present / 5);
        if (isFreeText || (counts.Count > present / 2 && AverageWords(counts.Keys) >= 2))
        {
            var vocabulary = Vocabulary(texts.SelectMany(text => WordsDerivation.WordsOf(text).Distinct()), WordsMost);
            if (vocabulary.Length > 0)
            {
                _words.Add(new WordsDerivation { Name = column.Name, Column = column.Name, Vocabulary = vocabulary });
                return null;
            }
        }
        var frequent = AddCategory(column, column.Name, CategorySource.Value);
        if (counts.Count <= 30) return null;

        // Codes such as C85 mean something by their letters.
        var prefixes = Vocabulary(texts.Select(text => CategoryDerivation.ValueOf(CategorySource.CodePrefix, text)), 100);
        var isCode = counts.Keys.Average(text => text.Count(char.IsAsciiDigit) > 0 ? 1.0 : 0) > 0.5;
        if (isCode && prefixes.Length is > 1 and < 100) AddCategory(column, $"{column.Name}.letters", CategorySource.CodePrefix);
        else if (frequent == 0) return "has a different value in nearly every row";
        return null;
    }

    private void DeriveDate(ColumnValues column, string?[] texts, DateLayout layout)
    {
        var dates = texts.Select(layout.Read).Where(date => date.HasValue).Select(date => date!.Value).ToArray();
        var reference = dates.Max(date => date.Days);
        void Add(string name, params ReadOnlySpan<DatePart> parts)
        {
            foreach (var part in parts)
            {
                var partName = parts.Length == 1 ? $"{column.Name}.{name}" : $"{column.Name}.{name} {(part is DatePart.MonthSine or DatePart.HourSine or DatePart.WeekSine ? "sine" : "cosine")}";
                _numbers.Add(new NumberDerivation { Name = partName, Column = column.Name, Part = part, Layout = layout, Reference = reference });
            }
        }
        Add("days", DatePart.Days);
        if (dates.Select(date => date.Month).Distinct().Count() > 1)
        {
            Add("month", DatePart.Month);
            Add("month", DatePart.MonthSine, DatePart.MonthCosine);
        }
        if (dates.Select(date => date.Day).Distinct().Count() > 1) Add("day of month", DatePart.DayOfMonth);
        if (dates.Select(date => date.Days % 7).Distinct().Count() > 1)
        {
            Add("day of week", DatePart.DayOfWeek);
            Add("day of week", DatePart.WeekSine, DatePart.WeekCosine);
        }
        if (dates.Select(date => date.Seconds).Distinct().Count() > 1)
        {
            Add("hour", DatePart.Hour);
            Add("hour", DatePart.HourSine, DatePart.HourCosine);
        }
    }

    /// <summary>Adds a category with its frequent values; returns how many there are.</summary>
    private int AddCategory(ColumnValues column, string name, CategorySource source)
    {
        var vocabulary = Vocabulary(column.Texts!.Select(text => CategoryDerivation.ValueOf(source, text)), VocabularyMost);
        _categories.Add(new CategoryDerivation { Name = name, Column = column.Name, Source = source, Vocabulary = ["", .. vocabulary] });
        return vocabulary.Length;
    }

    /// <summary>Values with enough rows to say something, most frequent first.</summary>
    private string[] Vocabulary(IEnumerable<string> values, int most)
    {
        var support = _rowCount < 200 ? 2 : 5;
        return
        [
            .. Count(values)
                .Where(pair => pair.Value >= support)
                .OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key, StringComparer.Ordinal)
                .Take(most).Select(pair => pair.Key),
        ];
    }

    /// <summary>Numbers of which two add up to the target: parts of what is to be predicted.</summary>
    private Dictionary<string, string> SumLeaks(IReadOnlyList<ColumnValues> columns)
    {
        var leaks = new Dictionary<string, string>(StringComparer.Ordinal);
        if (!_target.IsRegression || _rowCount < 50) return leaks;
        var numeric = columns.Where(column => column.Numbers is not null && !_parameters.Ignore.Contains(column.Name)).ToArray();
        for (var i = 0; i < numeric.Length; i++)
        {
            for (var j = i + 1; j < numeric.Length; j++)
            {
                if (!AddsUp(numeric[i].Numbers!, numeric[j].Numbers!)) continue;
                leaks[numeric[i].Name] = $"adds up to '{_targetName}' together with '{numeric[j].Name}'";
                leaks[numeric[j].Name] = $"adds up to '{_targetName}' together with '{numeric[i].Name}'";
            }
        }
        return leaks;
    }

    private bool AddsUp(float[] first, float[] second)
    {
        var misses = 0;
        for (var row = 0; row < _rowCount; row++)
        {
            var target = _target.Values[row];
            if (Math.Abs(first[row] + second[row] - target) <= 1e-4f * Math.Max(1, Math.Abs(target))) continue;
            // One row in a hundred may be wrong; most pairs are out after three rows.
            if (++misses > 2 + (row / 100)) return false;
        }
        return true;
    }

    private static string? Duplicate(ColumnValues column, Dictionary<ulong, List<ColumnValues>> seen)
    {
        var hash = 14695981039346656037UL;
        void Mix(ulong value) => hash = (hash ^ value) * 1099511628211UL;
        if (column.Numbers is { } numbers)
        {
            foreach (var value in numbers) Mix(BitConverter.SingleToUInt32Bits(value));
        }
        else
        {
            foreach (var text in column.Texts!)
            {
                foreach (var letter in text ?? "") Mix(letter);
                Mix(ulong.MaxValue);
            }
        }
        if (!seen.TryGetValue(hash, out var alike)) seen[hash] = alike = [];
        foreach (var other in alike)
        {
            var same = column.Numbers is not null
                ? other.Numbers is not null && column.Numbers.AsSpan().SequenceEqual(other.Numbers)
                : other.Texts is not null && column.Texts!.SequenceEqual(other.Texts);
            if (same) return $"repeats '{other.Name}'";
        }
        alike.Add(column);
        return null;
    }

    private static IEnumerable<int[]> WordPresence(int[][] words, int most)
    {
        for (var word = 0; word < most; word++)
            yield return Array.ConvertAll(words, found => Array.IndexOf(found, word) >= 0 ? 1 : 0);
    }

    private static Dictionary<string, int> Count(IEnumerable<string?> texts)
    {
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var text in texts)
        {
            if (!string.IsNullOrEmpty(text)) counts[text] = counts.GetValueOrDefault(text) + 1;
        }
        return counts;
    }

    private static string[]? ValuesOf(string?[] texts)
    {
        var values = Count(texts).Keys;
        return values.Count <= ValuesListedMost ? [.. values.Order(StringComparer.Ordinal)] : null;
    }

    private static double AverageWords(IEnumerable<string> texts) => texts.Average(text => WordsDerivation.WordsOf(text).Count());

    private static string Shorten(string text) => text.Length <= 60 ? text : text[..59] + "…";

    /// <summary>The middle of the numbers, or the most frequent text if it is in a row of ten; null when missing is more typical than any value.</summary>
    private static string? TypicalOf(ColumnValues column)
    {
        if (column.Numbers is { } numbers)
        {
            var present = Array.FindAll(numbers, float.IsFinite);
            if (present.Length * 2 < numbers.Length) return null;
            Array.Sort(present);
            return present[(present.Length - 1) / 2].ToString("R", CultureInfo.InvariantCulture);
        }
        var (value, count) = Count(column.Texts!).OrderBy(pair => pair.Key, StringComparer.Ordinal).MaxBy(pair => pair.Value);
        return value is { Length: > 0 and <= TypicalCharsMost } && count * 10 >= column.Texts!.Length && count >= column.Texts.Count(string.IsNullOrEmpty) ? value : null;
    }

    private static string? ExampleOf(ColumnValues column)
    {
        if (column.Numbers is { } numbers)
        {
            foreach (var value in numbers)
            {
                if (float.IsFinite(value)) return value.ToString(CultureInfo.InvariantCulture);
            }
            return null;
        }
        return column.Texts!.FirstOrDefault(text => !string.IsNullOrEmpty(text)) is { } example ? Shorten(example) : null;
    }
}
