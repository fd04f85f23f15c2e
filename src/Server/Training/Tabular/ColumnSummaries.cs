using Atoll.Contracts;

namespace Atoll.Training.Tabular;

/// <summary>Counts how the values of a training column are spread, for comparisons with later rows.</summary>
internal static class ColumnSummaries
{
    private const int Ranges = 10;
    private const int ValuesMost = 50;
    private const int ValueCharsMost = 200;

    public static ColumnSummary Of(ColumnValues column) => column.Numbers is { } numbers ? OfNumbers(column.Name, numbers) : OfTexts(column.Name, column.Texts!);

    private static ColumnSummary OfNumbers(string name, float[] numbers)
    {
        var sorted = Array.FindAll(numbers, float.IsFinite);
        Array.Sort(sorted);

        // Equal values stay in one range, so that columns of few values have a range for each.
        var limits = sorted.Length == 0 ? [] : Enumerable.Range(1, Ranges - 1).Select(i => sorted[Math.Max(0, (int)((long)i * sorted.Length / Ranges) - 1)])
            .Where(limit => limit < sorted[^1]).Distinct().Select(limit => (double)limit).ToArray();
        var counts = new int[limits.Length + 1];
        foreach (var value in sorted) counts[RangeOf(limits, value)]++;
        return new ColumnSummary { Name = name, Rows = numbers.Length, Missing = numbers.Length - sorted.Length, Limits = limits, Counts = counts };
    }

    private static ColumnSummary OfTexts(string name, string?[] texts)
    {
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var text in texts)
        {
            if (!string.IsNullOrEmpty(text)) counts[text] = counts.GetValueOrDefault(text) + 1;
        }
        var listed = counts.Where(pair => pair.Key.Length <= ValueCharsMost).OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key, StringComparer.Ordinal).Take(ValuesMost)
            .Select(pair => new ValueCount(pair.Key, pair.Value)).ToList();
        return new ColumnSummary { Name = name, Rows = texts.Length, Missing = texts.Count(string.IsNullOrEmpty), Values = listed, AllValues = listed.Count == counts.Count };
    }

    private static int RangeOf(double[] limits, double value)
    {
        var at = Array.BinarySearch(limits, value);
        return at >= 0 ? at : ~at;
    }
}
