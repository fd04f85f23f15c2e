using Atoll.Contracts;

namespace Atoll.Datasets;

/// <summary>Good rows of a file that holds a table, whatever its format; bad ones are reported on the way.</summary>
internal abstract class TableReader : IDisposable
{
    /// <summary>Parts the items of a list that stood in one cell of a JSON file. No text has this character by accident.</summary>
    public const char ListSeparator = '\u001F';

    /// <summary>Progress is told, and cancellation seen, after so many cells: a table of thousands of columns may have few rows.</summary>
    protected const int CellsBetweenReports = 1 << 17;

    public abstract IReadOnlyList<string> Columns { get; }

    /// <summary>Values are parted by semicolons, as where the comma is the decimal sign.</summary>
    public virtual bool UsesSemicolons => false;

    /// <summary>Line of the current row.</summary>
    public abstract long Line { get; }

    /// <summary>Fraction of the file that was read.</summary>
    public abstract double Progress { get; }

    /// <summary>Moves to the next good row.</summary>
    public abstract bool Read();

    /// <summary>A value of the current row; empty when it is not there.</summary>
    public abstract ReadOnlySpan<char> Value(int column);

    public abstract void Dispose();

    /// <summary>Opens a file by what is in it. Null, and a fatal problem, when it is no table.</summary>
    public static TableReader? Open(SampleSink sink, int file, bool listsAllowed, CancellationToken cancellationToken)
    {
        var source = sink.Files[file];
        var stream = new FileStream(source.Path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
        try
        {
            var head = new byte[1024];
            int length = stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false);
            stream.Position = 0;
            if (Foreign(head.AsSpan(0, length)) is { } foreign)
            {
                var code = length == 0 ? ImportProblemCodes.EmptyFile : ImportProblemCodes.WrongFileType;
                sink.Problems.Fatal(new ImportProblem(code, foreign, source.Name));
                stream.Dispose();
                return null;
            }

            return LooksLikeJsonLines(head.AsSpan(0, length))
                ? JsonLinesTableReader.Open(stream, sink, file, listsAllowed, cancellationToken)
                : CsvTableReader.Open(stream, sink, file, cancellationToken);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    public static bool LooksLikeJsonLines(ReadOnlySpan<byte> head)
    {
        if (head.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF])) head = head[3..];
        head = head.TrimStart(" \t\r\n"u8);
        return head.StartsWith("{"u8);
    }

    /// <summary>What the file is instead of a table, and what to do; null if nothing speaks against it.</summary>
    public static string? Foreign(ReadOnlySpan<byte> head)
    {
        if (head.IsEmpty) return "The file is empty. Upload a file with a header and at least two rows.";
        if (head.StartsWith("PK\u0003\u0004"u8)) return "This is a zip file or an Excel workbook. Save the sheet as csv (UTF-8) and upload that.";
        if (head.StartsWith((ReadOnlySpan<byte>)[0xD0, 0xCF, 0x11, 0xE0])) return "This is an old Excel or Office file. Save the sheet as csv (UTF-8) and upload that.";
        if (head.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B])) return "This file is packed with gzip. Unpack it and upload the csv file.";
        if (head.StartsWith("PAR1"u8)) return "This is a Parquet file. Export it as csv or JSON lines.";
        if (head.StartsWith("%PDF-"u8)) return "This is a PDF file. Export the table as csv.";
        if (head.StartsWith((ReadOnlySpan<byte>)[0x89, 0x50, 0x4E, 0x47]) || head.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF])) return "This is an image. Create a dataset of type 'image' from a zip with one folder per label.";

        if (head.StartsWith("RIFF"u8) && head.Length > 12 && head[8..].StartsWith("WAVE"u8)) return "This is a sound. Create a dataset of type 'audio' from a zip with one folder per label.";

        var text = head.TrimStart(" \t\r\n"u8);
        if (text.StartsWith("[{"u8) || text.StartsWith("[\n"u8) || text.StartsWith("[\r\n"u8) || text.StartsWith("[ {"u8)) return "This is one JSON array. Write one JSON object per line, without brackets and commas around them.";
        if (text.StartsWith("<!DOCTYPE"u8) || text.StartsWith("<!doctype"u8) || text.StartsWith("<html"u8) || text.StartsWith("<?xml"u8)) return "This is a web page or an XML file, not a table. Check the address that it was loaded from.";

        // Text in one of the wide encodings has zeros; random bytes have other control characters too.
        int control = 0;
        foreach (byte value in head)
        {
            if (value is < 9 and > 0 or > 13 and < 32 and not 27 and not 31) control++;
        }

        return control * 20 > head.Length ? "This is a binary file, not a table. Upload csv, tsv or JSON lines." : null;
    }
}

/// <summary>Rows of a csv file, checked for their length and their faults.</summary>
internal sealed class CsvTableReader : TableReader
{
    private readonly FileStream _stream;
    private readonly CsvReader _reader;
    private readonly CsvDialect _dialect;
    private readonly SampleSink _sink;
    private readonly int _file;
    private readonly CancellationToken _cancellationToken;
    private IReadOnlyList<string> _columns = [];
    private bool _firstIsPending;
    private bool _ended;
    private bool _warnedOfCharacters;
    private int _cells;

    private CsvTableReader(FileStream stream, CsvDialect dialect, SampleSink sink, int file, CancellationToken cancellationToken)
    {
        _stream = stream;
        _dialect = dialect;
        _sink = sink;
        _file = file;
        _cancellationToken = cancellationToken;
        _reader = new CsvReader(stream, dialect, sink.Settings.Limits.Csv);
    }

    public override IReadOnlyList<string> Columns => _columns;

    public override bool UsesSemicolons => _dialect.Delimiter == ';';

    public override long Line => _reader.Line;

    public override double Progress => _stream.Length == 0 ? 1 : (double)_stream.Position / _stream.Length;

    public static CsvTableReader? Open(FileStream stream, SampleSink sink, int file, CancellationToken cancellationToken)
    {
        var dialect = CsvSniffer.Detect(stream, sink.Settings.Csv, cancellationToken);
        var table = new CsvTableReader(stream, dialect, sink, file, cancellationToken);
        if (dialect.EncodingGuessed)
        {
            sink.Problems.Warn(new ImportProblem(ImportProblemCodes.EncodingGuessed,
                "The file is not UTF-8; it was read as Windows-1252. Check the letters outside English, or save the file as UTF-8.", sink.Files[file].Name));
        }

        if (table.ReadHeader()) return table;

        table.Dispose();
        return null;
    }

    public override bool Read()
    {
        while (!_ended && (_firstIsPending || _reader.Read()))
        {
            _firstIsPending = false;
            if ((_cells += _columns.Count) >= CellsBetweenReports)
            {
                _cells = 0;
                _cancellationToken.ThrowIfCancellationRequested();
                _sink.Report((_file + Progress) / _sink.Files.Count);
            }

            if (IsGood()) return true;
        }

        return false;
    }

    public override ReadOnlySpan<char> Value(int column) => _reader[column];

    public override void Dispose()
    {
        _reader.Dispose();
        _stream.Dispose();
    }

    private bool ReadHeader()
    {
        if (!_reader.Read())
        {
            _sink.Fatal(ImportProblemCodes.NoRows, "The file holds no rows. Upload a file with a header and at least two rows.", new Place(_file, 0));
            return false;
        }

        if (_reader.Fault != CsvFault.None)
        {
            var (code, message) = Explain();
            _sink.Fatal(code, $"The first row cannot be read: {message}", new Place(_file, _reader.FaultLine));
            return false;
        }

        if (!_dialect.HasHeader)
        {
            _columns = [.. Enumerable.Range(1, _reader.FieldCount).Select(number => $"column_{number}")];
            _firstIsPending = true;
            return true;
        }

        var names = Enumerable.Range(0, _reader.FieldCount).Select(i => _reader[i].ToString()).ToList();
        _columns = ColumnHeader.Repair(names, (code, message, column) => _sink.Warn(code, message, new Place(_file, _reader.Line), column));
        return true;
    }

    private bool IsGood()
    {
        if (_reader.Fault != CsvFault.None)
        {
            var (code, message) = Explain();
            var column = _reader.FaultField < _columns.Count ? _columns[_reader.FaultField] : null;
            if (_reader.Fault == CsvFault.UnterminatedQuote)
            {
                // All that follows is inside of the quote: there is no good part to keep.
                _sink.Fatal(code, message, new Place(_file, _reader.FaultLine), column);
                _ended = true;
            }
            else
            {
                _sink.Bad(code, message, new Place(_file, _reader.FaultLine), column);
            }

            return false;
        }

        if (_reader.FieldCount != _columns.Count && !HasOnlyEmptyTail())
        {
            _sink.Bad(ImportProblemCodes.RowLength,
                $"The row has {_reader.FieldCount} values, the header has {_columns.Count}. Put values that contain '{Shown(_dialect.Delimiter)}' into quotes, or fill in what is missing.", new Place(_file, _reader.Line));
            return false;
        }

        if (!_warnedOfCharacters && _dialect.HasInvalidBytes && _reader.HasUnreadableCharacters)
        {
            _warnedOfCharacters = true;
            _sink.Warn(ImportProblemCodes.UnreadableCharacters,
                $"Here, and perhaps below, are bytes that are not valid {_dialect.Encoding.WebName}; they were replaced by \uFFFD. Save the file in one encoding.", new Place(_file, _reader.Line));
        }

        return true;
    }

    /// <summary>Some programs end each row with a delimiter.</summary>
    private bool HasOnlyEmptyTail()
    {
        if (_reader.FieldCount < _columns.Count) return false;

        for (int i = _columns.Count; i < _reader.FieldCount; i++)
        {
            if (!_reader[i].IsEmpty) return false;
        }

        return true;
    }

    private (string Code, string Message) Explain() => _reader.Fault switch
    {
        CsvFault.NulCharacter => (ImportProblemCodes.NulCharacter, "There is a NUL character in the row. The file is damaged or binary; export it again."),
        CsvFault.TextAfterQuote => (ImportProblemCodes.TextAfterQuote, "Text follows a closing quote. Double the quotes inside of a quoted value."),
        CsvFault.UnterminatedQuote => (ImportProblemCodes.UnterminatedQuote, "A quote opens here and is never closed, so that nothing after it can be read. Close it, or take it out."),
        CsvFault.FieldTooLong => (ImportProblemCodes.FieldTooLong, $"A value has more than {_sink.Settings.Limits.Csv.FieldCharsMax:N0} characters. Shorten it, or look for a quote that is not closed."),
        CsvFault.TooManyFields => (ImportProblemCodes.TooManyColumns, $"The row has more than {_sink.Settings.Limits.Csv.FieldsMax:N0} values. Upload fewer columns."),
        _ => (ImportProblemCodes.RowTooLong, $"The row has more than {_sink.Settings.Limits.Csv.RowCharsMax:N0} characters. Shorten it, or look for a quote that is not closed."),
    };

    private static string Shown(char delimiter) => delimiter == '\t' ? "tab" : delimiter.ToString();
}

/// <summary>Names of columns that can be used, made from those in the file.</summary>
internal static class ColumnHeader
{
    /// <summary>Empty names are numbered, repeated ones get a number behind; both are reported.</summary>
    public static IReadOnlyList<string> Repair(IReadOnlyList<string> names, Action<string, string, string?> warn)
    {
        var used = new HashSet<string>(names.Where(name => name.Length > 0), StringComparer.Ordinal);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var result = new List<string>(names.Count);
        for (int i = 0; i < names.Count; i++)
        {
            var name = names[i];
            if (name.Length == 0)
            {
                name = Free($"column_{i + 1}", used);
                warn(ImportProblemCodes.HeaderEmptyName, $"Column {i + 1} has no name; it is called '{name}'. Name it in the first row.", name);
            }
            else if (!seen.Add(name))
            {
                var free = Free($"{name}_{i + 1}", used);
                warn(ImportProblemCodes.HeaderDuplicateName, $"The name '{name}' occurs more than once; column {i + 1} is called '{free}'. Give each column a name of its own.", name);
                name = free;
            }

            result.Add(name);
        }

        return result;
    }

    private static string Free(string name, HashSet<string> used)
    {
        while (!used.Add(name)) name += "_";
        return name;
    }
}
