using System.Globalization;
using Atoll.Contracts;
using Atoll.Serving.Onnx;

namespace Atoll.Training.Evaluation;

/// <summary>Compares how often groups of held-out rows are given a label: all of them, those that truly have it, and those that do not.</summary>
internal static class FairnessMeasurement
{
    /// <summary>What rows without a value in the column are called.</summary>
    public const string MissingGroup = "(missing)";

    private const string OtherGroups = "(others)";
    private const int GroupsMost = 20;
    private const int RangesMost = 4;
    private const int DistinctNumbersMost = 6;

    /// <summary>The label that the groups are compared by: the one given, or the last, as with all scores of two labels.</summary>
    public static string PositiveOf(ModelSignature signature, string? given) => given ?? signature.Labels![^1];

    public static FairnessReport Measure(HeldOutTable table, ModelSignature signature, IReadOnlyList<string> columns, string? positive, CancellationToken cancellationToken)
    {
        var label = PositiveOf(signature, positive);
        var given = new bool[table.Rows.Length];
        var output = Outputs.Find(table.Session, "label");
        table.Run(table.Rows, Add, cancellationToken);
        var actual = Array.ConvertAll(table.Rows, row => HeldOutTable.TextOf(table.Target, row) == label);
        return new FairnessReport { Positive = label, Columns = [.. columns.Select(column => Compare(column, GroupsOf(table, column), given, actual, label))] };

        void Add(OnnxTensor[] inputs, int[] batch, int first)
        {
            var outputs = table.Session.Run(inputs);
            try
            {
                var names = outputs[output].ToStrings();
                for (var i = 0; i < batch.Length; i++) given[first + i] = names[i] == label;
            }
            finally
            {
                foreach (var value in outputs) value.Dispose();
            }
        }
    }

    /// <summary>Compares groups; the largest is what the others are compared with.</summary>
    /// <param name="groups">The group of each row.</param>
    /// <param name="given">The rows that the model gives the label.</param>
    /// <param name="actual">The rows that have it.</param>
    public static FairnessColumn Compare(string column, string[] groups, bool[] given, bool[] actual, string label)
    {
        var tallies = new SortedDictionary<string, Tally>(StringComparer.Ordinal);
        for (var i = 0; i < groups.Length; i++)
        {
            var tally = tallies.GetValueOrDefault(groups[i]);
            tally.Count++;
            if (given[i]) tally.Given++;
            if (actual[i]) tally.Actual++;
            if (given[i] && actual[i]) tally.Right++;
            tallies[groups[i]] = tally;
        }
        var (reference, most) = tallies.MaxBy(pair => pair.Value.Count);
        var compared = tallies.OrderByDescending(pair => pair.Value.Count).Select(pair => pair.Value.ToGroup(pair.Key, pair.Key == reference ? null : most)).ToList();
        return new FairnessColumn { Column = column, Reference = reference, Groups = compared, Finding = Finding(column, reference, compared, label) };
    }

    private static string Finding(string column, string reference, List<FairnessGroup> groups, string label)
    {
        if (groups.Count < 2) return $"All held-out rows are in one group of '{column}', so nothing can be compared.";
        var most = groups[0];
        var found = new List<string>();
        if (Largest(groups, group => group.SelectionDifference) is { } selected)
        {
            found.Add($"'{label}' is predicted for {Percent(selected.SelectionRate)} of '{selected.Group}' and {Percent(most.SelectionRate)} of '{reference}': {Points(selected.SelectionDifference!)}");
        }
        if (Largest(groups, group => group.TruePositiveDifference) is { } seen)
            found.Add($"of those who truly are '{label}' it finds {Percent(seen.TruePositiveRate!)} of '{seen.Group}' and {Percent(most.TruePositiveRate!)} of '{reference}': {Points(seen.TruePositiveDifference!)}");
        if (Largest(groups, group => group.FalsePositiveDifference) is { } wrong)
            found.Add($"of those who are not, it takes {Percent(wrong.FalsePositiveRate!)} of '{wrong.Group}' and {Percent(most.FalsePositiveRate!)} of '{reference}' for it: {Points(wrong.FalsePositiveDifference!)}");
        return found.Count == 0
            ? $"By '{column}', no group differs from '{reference}' in predictions or errors by more than chance explains; with few rows a group, chance explains much."
            : $"By '{column}': {string.Join("; ", found)}.";
    }

    /// <summary>The group that is farthest away, of those that are away for more than chance explains.</summary>
    private static FairnessGroup? Largest(List<FairnessGroup> groups, Func<FairnessGroup, ShareInterval?> difference) => groups
        .Where(group => difference(group) is { } found && (found.Lower > 0 || found.Upper < 0))
        .MaxBy(group => Math.Abs(difference(group)!.Value));

    private static string[] GroupsOf(HeldOutTable table, string name)
    {
        var column = table.Column(name) ?? throw new ArgumentException($"The samples have no column '{name}'.", nameof(name));
        if (column.Numbers is { } numbers)
        {
            var present = table.Rows.Select(row => numbers[row]).Where(float.IsFinite).Order().ToArray();
            if (present.Distinct().Count() > DistinctNumbersMost)
            {
                var limits = Enumerable.Range(1, RangesMost - 1).Select(i => present[(int)((long)i * present.Length / RangesMost)]).Distinct().ToArray();
                return Array.ConvertAll(table.Rows, row => RangeOf(numbers[row], limits));
            }
        }
        var texts = Array.ConvertAll(table.Rows, row => HeldOutTable.TextOf(column, row) is { Length: > 0 } text ? text : MissingGroup);
        var counts = texts.GroupBy(text => text, StringComparer.Ordinal).OrderByDescending(group => group.Count()).ThenBy(group => group.Key, StringComparer.Ordinal).ToList();
        if (counts.Count <= GroupsMost) return texts;
        var kept = counts.Take(GroupsMost - 1).Select(group => group.Key).ToHashSet(StringComparer.Ordinal);
        return Array.ConvertAll(texts, text => kept.Contains(text) ? text : OtherGroups);
    }

    private static string RangeOf(float value, float[] limits)
    {
        if (!float.IsFinite(value)) return MissingGroup;
        var above = limits.Count(limit => value >= limit);
        return above == 0 ? $"below {Number(limits[0])}"
            : above == limits.Length ? $"{Number(limits[^1])} and more"
            : $"{Number(limits[above - 1])} to below {Number(limits[above])}";
    }

    private static string Number(float value) => value.ToString("G6", CultureInfo.InvariantCulture);

    private static string Percent(ShareInterval share) => (share.Value * 100).ToString("0.0", CultureInfo.InvariantCulture) + " %";

    private static string Points(ShareInterval difference)
    {
        var (low, high) = difference.Value < 0 ? (-difference.Upper, -difference.Lower) : (difference.Lower, difference.Upper);
        return string.Create(CultureInfo.InvariantCulture, $"{Math.Abs(difference.Value) * 100:0.0} points {(difference.Value < 0 ? "less" : "more")} (95 % confidence: {low * 100:0.0} to {high * 100:0.0})");
    }

    /// <summary>Rows of a group by what they have and are given.</summary>
    private struct Tally
    {
        public int Count;
        public int Given;
        public int Actual;
        public int Right;

        public readonly FairnessGroup ToGroup(string name, Tally? reference) => new()
        {
            Group = name,
            Count = Count,
            Positives = Actual,
            SelectionRate = Share(Given, Count)!,
            TruePositiveRate = Share(Right, Actual),
            FalsePositiveRate = Share(Given - Right, Count - Actual),
            SelectionDifference = reference is { } all ? Difference(Given, Count, all.Given, all.Count) : null,
            TruePositiveDifference = reference is { } found ? Difference(Right, Actual, found.Right, found.Actual) : null,
            FalsePositiveDifference = reference is { } wrong ? Difference(Given - Right, Count - Actual, wrong.Given - wrong.Right, wrong.Count - wrong.Actual) : null,
        };

        private static ShareInterval? Share(int hits, int count)
        {
            if (count == 0) return null;
            var (lower, upper) = Confidence.Wilson(hits, count);
            return new ShareInterval((double)hits / count, lower, upper);
        }

        private static ShareInterval? Difference(int hits, int count, int otherHits, int otherCount)
        {
            if (count == 0 || otherCount == 0) return null;
            var (lower, upper) = Confidence.Newcombe(hits, count, otherHits, otherCount);
            return new ShareInterval(((double)hits / count) - ((double)otherHits / otherCount), lower, upper);
        }
    }
}
