using System.Text.RegularExpressions;
using Atoll.Contracts;
using Atoll.Platform;

namespace Atoll.Datasets;

/// <summary>Which columns of a table are the text and its label.</summary>
/// <param name="Separator">What parts several labels of one text; null when there is one.</param>
/// <param name="ProblemLine">Where the problem is, if there is one.</param>
/// <param name="ProblemColumn">In which column, if it is in one.</param>
internal sealed partial record TextColumns(
    int Text, int Label, string? Separator, string? ProblemCode = null, string? ProblemMessage = null, long ProblemLine = 1, string? ProblemColumn = null)
{
    private const int SampleRows = 2000;

    private static readonly string[] TextNames = ["text", "utterance", "sentence", "message", "content", "body", "comment", "review", "document", "tweet", "question", "query", "description", "phrase"];
    private static readonly string[] LabelNames = ["label", "labels", "intent", "class", "category", "target", "sentiment", "topic", "emotion", "emotions", "tag", "tags", "categories", "classes", "intents", "topics"];
    private static readonly string[] Separators = [";", "|", ","];

    /// <summary>By what the uploader said, by names, then by the values of the first rows.</summary>
    public static TextColumns Find(IReadOnlyList<string> columns, TableReader sample, ImportSettings settings)
    {
        var values = columns.Select(_ => new List<string>()).ToList();
        var lines = new List<long>();
        for (int row = 0; row < SampleRows && sample.Read(); row++)
        {
            lines.Add(sample.Line);
            for (int i = 0; i < columns.Count; i++) values[i].Add(sample.Value(i).ToString());
        }

        if (columns.Count < 2) return Refused(ImportProblemCodes.LabelColumnNotFound, "The file has one column; a text and its label take two. Check the delimiter, or add the labels.");

        int text = settings.TextColumn is { } given ? IndexOf(columns, given) : -1, label = settings.Label is { } named ? IndexOf(columns, named) : -1;
        if (text < 0 && settings.TextColumn is not null) return Refused(ImportProblemCodes.TextColumnNotFound, $"The file has no column '{settings.TextColumn}' for the text. {Spelling.Ask(settings.TextColumn, columns)}It has {Listed(columns)}.");
        if (label < 0 && settings.Label is not null) return Refused(ImportProblemCodes.LabelColumnNotFound, $"The file has no column '{settings.Label}' for the label. {Spelling.Ask(settings.Label, columns)}It has {Listed(columns)}.");

        if (text < 0) text = ByName(columns, TextNames, except: label);
        if (label < 0) label = ByName(columns, LabelNames, except: text);
        if (text < 0) text = Enumerable.Range(0, columns.Count).Where(i => i != label).MaxBy(i => values[i].Sum(value => (long)value.Length));
        if (text == label) return Refused(ImportProblemCodes.TextColumnNotFound, $"'{columns[text]}' cannot be both the text and the label. Name them with 'text-column' and 'label'.");

        if (label < 0)
        {
            if (columns.Count > 2) return Refused(ImportProblemCodes.LabelColumnNotFound, $"Which column is the label? Name it with 'label'; the columns are {Listed(columns)}.");

            label = 1 - text;
        }

        if (FindEntityTag(values[label]) is var tagged and >= 0)
        {
            return Refused(ImportProblemCodes.EntityTags,
                $"The labels are tags of single words ('{Shown(values[label][tagged])}'), as for finding names in texts. Make a dataset of the type 'entities' of the file; for one of texts give each text its own label or labels.")
                with { ProblemLine = lines[tagged], ProblemColumn = columns[label] };
        }

        return new TextColumns(text, label, SeparatorOf(values[label], settings));
    }

    /// <summary>The first row with a tag that begins a name, where all labels are such tags; -1 where they are not.</summary>
    private static int FindEntityTag(List<string> labels)
    {
        int first = -1;
        for (int row = 0; row < labels.Count; row++)
        {
            foreach (var range in labels[row].AsSpan().Split(TableReader.ListSeparator))
            {
                var tag = labels[row].AsSpan()[range];
                if (tag.IsEmpty || tag is "O") continue;
                if (!EntityTag().IsMatch(tag)) return -1;
                if (first < 0) first = row;
            }
        }

        // Labels such as B-stock exist too; those of words are mostly "outside".
        return first >= 0 && labels.Any(static label => label == "O" || label.Contains($"O{TableReader.ListSeparator}", StringComparison.Ordinal)) ? first : -1;
    }

    [GeneratedRegex(@"\A[BIESLU][-_]\S+\z", RegexOptions.CultureInvariant)]
    private static partial Regex EntityTag();

    private static string Shown(string labels)
    {
        var shown = labels.TrimEnd(TableReader.ListSeparator).Replace(TableReader.ListSeparator, ' ');
        return shown.Length <= 40 ? shown : shown[..39] + "…";
    }

    private static int ByName(IReadOnlyList<string> columns, string[] names, int except)
    {
        // The first known name wins: 'label' is meant before 'category' is.
        foreach (var name in names)
        {
            for (int i = 0; i < columns.Count; i++)
            {
                if (i != except && string.Equals(columns[i].Trim(), name, StringComparison.OrdinalIgnoreCase)) return i;
            }
        }

        return -1;
    }

    private static string? SeparatorOf(List<string> labels, ImportSettings settings)
    {
        if (labels.Any(label => label.Contains(TableReader.ListSeparator))) return TableReader.ListSeparator.ToString();
        if (settings.LabelSeparator is { } given) return given.Length == 0 ? null : given;

        foreach (var separator in Separators)
        {
            var joined = labels.Where(label => label.Contains(separator, StringComparison.Ordinal)).ToList();
            if (joined.Count == 0) continue;

            // Parts of joined labels are labels of other texts too; in a label that merely contains the sign they are not.
            var whole = labels.Except(joined).ToHashSet();
            var parts = joined.SelectMany(label => label.Split(separator, StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)).ToList();
            int known = parts.Count(part => whole.Contains(part)), repeated = parts.Count - parts.Distinct().Count();
            if (known * 2 >= parts.Count || (whole.Count == 0 && repeated * 2 >= parts.Count)) return separator;
        }

        return null;
    }

    private static TextColumns Refused(string code, string message) => new(-1, -1, null, code, message);

    private static int IndexOf(IReadOnlyList<string> columns, string name) => columns.ToList().FindIndex(column => column == name);

    private static string Listed(IReadOnlyList<string> names) =>
        string.Join(", ", names.Take(10).Select(name => $"'{name}'")) + (names.Count > 10 ? $" and {names.Count - 10} more" : "");
}
