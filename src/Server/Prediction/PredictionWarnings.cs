using System.Globalization;
using System.Text;
using Atoll.Contracts;

namespace Atoll.Prediction;

/// <summary>Looks at the samples of a request for what makes their predictions less sure than the model's scores say.</summary>
internal static class PredictionWarnings
{
    private const int ColumnsNamedMax = 10;
    private const int ColumnsInMessageMax = 3;
    private const int ValueBytesMax = 256;

    /// <summary>A warning of each kind at most, and of unknown values one for each column up to a bound; empty when all is well.</summary>
    public static List<PredictionWarning> Find(SamplePlan plan, SampleBatch samples)
    {
        var found = new List<PredictionWarning>();
        if (plan.ListName == "rows")
        {
            FindLeftOut(plan, samples, found);
            FindUnseen(plan, samples, found);
            foreach (var (column, sample) in samples.Leaks) found.Add(Leak(plan, samples, column, sample));
        }
        else if (plan.ListName == "texts")
        {
            FindBlank(samples, found);
        }
        return found;
    }

    private static void FindLeftOut(SamplePlan plan, SampleBatch samples, List<PredictionWarning> found)
    {
        if (plan.ExpectedColumns.Length == 0) return;
        var lacking = 0;
        var first = -1;
        var isLacking = new bool[plan.ExpectedColumns.Length];
        for (var sample = 0; sample < samples.Count; sample++)
        {
            var any = false;
            for (var i = 0; i < isLacking.Length; i++)
            {
                if (!samples.IsMissing(sample, plan.ExpectedColumns[i])) continue;
                isLacking[i] = any = true;
            }
            if (!any) continue;
            lacking++;
            if (first < 0) first = sample;
        }
        if (lacking == 0) return;
        var columns = plan.ExpectedColumns.Where((_, i) => isLacking[i]).Select(i => plan.Columns[i]).ToList();
        var share = columns.Sum(column => column.Importance);
        var who = lacking == 1 ? $"{samples.PathOf(first)} leaves out" : $"{lacking} of {samples.Count} rows leave out some of";
        found.Add(new PredictionWarning
        {
            Code = PredictionWarningCodes.ColumnsLeftOut,
            Message = string.Create(CultureInfo.InvariantCulture,
                $"{who} {Listed(columns)}, together {share * 100:0} % of what the model goes by, which the training data nearly always has. The prediction is the likeliest without them, and less sure than the model's scores."),
            Field = samples.PathOf(first),
            Samples = lacking,
            Columns = [.. columns.Take(ColumnsNamedMax).Select(column => column.Name)],
        });
    }

    private static void FindUnseen(SamplePlan plan, SampleBatch samples, List<PredictionWarning> found)
    {
        var columnsFound = 0;
        Span<char> text = stackalloc char[ValueBytesMax];
        foreach (var index in plan.KnownColumns)
        {
            var column = plan.Columns[index];
            var count = 0;
            var first = -1;
            for (var sample = 0; sample < samples.Count; sample++)
            {
                var bytes = samples.Bytes(sample, index);
                if (bytes.IsEmpty || (bytes.Length <= ValueBytesMax && column.Knows(text[..Encoding.UTF8.GetChars(bytes, text)]))) continue;
                count++;
                if (first < 0) first = sample;
            }
            if (count == 0) continue;
            var value = Encoding.UTF8.GetString(samples.Bytes(first, index)[..Math.Min(ValueBytesMax, samples.Bytes(first, index).Length)]);
            found.Add(new PredictionWarning
            {
                Code = PredictionWarningCodes.ValueNotSeen,
                Message = $"'{column.Name}' is \"{JsonText.Shorten(value)}\", which the training data does not have{(count > 1 ? $", nor that of {count - 1} more rows" : "")}; it counts as some other value. Known are such as {string.Join(", ", column.Values!.Take(5).Select(known => $"\"{JsonText.Shorten(known)}\""))}.",
                Field = $"{samples.PathOf(first)}.{column.Name}",
                Samples = count,
                Columns = [column.Name],
            });
            if (++columnsFound == ColumnsNamedMax) return;
        }
    }

    private static PredictionWarning Leak(SamplePlan plan, SampleBatch samples, string column, int sample) => new()
    {
        Code = PredictionWarningCodes.LeakIgnored,
        Message = $"'{column}' is not read: in the training data it gives '{plan.Route.Signature.Target}' away. If it is known before the outcome, train with the parameter keep={column}.",
        Field = $"{samples.PathOf(sample)}.{column}",
        Samples = samples.Count - sample,
        Columns = [column],
    };

    private static void FindBlank(SampleBatch samples, List<PredictionWarning> found)
    {
        var count = 0;
        var first = -1;
        for (var sample = 0; sample < samples.Count; sample++)
        {
            if (!IsBlank(samples.Bytes(sample, 0))) continue;
            count++;
            if (first < 0) first = sample;
        }
        if (count > 0) found.Add(NothingKnown(samples, first, count));
    }

    /// <summary>Says that there was nothing to go by in some texts.</summary>
    public static PredictionWarning NothingKnown(SampleBatch samples, int first, int count) => new()
    {
        Code = PredictionWarningCodes.NothingKnown,
        Message = $"{(count == 1 ? $"{samples.PathOf(first)} has" : $"{count} of {samples.Count} texts have")} nothing that the training texts have; the prediction only says how common the labels are.",
        Field = samples.PathOf(first),
        Samples = count,
    };

    private static bool IsBlank(ReadOnlySpan<byte> utf8)
    {
        while (!utf8.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(utf8, out var rune, out var length) != System.Buffers.OperationStatus.Done || !Rune.IsWhiteSpace(rune)) return false;
            utf8 = utf8[length..];
        }
        return true;
    }

    private static string Listed(List<SampleColumn> columns)
    {
        var named = string.Join(", ", columns.Take(ColumnsInMessageMax).Select(column => $"'{column.Name}'"));
        return columns.Count > ColumnsInMessageMax ? $"{named} and {columns.Count - ColumnsInMessageMax} more" : named;
    }
}
