using System.Text;
using Atoll.Contracts;

namespace Atoll.Datasets;

/// <summary>Texts with one label or several: a sample is the text, stored as UTF-8.</summary>
internal sealed class TextFormat : IDatasetFormat
{
    public string Type => DatasetTypes.Text;

    public DatasetSchema Import(IReadOnlyList<SourceFile> files, ImportSettings settings, SampleSink sink, CancellationToken cancellationToken)
    {
        var import = new TextImport(settings, sink);
        for (int file = 0; file < files.Count; file++)
        {
            using var table = TableReader.Open(sink, file, listsAllowed: true, cancellationToken);
            if (table is null) continue;

            // The columns are found in a first look at the same file, before a row is taken.
            using (var sample = TableReader.Open(Silent(sink), file, listsAllowed: true, cancellationToken)!)
            {
                if (!import.Begin(table.Columns, sample, file)) continue;
            }

            while (table.Read()) import.AddRow(table, file);
        }

        return import.Finish();
    }

    public SampleResponse Describe(SampleResponse sample, ReadOnlySpan<byte> payload, DatasetSchema schema) => sample with { Text = Encoding.UTF8.GetString(payload) };

    public string ContentType(ReadOnlySpan<byte> payload) => "text/plain; charset=utf-8";

    /// <summary>A sink whose problems nobody reads.</summary>
    private static SampleSink Silent(SampleSink sink) => new(new SamplePackWriter(Stream.Null, Stream.Null), sink.Files, sink.Settings, new ImportProblems(1), null);

    /// <summary>One import of one or more files of texts.</summary>
    private sealed class TextImport(ImportSettings settings, SampleSink sink)
    {
        private const string ListSeparatorText = "\u001F";

        private string? _textName;
        private string? _labelName;
        private string? _separator;
        private int _text;
        private int _label;
        private byte[] _bytes = new byte[4096];
        private readonly List<int> _numbers = [];

        public bool Begin(IReadOnlyList<string> columns, TableReader sample, int file)
        {
            if (_textName is not null)
            {
                _text = Find(columns, _textName);
                _label = Find(columns, _labelName!);
                if (_text >= 0 && _label >= 0) return true;

                sink.Fatal(ImportProblemCodes.HeaderMismatch,
                    $"The columns differ from those of {sink.Files[0].Name}: '{(_text < 0 ? _textName : _labelName)}' is lacking. All files of a dataset have the same columns.", new Place(file, 1));
                return false;
            }

            var found = TextColumns.Find(columns, sample, settings);
            if (found.ProblemCode is { } code)
            {
                sink.Fatal(code, found.ProblemMessage!, new Place(file, found.ProblemLine), found.ProblemColumn);
                return false;
            }

            (_text, _label, _separator) = (found.Text, found.Label, found.Separator);
            (_textName, _labelName) = (columns[_text], columns[_label]);
            sink.MultiLabel = _separator is not null;
            return true;
        }

        public void AddRow(TableReader table, int file)
        {
            var place = new Place(file, table.Line);
            var text = table.Value(_text);
            if (text.IsWhiteSpace())
            {
                sink.Bad(ImportProblemCodes.MissingText, "The row has no text. Fill it in, or take the row out.", place, _textName);
                return;
            }

            if (text.Contains(TableReader.ListSeparator))
            {
                sink.Bad(ImportProblemCodes.NestedValue, "The text is a list. Write it as one text.", place, _textName);
                return;
            }

            var labels = table.Value(_label);
            _numbers.Clear();
            if (!TryLabels(labels, place)) return;

            if (_numbers.Count == 0 && !sink.HasTooManyLabels)
            {
                sink.Bad(ImportProblemCodes.MissingLabel, "The row has no label. Fill it in, or take the row out.", place, _labelName);
                return;
            }

            int needed = Encoding.UTF8.GetMaxByteCount(text.Length);
            if (_bytes.Length < needed) _bytes = new byte[needed];
            int length = Encoding.UTF8.GetBytes(text, _bytes);
            sink.TextLengths.Add(text.Length);
            sink.Add(_bytes.AsSpan(0, length), System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_numbers), place);
        }

        public DatasetSchema Finish() => _textName is null ? new DatasetSchema() : new DatasetSchema
        {
            Columns =
            [
                new ColumnSchema { Name = _textName, Type = ColumnTypes.Text, Given = settings.TextColumn is not null },
                new ColumnSchema { Name = _labelName!, Type = ColumnTypes.Category, Format = _separator is null or ListSeparatorText ? null : $"separated by {_separator}", Given = settings.Label is not null },
            ],
            TextColumn = _textName,
            LabelColumn = _labelName,
            MultiLabel = sink.MultiLabel,
        };

        private bool TryLabels(ReadOnlySpan<char> labels, Place place)
        {
            var separator = _separator;
            if (labels.Contains(TableReader.ListSeparator))
            {
                separator = ListSeparatorText;
                sink.MultiLabel = true;
            }

            if (separator is null) return TryLabel(labels.Trim(), place);

            foreach (var range in labels.Split(separator))
            {
                var part = labels[range].Trim();
                if (!part.IsEmpty && !TryLabel(part, place)) return false;
            }

            return true;
        }

        private bool TryLabel(ReadOnlySpan<char> label, Place place)
        {
            if (label.IsEmpty) return true;

            if (label.Length > settings.Limits.LabelCharsMax)
            {
                sink.Bad(ImportProblemCodes.LabelTooLong,
                    $"The label has {label.Length:N0} characters, at most {settings.Limits.LabelCharsMax} are allowed. Check that '{_labelName}' is the label column, or name it with 'label'.", place, _labelName);
                return false;
            }

            int number = sink.NumberOf(label);
            if (number >= 0 && !_numbers.Contains(number)) _numbers.Add(number);
            return true;
        }

        private static int Find(IReadOnlyList<string> columns, string name)
        {
            for (int i = 0; i < columns.Count; i++)
            {
                if (columns[i] == name) return i;
            }

            return -1;
        }
    }
}
