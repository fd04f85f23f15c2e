using System.Globalization;
using System.Text;
using Atoll.Contracts;

namespace Atoll.Prediction;

/// <summary>Compares the rows of a batch with those that a version was trained on, column by column.</summary>
/// <remarks>
/// The population stability index is the sum over ranges of (later share - training share) * ln(later share / training share). Where nothing has moved it is about
/// (1/rows + 1/training rows) times a chi-squared value with one degree of freedom less than ranges (Yurdakul: Statistical properties of the population
/// stability index, 2018), so that a small batch has a large one by chance alone. A column has moved when it is above both that and 0.1.
/// </remarks>
internal static class DriftMeasurement
{
    /// <summary>Fewer rows say nothing.</summary>
    public const int RowsLeast = 30;

    private const double MovedFrom = 0.1;
    private const double FarFrom = 0.25;
    private const double UnseenFrom = 0.01;
    private const int UnseenListed = 5;
    private const int ColumnsNamed = 3;

    // One batch in a thousand of those that have not moved; there are many columns.
    private const double Normal999 = 3.0902;

    public static DriftResponse Compare(SamplePlan plan, SampleBatch samples, IReadOnlyList<ColumnSummary> summaries)
    {
        var columns = new List<ColumnDrift>();
        foreach (var summary in summaries)
        {
            if (plan.IndexOf(summary.Name) is >= 0 and var column) columns.Add(Compare(plan.Columns[column], column, samples, summary));
        }
        columns.Sort((one, other) => Rank(other.Drift).CompareTo(Rank(one.Drift)) is not 0 and var order ? order : other.StabilityIndex.CompareTo(one.StabilityIndex));
        var moved = columns.Where(column => column.Drift != DriftKinds.None).ToList();
        var importance = moved.Sum(column => column.Importance ?? 0);
        return new DriftResponse
        {
            Model = plan.Route.Model, Version = plan.Route.Version, Rows = samples.Count, MovedImportance = Math.Round(importance, 4), Columns = columns,
            Finding = moved.Count == 0
                ? $"None of the {columns.Count} columns has moved by more than chance explains in {samples.Count} rows."
                : string.Create(CultureInfo.InvariantCulture, $"{moved.Count} of {columns.Count} columns {(moved.Count == 1 ? "has" : "have")} moved since the training, together {importance * 100:0} % of what the model goes by: {string.Join(", ", moved.Take(ColumnsNamed).Select(column => $"'{column.Name}'"))}{(moved.Count > ColumnsNamed ? " and others" : "")}. {(importance >= 0.1 ? "Its scores may not hold for these rows; train a new version on data like them." : "The model hardly goes by them.")}"),
        };
    }

    private static ColumnDrift Compare(SampleColumn column, int index, SampleBatch samples, ColumnSummary summary)
    {
        // The last bin is for missing; for texts the one before it is for all values that are not listed.
        var bins = (summary.Limits is { } limits ? limits.Count + 1 : summary.Values!.Count + 1) + 1;
        var training = new double[bins];
        var later = new double[bins];
        training[^1] = summary.Missing;
        var unseen = new Dictionary<string, int>(StringComparer.Ordinal);
        if (summary.Limits is { } ranges)
        {
            var sorted = ranges.ToArray();
            for (var i = 0; i < summary.Counts!.Count; i++) training[i] = summary.Counts[i];
            for (var sample = 0; sample < samples.Count; sample++)
            {
                var bin = bins - 1;
                if (!samples.IsMissing(sample, index))
                {
                    var at = Array.BinarySearch(sorted, (double)samples.Number(sample, index));
                    bin = at >= 0 ? at : ~at;
                }
                later[bin]++;
            }
        }
        else
        {
            var values = summary.Values!;
            var places = new Dictionary<string, int>(StringComparer.Ordinal);
            for (var i = 0; i < values.Count; i++) (training[i], places[values[i].Value]) = (values[i].Count, i);
            training[^2] = summary.Rows - summary.Missing - values.Sum(value => value.Count);
            for (var sample = 0; sample < samples.Count; sample++)
            {
                var bin = bins - 1;
                if (samples.Bytes(sample, index) is { IsEmpty: false } bytes)
                {
                    var text = Encoding.UTF8.GetString(bytes);
                    if (!places.TryGetValue(text, out bin))
                    {
                        bin = bins - 2;
                        unseen[text] = unseen.GetValueOrDefault(text) + 1;
                    }
                }
                later[bin]++;
            }
        }

        var (stability, largest) = Stability(training, later);
        var degrees = Math.Max(1, training.Zip(later).Count(pair => pair.First + pair.Second > 0) - 1);
        var chance = (degrees + (Normal999 * Math.Sqrt(2.0 * degrees))) * ((1.0 / samples.Count) + (1.0 / summary.Rows));
        var unseenCount = unseen.Values.Sum();
        var isMoved = stability >= MovedFrom && stability > chance;
        var isUnseen = summary.AllValues && (double)unseenCount / samples.Count >= UnseenFrom && unseenCount > 1;
        var drift = isMoved && stability >= FarFrom ? DriftKinds.Far : isMoved || isUnseen ? DriftKinds.Moved : DriftKinds.None;
        var found = unseen.OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key, StringComparer.Ordinal).Take(UnseenListed).Select(pair => JsonText.Shorten(pair.Key)).ToList();
        return new ColumnDrift
        {
            Name = column.Name, Drift = drift, StabilityIndex = Math.Round(stability, 4), Chance = Math.Round(chance, 4),
            MissingShare = later[^1] / samples.Count, TrainingMissingShare = (double)summary.Missing / summary.Rows,
            UnseenShare = summary.AllValues ? (double)unseenCount / samples.Count : null, Unseen = summary.AllValues && found.Count > 0 ? found : null,
            Importance = column.Importance,
            Reason = Reason(drift, isMoved, isUnseen, summary, found, (double)unseenCount / samples.Count, largest, training, later, stability, chance),
        };
    }

    /// <summary>The index, and the bin that adds most to it.</summary>
    private static (double Index, int Largest) Stability(double[] training, double[] later)
    {
        // Half a row more in each bin: a bin that is empty on one side is no proof of infinity.
        var (trainingSum, laterSum) = (training.Sum() + (training.Length / 2.0), later.Sum() + (later.Length / 2.0));
        double index = 0, most = -1;
        var largest = 0;
        for (var i = 0; i < training.Length; i++)
        {
            if (training[i] + later[i] == 0) continue;
            var (before, after) = ((training[i] + 0.5) / trainingSum, (later[i] + 0.5) / laterSum);
            var part = (after - before) * Math.Log(after / before);
            index += part;
            if (part > most) (most, largest) = (part, i);
        }
        return (index, largest);
    }

    private static string Reason(
        string drift, bool isMoved, bool isUnseen, ColumnSummary summary, List<string> unseen, double unseenShare, int largest, double[] training, double[] later, double stability, double chance)
    {
        if (drift == DriftKinds.None)
            return stability >= MovedFrom
                ? string.Create(CultureInfo.InvariantCulture, $"The index of {stability:0.00} is no more than chance explains with so few rows ({chance:0.00}).")
                : "As in the training data.";
        var reasons = new List<string>();
        if (isMoved)
        {
            var (before, after) = (training[largest] / training.Sum(), later[largest] / later.Sum());
            reasons.Add(string.Create(CultureInfo.InvariantCulture, $"{NameOf(summary, largest, training.Length)}: {after * 100:0.0} % of the rows, {before * 100:0.0} % in the training data"));
        }
        if (isUnseen)
            reasons.Add(string.Create(CultureInfo.InvariantCulture, $"{unseenShare * 100:0.0} % have values that the training data does not have, such as {string.Join(", ", unseen.Select(value => $"\"{value}\""))}"));
        return string.Join("; ", reasons) + ".";
    }

    private static string NameOf(ColumnSummary summary, int bin, int bins)
    {
        if (bin == bins - 1) return "Missing";
        if (summary.Values is { } values) return bin == bins - 2 ? "Other values than the most frequent" : $"\"{JsonText.Shorten(values[bin].Value)}\"";
        var limits = summary.Limits!;
        return limits.Count == 0 ? "Any value"
            : bin == 0 ? string.Create(CultureInfo.InvariantCulture, $"Up to {limits[0]:G6}")
            : bin == limits.Count ? string.Create(CultureInfo.InvariantCulture, $"Above {limits[^1]:G6}")
            : string.Create(CultureInfo.InvariantCulture, $"Above {limits[bin - 1]:G6} up to {limits[bin]:G6}");
    }

    private static int Rank(string drift) => drift switch { DriftKinds.Far => 2, DriftKinds.Moved => 1, _ => 0 };
}
