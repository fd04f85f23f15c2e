using System.Text;
using Atoll.Contracts;
using Atoll.Platform;

namespace Atoll.Datasets;

/// <summary>Tables: a sample is a row, stored as a line of canonical csv.</summary>
internal sealed class TabularFormat : IDatasetFormat
{
    /// <summary>A whole number with more different values than this is something to estimate, not a class.</summary>
    private const int IntegerClassesMax = 30;

    public string Type => DatasetTypes.Tabular;

    public DatasetSchema Import(IReadOnlyList<SourceFile> files, ImportSettings settings, SampleSink sink, CancellationToken cancellationToken)
    {
        var import = new TableImport(settings, sink, cancellationToken);
        for (int file = 0; file < files.Count; file++)
        {
            using var table = TableReader.Open(sink, file, listsAllowed: false, cancellationToken);
            if (table is null || !import.Begin(table, file)) continue;

            while (table.Read()) import.AddRow(table, file);
        }

        return import.Finish();
    }

    public SampleResponse Describe(SampleResponse sample, ReadOnlySpan<byte> payload, DatasetSchema schema)
    {
        var line = Encoding.UTF8.GetString(payload);
        var values = new Dictionary<string, string?>(schema.Columns.Count);
        var scratch = new char[line.Length];
        var cells = CsvLine.Read(line, scratch);
        foreach (var column in schema.Columns)
        {
            if (!cells.MoveNext()) break;

            values[column.Name] = cells.Current.IsEmpty ? null : cells.Current.ToString();
        }

        return sample with { Values = values };
    }

    public string ContentType(ReadOnlySpan<byte> payload) => "text/csv; charset=utf-8; header=absent";

    /// <summary>One import of one or more tables with the same columns.</summary>
    private sealed class TableImport(ImportSettings settings, SampleSink sink, CancellationToken cancellationToken)
    {
        private readonly MissingMarkers _missing = new(settings.MissingMarkers);

        private readonly StringBuilder _line = new();
        private string[] _columns = [];
        private ColumnProfiler[] _profiles = [];
        private ColumnBlock? _block;
        private (int Column, string Type)[] _given = [];
        private int _label = -1;
        private int[] _map = [];
        private byte[] _bytes = new byte[4096];
        private char[] _chars = new char[4096];

        /// <summary>Checks the columns of a file; false when it cannot be used.</summary>
        public bool Begin(TableReader table, int file)
        {
            if (_columns.Length == 0) return Adopt(table, file);

            _map = [.. _columns.Select(name => IndexOf(table.Columns, name))];
            var lacking = _columns.Where((_, i) => _map[i] < 0).ToList();
            var extra = table.Columns.Where(name => IndexOf(_columns, name) < 0).ToList();
            if (lacking.Count == 0 && extra.Count == 0) return true;

            var parts = new List<string>();
            if (lacking.Count > 0) parts.Add($"lacks {Listed(lacking)}");
            if (extra.Count > 0) parts.Add($"has also {Listed(extra)}");
            sink.Fatal(ImportProblemCodes.HeaderMismatch,
                $"The columns differ from those of {sink.Files[0].Name}: this file {string.Join(" and ", parts)}. All files of a dataset have the same columns.", new Place(file, 0));
            return false;
        }

        public void AddRow(TableReader table, int file)
        {
            var place = new Place(file, table.Line);
            foreach (var (column, type) in _given)
            {
                var value = Value(table, column);
                if (value.IsEmpty || Fits(value, type)) continue;

                sink.Bad(ImportProblemCodes.ValueNotOfType, $"'{Shortened(value)}' is not of the type '{type}' that was given for the column. Correct the value, or give another type.", place, _columns[column]);
                return;
            }

            int label = -1;
            if (_label >= 0)
            {
                var value = Value(table, _label);
                if (value.IsEmpty)
                {
                    sink.Bad(ImportProblemCodes.MissingLabel, "The row has no label. Fill it in, or take the row out.", place, _columns[_label]);
                    return;
                }

                if (value.Length <= settings.Limits.LabelCharsMax) label = sink.NumberOf(value);
            }

            _line.Clear();
            for (int i = 0; i < _columns.Length; i++)
            {
                var value = Value(table, i);
                CsvLine.Append(_line, value, first: i == 0);
                _block!.Add(value);
            }

            _block!.EndRow(table.Line, cancellationToken);
            sink.Add(Encoded(), label < 0 ? [] : [label], place);
        }

        public DatasetSchema Finish()
        {
            _block?.Profile(cancellationToken);
            if (_columns.Length == 0 || _profiles[0].Count + _profiles[0].Missing == 0)
            {
                sink.LabelsAreClasses = false;
                return new DatasetSchema();
            }

            var columns = new List<ColumnSchema>(_columns.Length);
            var statistics = new List<ColumnStatistics>(_columns.Length);
            for (int i = 0; i < _columns.Length; i++)
            {
                var profile = _profiles[i];
                var given = settings.ColumnTypes.GetValueOrDefault(_columns[i]);
                var verdict = given is not null ? profile.As(given) : profile.Infer();
                Report(_columns[i], profile, verdict);
                columns.Add(new ColumnSchema { Name = _columns[i], Type = verdict.Type, Format = verdict.Format, Given = given is not null, Example = profile.Example });
                statistics.Add(profile.ToStatistics(verdict.Type, verdict.Format));
            }

            sink.Columns = statistics;
            sink.LabelsAreClasses = _label >= 0 && IsClass(statistics[_label]);
            return new DatasetSchema { Columns = columns, LabelColumn = _label >= 0 ? _columns[_label] : null };
        }

        private static bool IsClass(ColumnStatistics label) =>
            !ColumnTypes.IsNumeric(label.Type) || (label.Type == ColumnTypes.Integer && label.Distinct <= IntegerClassesMax);

        private bool Adopt(TableReader table, int file)
        {
            int limit = settings.Limits.Csv.FieldsMax;
            if (table.Columns.Count > limit)
            {
                sink.Fatal(ImportProblemCodes.TooManyColumns, $"The file has {table.Columns.Count:N0} columns, at most {limit:N0} are allowed. Upload fewer columns.", new Place(file, 1));
                return false;
            }

            bool sound = true;
            foreach (var (name, type) in settings.ColumnTypes)
            {
                if (IndexOf(table.Columns, name) < 0)
                {
                    // Told of the version before: that the column is gone is a warning of its own.
                    if (settings.Previous?.Columns.Any(column => column.Name == name) == true) continue;

                    sink.Fatal(ImportProblemCodes.UnknownColumn, $"A type is given for the column '{name}', which the file does not have. {Spelling.Ask(name, table.Columns)}It has {Listed(table.Columns)}.", new Place(file, 1), name);
                    sound = false;
                }
                else if (!TabularTypes.Contains(type))
                {
                    sink.Fatal(ImportProblemCodes.UnknownColumnType, $"'{type}' is not a type of column. {Spelling.Ask(type, TabularTypes)}Types are {string.Join(", ", TabularTypes)}.", new Place(file, 1), name);
                    sound = false;
                }
            }

            if (settings.Label is { } label && (_label = IndexOf(table.Columns, label)) < 0)
            {
                sink.Fatal(ImportProblemCodes.LabelColumnNotFound, $"The file has no column '{label}' for the label. {Spelling.Ask(label, table.Columns)}It has {Listed(table.Columns)}.", new Place(file, 1), label);
                sound = false;
            }

            if (!sound) return false;

            _columns = [.. table.Columns];
            _map = [.. Enumerable.Range(0, _columns.Length)];
            _given = [.. _columns.Select((name, i) => (Column: i, Type: settings.ColumnTypes.GetValueOrDefault(name)!)).Where(given => given.Type is not null)];
            _profiles = [.. _columns.Select(name => new ColumnProfiler(name, table.UsesSemicolons, _columns.Length))];
            _block = new ColumnBlock(_profiles);
            return true;
        }

        private void Report(string name, ColumnProfiler profile, ColumnVerdict verdict)
        {
            var file = sink.Files[0].Name;
            if (profile.Count == 0)
            {
                sink.Problems.Warn(new ImportProblem(ImportProblemCodes.EmptyColumn, "The column has no values at all. Fill it in, or take it out.", file, Column: name));
            }

            if (verdict.Misfits > 0)
            {
                sink.Problems.Warn(new ImportProblem(ImportProblemCodes.ValueNotOfType,
                    $"{verdict.Misfits} of {profile.Count} values are not of the type '{verdict.Type}' that all others have; the first is '{verdict.MisfitValue}'. They are read as missing. Correct them, or give the column's type.",
                    file, verdict.MisfitLine, Column: name));
            }

            if (verdict.AmbiguousDate)
            {
                sink.Problems.Warn(new ImportProblem(ImportProblemCodes.AmbiguousDate,
                    $"Every date could have day and month the other way round; '{verdict.Format}' was assumed. Write dates as 2024-12-31 to be sure.", file, Column: name));
            }
        }

        private ReadOnlySpan<char> Value(TableReader table, int column)
        {
            var value = table.Value(_map[column]);
            return _missing.Contains(value) ? [] : value;
        }

        private ReadOnlySpan<byte> Encoded()
        {
            if (_chars.Length < _line.Length)
            {
                _chars = new char[_line.Length * 2];
                _bytes = new byte[Encoding.UTF8.GetMaxByteCount(_chars.Length)];
            }
            else if (_bytes.Length < _line.Length * 3)
            {
                _bytes = new byte[Encoding.UTF8.GetMaxByteCount(_chars.Length)];
            }

            _line.CopyTo(0, _chars, _line.Length);
            return _bytes.AsSpan(0, Encoding.UTF8.GetBytes(_chars.AsSpan(0, _line.Length), _bytes));
        }

        private static readonly string[] TabularTypes =
        [
            ColumnTypes.Number, ColumnTypes.Integer, ColumnTypes.Currency, ColumnTypes.Percent, ColumnTypes.Boolean, ColumnTypes.Category, ColumnTypes.Date,
            ColumnTypes.DateTime, ColumnTypes.Text, ColumnTypes.Id, ColumnTypes.Email, ColumnTypes.Phone, ColumnTypes.Url, ColumnTypes.Country, ColumnTypes.PostalCode,
        ];

        /// <summary>Only what a trainer must be able to compute with is checked; a text may be anything.</summary>
        private static bool Fits(ReadOnlySpan<char> value, string type)
        {
            if (ColumnTypes.IsNumeric(type)) return CellValues.TryNumeric(value, false, out _) || CellValues.TryNumeric(value, true, out _);
            if (type is not (ColumnTypes.Date or ColumnTypes.DateTime)) return true;
            if (!DateFormats.Plausible(value)) return false;

            foreach (var pattern in DateFormats.All)
            {
                if (DateFormats.TryParse(value, pattern, out _)) return true;
            }

            return false;
        }

        private static int IndexOf(IReadOnlyList<string> names, string name)
        {
            for (int i = 0; i < names.Count; i++)
            {
                if (string.Equals(names[i], name, StringComparison.Ordinal)) return i;
            }

            return -1;
        }

        private static string Listed(IReadOnlyList<string> names) =>
            string.Join(", ", names.Take(10).Select(name => $"'{name}'")) + (names.Count > 10 ? $" and {names.Count - 10} more" : "");

        private static string Shortened(ReadOnlySpan<char> value) => value.Length <= 40 ? value.ToString() : $"{value[..40]}...";
    }
}
