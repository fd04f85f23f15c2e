using Atoll.Contracts;

namespace Atoll.Datasets;

/// <summary>A csv file in a zip, <c>labels.csv</c> or <c>annotations.csv</c>, that gives the label of every file and maybe its split.</summary>
internal sealed class LabelList
{
    private static readonly string[] FileColumns = ["file", "filename", "file_name", "path", "name"];
    private static readonly string[] LabelColumns = ["label", "class", "category"];

    private readonly Dictionary<string, Row> _rows = new(StringComparer.OrdinalIgnoreCase);
    private readonly string[] _folder;
    private readonly int _file;
    private readonly SampleSink _sink;

    private LabelList(string entry, string[] folder, int file, SampleSink sink) => (Entry, _folder, _file, _sink) = (entry, folder, file, sink);

    /// <summary>Its name in the zip.</summary>
    public string Entry { get; }

    public static bool IsName(string fileName) =>
        fileName.Equals("labels.csv", StringComparison.OrdinalIgnoreCase) || fileName.Equals("annotations.csv", StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads the list; null when nothing of it can be used, of which the sink was told.</summary>
    /// <param name="bytes">The csv file.</param>
    /// <param name="entry">Its name in the zip.</param>
    /// <param name="folder">Where it lies; paths in it count from there.</param>
    /// <param name="file">Number of the zip.</param>
    /// <param name="sink">Is told what is wrong.</param>
    /// <param name="cancellationToken">Looked at while the file is read.</param>
    public static LabelList? Read(byte[] bytes, string entry, string[] folder, int file, SampleSink sink, CancellationToken cancellationToken)
    {
        var list = new LabelList(entry, folder, file, sink);
        using var stream = new MemoryStream(bytes, writable: false);
        using var reader = new CsvReader(stream, CsvSniffer.Detect(stream, sink.Settings.Csv, cancellationToken), sink.Settings.Limits.Csv);
        if (!reader.Read())
        {
            sink.Fatal(ImportProblemCodes.NoRows, "The list of labels is empty. Give it a header 'file,label' and a row for each file.", list.At(0));
            return null;
        }

        var columns = new string[reader.FieldCount];
        for (int i = 0; i < columns.Length; i++) columns[i] = reader[i].ToString();
        int name = Find(columns, FileColumns), label = Find(columns, LabelColumns), split = Find(columns, ["split"]);
        if (name < 0 || label < 0)
        {
            sink.Fatal(ImportProblemCodes.LabelColumnNotFound, $"The list of labels has no column '{(name < 0 ? "file" : "label")}'. Begin it with the header 'file,label', or 'file,label,split'.", list.At(1));
            return null;
        }

        while (reader.Read() && list.TakeRow(reader, columns.Length, name, label, split)) cancellationToken.ThrowIfCancellationRequested();
        return list;
    }

    /// <summary>What the list says about a file of the zip, which is then told; null when it says nothing.</summary>
    public (string Label, Split? Split)? Take(string[] path)
    {
        var inFolder = path.Length > _folder.Length && path.AsSpan(0, _folder.Length).SequenceEqual(_folder) ? path[_folder.Length..] : path;

        // By its path, or by its name alone where that is all the list gives.
        if (!_rows.TryGetValue(string.Join('/', inFolder), out var row) && !_rows.TryGetValue(path[^1], out row)) return null;
        if (row.IsTaken)
        {
            _sink.Bad(ImportProblemCodes.DuplicateEntry, $"Two files of the zip are meant by line {row.Line:N0} of {Entry}. Write the path there, as in folder/{path[^1]}.", new Place(_file, 0, string.Join('/', path)));
            return null;
        }

        row.IsTaken = true;
        return (row.Label, row.Split);
    }

    /// <summary>Tells of files that are listed and not there.</summary>
    public void TellMissing()
    {
        foreach (var (name, row) in _rows)
        {
            if (!row.IsTaken) _sink.Bad(ImportProblemCodes.ListedFileMissing, $"The zip has no file '{name}'. Add it, or take the line out.", At(row.Line), "file");
        }
    }

    private bool TakeRow(CsvReader reader, int columns, int name, int label, int split)
    {
        if (reader.Fault != CsvFault.None)
        {
            bool isOpen = reader.Fault == CsvFault.UnterminatedQuote;
            _sink.Bad(isOpen ? ImportProblemCodes.UnterminatedQuote : ImportProblemCodes.RowLength, "The line cannot be read: check its quotes and its length.", At(reader.FaultLine));
            return !isOpen;
        }

        var place = At(reader.Line);
        if (reader.FieldCount != columns)
        {
            _sink.Bad(ImportProblemCodes.RowLength, $"The line has {reader.FieldCount} values, the header {columns}. Put names with commas into quotes.", place);
            return true;
        }

        Split? given = null;
        if (split >= 0)
        {
            given = Splits.Parse(reader[split].ToString().ToLowerInvariant());
            if (given is null)
            {
                _sink.Bad(ImportProblemCodes.UnknownSplit, $"The split is '{reader[split]}'. Write train, validation or test in every line, or leave the column out.", place, "split");
                return true;
            }
        }

        var path = reader[name].ToString().Replace('\\', '/');
        if (path.StartsWith("./", StringComparison.Ordinal)) path = path[2..];
        if (path.Length == 0) _sink.Bad(ImportProblemCodes.ListedFileMissing, "The line names no file. Fill it in, or take the line out.", place, "file");
        else if (reader[label].IsWhiteSpace()) _sink.Bad(ImportProblemCodes.MissingLabel, "The line has no label. Fill it in, or take the line out.", place, "label");
        else if (!_rows.TryAdd(path, new Row(reader[label].Trim().ToString(), given, reader.Line))) _sink.Bad(ImportProblemCodes.DuplicateEntry, $"The file '{path}' is listed twice. Keep one of the lines.", place, "file");
        return true;
    }

    private static int Find(string[] columns, string[] names) =>
        Array.FindIndex(columns, column => names.Contains(column.Trim(), StringComparer.OrdinalIgnoreCase));

    private Place At(long line) => new(_file, line, Entry);

    private sealed record Row(string Label, Split? Split, long Line)
    {
        public bool IsTaken { get; set; }
    }
}
