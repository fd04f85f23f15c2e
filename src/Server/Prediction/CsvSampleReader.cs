using System.Text;
using Atoll.Datasets;
using Atoll.Platform.Http;

namespace Atoll.Prediction;

/// <summary>Reads rows of a csv file with a header into a batch; delimiter and encoding are found as for datasets.</summary>
internal static class CsvSampleReader
{
    private const int Skipped = -1;

    /// <summary>Fills the batch; null when that went well.</summary>
    /// <param name="encoding">What the request says about the file; null to find out.</param>
    public static Problem? Read(
        Stream file, Encoding? encoding, SamplePlan plan, PredictionOptions options, bool ignoreUnknown, SampleBatch samples,
        CancellationToken cancellationToken)
    {
        if (file.Length == 0) return PredictionProblems.Empty(plan, "csv");
        var dialect = CsvSniffer.Detect(file, new CsvHints(HasHeader: true), cancellationToken);
        if (encoding is not null) dialect = dialect with { Encoding = encoding };
        using var reader = new CsvReader(file, dialect);
        if (!reader.Read()) return PredictionProblems.Empty(plan, "csv");
        if (FaultOf(reader, plan) is { } broken) return broken;

        samples.Begin(plan.Columns.Count, plan.ListName);
        var (columns, problem) = ReadHeader(reader, plan, ignoreUnknown, samples);
        if (columns is null) return problem;
        while (reader.Read())
        {
            if (SampleLimits.Check(plan, options, samples) is { } tooMany) return tooMany;
            samples.Add();
            if (ReadRow(reader, columns, plan, samples) is { } wrong) return wrong;
        }
        return samples.Count == 0 ? PredictionProblems.Empty(plan, "csv") : null;
    }

    private static (int[]? Columns, Problem? Problem) ReadHeader(CsvReader reader, SamplePlan plan, bool ignoreUnknown, SampleBatch samples)
    {
        var columns = new int[reader.FieldCount];
        var seen = new HashSet<int>();
        for (var i = 0; i < columns.Length; i++)
        {
            columns[i] = plan.IndexOf(reader[i]);

            // Files of texts head their column as people like; a single column can only be the texts.
            if (columns[i] < 0 && plan.ListName == "texts" && (columns.Length == 1 || reader[i].Equals("text", StringComparison.OrdinalIgnoreCase)))
                columns[i] = 0;
            if (columns[i] < 0)
            {
                if (!ignoreUnknown && !plan.IsUnread(reader[i])) return (null, PredictionProblems.UnknownColumn(plan, reader[i].ToString(), reader[i].ToString()));
                columns[i] = Skipped;
                if (plan.IsLeak(reader[i])) samples.AddLeak(reader[i]);
            }
            else if (!seen.Add(columns[i]))
            {
                return (null, PredictionProblems.ColumnTwice(plan, reader[i].ToString()));
            }
        }
        return seen.Count == 0 ? (null, PredictionProblems.NothingKnown(plan, "csv")) : (columns, null);
    }

    private static Problem? ReadRow(CsvReader reader, int[] columns, SamplePlan plan, SampleBatch samples)
    {
        if (FaultOf(reader, plan) is { } broken) return broken;
        if (reader.FieldCount != columns.Length)
        {
            return PredictionProblems.Invalid(
                plan, $"line {reader.Line}", $"has {reader.FieldCount} values, the header {columns.Length}", "Quote values that hold the delimiter.");
        }
        var given = 0;
        for (var i = 0; i < columns.Length; i++)
        {
            if (columns[i] == Skipped) continue;
            var column = plan.Columns[columns[i]];
            var text = reader[i];
            if (column.IsNumber)
            {
                if (!CellText.TrySetNumber(samples, columns[i], text, column, plan.MissingMarkers, ref given))
                {
                    return PredictionProblems.WrongValue(
                        plan, $"line {reader.Line}, column {column.Name}", $"is the text \"{JsonText.Shorten(text.ToString())}\"", column);
                }
            }
            else if (plan.ListName == "rows" && plan.MissingMarkers.Contains(text))
            {
                samples.SetMissing(columns[i]);
            }
            else
            {
                var target = samples.Reserve(Encoding.UTF8.GetMaxByteCount(text.Length)).Span;
                samples.SetBytes(columns[i], Encoding.UTF8.GetBytes(text, target));
                given++;
            }
        }
        return given == 0 ? PredictionProblems.NothingKnown(plan, $"line {reader.Line}") : null;
    }

    private static Problem? FaultOf(CsvReader reader, SamplePlan plan)
    {
        var what = reader.Fault switch
        {
            CsvFault.None => null,
            CsvFault.NulCharacter => "holds a character of code zero",
            CsvFault.TextAfterQuote => "has text after a closing quote",
            CsvFault.FieldTooLong => "has a value that is too long",
            CsvFault.RowTooLong => "is too long",
            CsvFault.TooManyFields => "has too many values",
            _ => "opens a quote that is never closed",
        };
        return what is null ? null : PredictionProblems.Invalid(plan, $"line {reader.FaultLine}", what, "Send a csv file with a header row.");
    }
}
