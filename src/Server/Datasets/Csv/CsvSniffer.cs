using System.Text;

namespace Atoll.Datasets;

/// <summary>What the uploader said about the files; null means: find out.</summary>
internal sealed record CsvHints(char? Delimiter = null, char? Quote = null, bool? HasHeader = null);

/// <summary>Finds out how a csv file is written: encoding, delimiter, quotes, header.</summary>
internal static class CsvSniffer
{
    private const int SampleChars = 128 * 1024;
    private const int SampleRows = 200;

    private static readonly char[] Delimiters = [',', ';', '\t', '|'];

    /// <summary>Names that head columns and hardly ever are values.</summary>
    private static readonly HashSet<string> HeaderWords =
        new(["id", "text", "label", "labels", "class", "target", "name", "category", "sentence", "message", "intent", "sentiment", "date", "value", "title", "description", "type", "comment", "review", "utterance"], StringComparer.OrdinalIgnoreCase);

    /// <summary>Reads the beginning for the layout and, where needed, everything for the encoding. The stream is left at its beginning.</summary>
    public static CsvDialect Detect(Stream stream, CsvHints hints, CancellationToken cancellationToken)
    {
        var encoding = TextEncodingDetector.Detect(stream, cancellationToken);
        var sample = ReadSample(stream, encoding.Encoding, out bool complete);
        var dialect = new CsvDialect { Encoding = encoding.Encoding, EncodingGuessed = encoding.Guessed, HasInvalidBytes = encoding.HasInvalidBytes };

        if (SeparatorLine(sample) is { } separator)
        {
            dialect = dialect with { HasSeparatorLine = true, Delimiter = separator };
            hints = hints with { Delimiter = hints.Delimiter ?? separator };
        }

        dialect = BestLayout(sample, complete, dialect, hints);
        return dialect with { HasHeader = hints.HasHeader ?? LooksLikeHeader(Rows(sample, complete, dialect)) };
    }

    private static string ReadSample(Stream stream, Encoding encoding, out bool complete)
    {
        stream.Position = 0;
        using var reader = new StreamReader(stream, encoding, detectEncodingFromByteOrderMarks: true, bufferSize: 16 * 1024, leaveOpen: true);
        var buffer = new char[SampleChars];
        int length = reader.ReadBlock(buffer, 0, buffer.Length);
        complete = length < buffer.Length;
        stream.Position = 0;
        return new string(buffer, 0, length);
    }

    private static char? SeparatorLine(string sample) =>
        sample.Length >= 6 && sample.StartsWith("sep=", StringComparison.OrdinalIgnoreCase) && sample[5] is '\r' or '\n' && Delimiters.Contains(sample[4])
            ? sample[4]
            : null;

    private static CsvDialect BestLayout(string sample, bool complete, CsvDialect start, CsvHints hints)
    {
        var best = start with { Delimiter = hints.Delimiter ?? ',', Quote = hints.Quote ?? '"' };
        double bestScore = double.NegativeInfinity;
        foreach (char delimiter in hints.Delimiter is { } given ? [given] : Delimiters)
        {
            foreach (char quote in hints.Quote is { } mark ? [mark] : (char[])['"', '\''])
            {
                // An apostrophe is a quote only where values begin and end with it.
                if (quote == '\'' && hints.Quote is null && !UsesApostrophes(sample, delimiter)) continue;

                foreach (bool backslash in (bool[])[false, true])
                {
                    if (backslash && !sample.Contains($"\\{quote}", StringComparison.Ordinal)) continue;

                    var candidate = start with { Delimiter = delimiter, Quote = quote, BackslashEscapes = backslash };
                    double score = Score(Rows(sample, complete, candidate));
                    if (score <= bestScore) continue;

                    bestScore = score;
                    best = candidate;
                }
            }
        }

        return best;
    }

    private static bool UsesApostrophes(string sample, char delimiter)
    {
        int opens = 0, closes = 0, doubles = 0;
        for (int i = 0; i < sample.Length; i++)
        {
            if (sample[i] == '"') doubles++;
            if (sample[i] != '\'') continue;

            if (i == 0 || sample[i - 1] == delimiter || sample[i - 1] is '\r' or '\n') opens++;
            if (i + 1 == sample.Length || sample[i + 1] == delimiter || sample[i + 1] is '\r' or '\n') closes++;
        }

        return doubles == 0 && opens >= 2 && closes >= 2 && Math.Min(opens, closes) * 2 > Math.Max(opens, closes);
    }

    /// <summary>Rows of the sample; the last is left out when the sample may have cut it.</summary>
    private static List<SampleRow> Rows(string sample, bool complete, CsvDialect dialect)
    {
        var rows = new List<SampleRow>();
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes(sample));
        using var reader = new CsvReader(stream, dialect with { Encoding = Encoding.UTF8 });
        while (rows.Count < SampleRows && reader.Read())
        {
            var values = new string[reader.FieldCount];
            for (int i = 0; i < values.Length; i++) values[i] = reader[i].ToString();
            rows.Add(new SampleRow(values, reader.Fault));
        }

        if (!complete && rows.Count > 1 && rows.Count < SampleRows) rows.RemoveAt(rows.Count - 1);
        return rows;
    }

    /// <summary>Rows of one width, of as many values as possible, without faults.</summary>
    private static double Score(List<SampleRow> rows)
    {
        if (rows.Count == 0) return 0;

        var width = rows.GroupBy(row => row.Values.Length).OrderByDescending(group => group.Count()).ThenByDescending(group => group.Key).First();
        double agreeing = (double)width.Count() / rows.Count;
        double faulty = (double)rows.Count(row => row.Fault != CsvFault.None) / rows.Count;

        // One column is always consistent, so that it must not win against a delimiter that nearly is.
        return width.Key == 1 ? 0.1 - faulty : (agreeing * agreeing * (1 + (0.1 * Math.Log(width.Key)))) - faulty;
    }

    /// <summary>Is the first row made of names?</summary>
    private static bool LooksLikeHeader(List<SampleRow> rows)
    {
        if (rows.Count == 0) return true;

        var first = rows[0].Values;
        if (first.All(string.IsNullOrWhiteSpace)) return false;
        var body = rows.Skip(1).Where(row => row.Values.Length == first.Length).ToList();

        // A known word heads a column, unless the column says it again. It also tells that numbers beside it are names.
        if (Enumerable.Range(0, first.Length).Any(i => HeaderWords.Contains(first[i]) && !body.Any(row => row.Values[i] == first[i]))) return true;
        if (first.Any(LooksLikeData)) return false;
        if (body.Count == 0) return true;

        int votes = 0;
        for (int column = 0; column < first.Length; column++)
        {
            var values = body.Select(row => row.Values[column]).Where(value => value.Length > 0).ToList();
            if (values.Count == 0) continue;

            var name = first[column];
            if (values.Count(LooksLikeData) * 10 >= values.Count * 8) votes += 2;
            else if (values.Contains(name)) votes -= 2;
            else if (name.Length > 60 || name.Count(c => c == ' ') > 6) votes--;
            else if (values.Average(value => value.Length) > 3.0 * Math.Max(name.Length, 4)) votes++;
        }

        return votes >= 0;
    }

    private static bool LooksLikeData(string value) =>
        CellValues.TryNumeric(value, decimalComma: false, out _) || CellValues.TryNumeric(value, decimalComma: true, out _)
        || CellValues.IsEmail(value) || CellValues.IsUrl(value) || value is "true" or "false" or "TRUE" or "FALSE"
        || (DateFormats.Plausible(value) && DateFormats.All.Any(pattern => DateFormats.TryParse(value, pattern, out _)));

    private sealed record SampleRow(string[] Values, CsvFault Fault);
}
