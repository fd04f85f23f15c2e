using System.Text;
using System.Text.Json;
using Atoll.Contracts;

namespace Atoll.Datasets;

/// <summary>Rows of a JSON lines file: one flat object per line. The columns are all names that occur in it.</summary>
internal sealed class JsonLinesTableReader : TableReader
{
    private readonly FileStream _stream;
    private readonly SampleSink _sink;
    private readonly int _file;
    private readonly bool _listsAllowed;
    private readonly CancellationToken _cancellationToken;
    private readonly Dictionary<string, int> _numbers = new(StringComparer.Ordinal);
    private readonly List<string> _columns = [];
    private readonly StringBuilder _list = new();
    private LineReader _lines;
    private string?[] _row = [];
    private int _cells;
    private string? _code;
    private string? _message;
    private string? _column;

    private JsonLinesTableReader(FileStream stream, SampleSink sink, int file, bool listsAllowed, CancellationToken cancellationToken)
    {
        _stream = stream;
        _sink = sink;
        _file = file;
        _listsAllowed = listsAllowed;
        _cancellationToken = cancellationToken;
        _lines = new LineReader(stream, sink.Settings.Limits.JsonLineBytesMax);
    }

    public override IReadOnlyList<string> Columns => _columns;

    public override long Line => _lines.Line;

    public override double Progress => _stream.Length == 0 ? 1 : (double)_stream.Position / _stream.Length;

    public static JsonLinesTableReader? Open(FileStream stream, SampleSink sink, int file, bool listsAllowed, CancellationToken cancellationToken)
    {
        var table = new JsonLinesTableReader(stream, sink, file, listsAllowed, cancellationToken);
        if (table.FindColumns()) return table;

        table.Dispose();
        return null;
    }

    public override bool Read()
    {
        while (_lines.Read(out var line))
        {
            if ((_cells += _columns.Count) >= CellsBetweenReports)
            {
                _cells = 0;
                _cancellationToken.ThrowIfCancellationRequested();
                _sink.Report((_file + Progress) / _sink.Files.Count);
            }

            if (line.TrimStart(" \t"u8).IsEmpty && !_lines.IsTooLong) continue;

            Array.Clear(_row);
            if (!_lines.IsTooLong && TryRow(line, fill: true)) return true;

            if (_lines.IsTooLong) Refuse(ImportProblemCodes.RowTooLong, $"The line has more than {_sink.Settings.Limits.JsonLineBytesMax:N0} bytes. Shorten it.");
            _sink.Bad(_code!, _message!, new Place(_file, _lines.Line), _column);
        }

        return false;
    }

    public override ReadOnlySpan<char> Value(int column) => _row[column];

    public override void Dispose() => _stream.Dispose();

    private bool FindColumns()
    {
        while (_lines.Read(out var line))
        {
            if ((_lines.Line & 0xFFF) == 0) _cancellationToken.ThrowIfCancellationRequested();
            if (!_lines.IsTooLong) TryRow(line, fill: false);
            if (_columns.Count <= _sink.Settings.Limits.Csv.FieldsMax) continue;

            _sink.Fatal(ImportProblemCodes.TooManyColumns, $"The lines have more than {_sink.Settings.Limits.Csv.FieldsMax:N0} different names. Upload fewer columns.", new Place(_file, _lines.Line));
            return false;
        }

        if (_columns.Count == 0)
        {
            _sink.Fatal(ImportProblemCodes.InvalidJson, "No line of the file is a JSON object with values. Write one object per line.", new Place(_file, 1));
            return false;
        }

        _stream.Position = 0;
        _lines = new LineReader(_stream, _sink.Settings.Limits.JsonLineBytesMax);
        _row = new string?[_columns.Count];
        return true;
    }

    /// <summary>Reads one line; false with the reason in the fields.</summary>
    private bool TryRow(ReadOnlySpan<byte> line, bool fill)
    {
        try
        {
            var json = new Utf8JsonReader(line);
            if (!json.Read()) return Refuse(ImportProblemCodes.InvalidJson, "The line holds nothing.");
            if (json.TokenType != JsonTokenType.StartObject) return Refuse(ImportProblemCodes.LineNotObject, "The line is not a JSON object. Write one object with names and values per line.");

            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                var name = json.GetString()!;
                json.Read();
                if (!_numbers.TryGetValue(name, out int column))
                {
                    if (name.Length == 0) return Refuse(ImportProblemCodes.HeaderEmptyName, "A value of the line has an empty name. Name it.");

                    _numbers[name] = column = _columns.Count;
                    _columns.Add(name);
                }

                if (!TryValue(ref json, out var value))
                {
                    _column = name;
                    return false;
                }

                if (fill) _row[column] = value;
            }

            // Anything behind the object makes the reader throw.
            json.Read();
            return true;
        }
        catch (JsonException exception)
        {
            return Refuse(ImportProblemCodes.InvalidJson, $"The line is not valid JSON (byte {exception.BytePositionInLine}). Write one object per line and escape quotes inside of texts.");
        }
        catch (InvalidOperationException)
        {
            // The reader says so for text that is not UTF-8 or escapes half a character.
            return Refuse(ImportProblemCodes.UnreadableCharacters, "The line holds text that is not valid UTF-8. Save the file as UTF-8.");
        }
    }

    private bool TryValue(ref Utf8JsonReader json, out string? value)
    {
        value = null;
        switch (json.TokenType)
        {
            case JsonTokenType.String:
                value = json.GetString()!.Trim();
                return true;
            case JsonTokenType.Number:
                value = Encoding.ASCII.GetString(json.ValueSpan);
                return true;
            case JsonTokenType.True or JsonTokenType.False:
                value = json.TokenType == JsonTokenType.True ? "true" : "false";
                return true;
            case JsonTokenType.Null:
                return true;
            case JsonTokenType.StartArray when _listsAllowed:
                return TryList(ref json, out value);
            default:
                return Refuse(ImportProblemCodes.NestedValue, "The value is an object or a list; a table has one value per cell. Flatten it.");
        }
    }

    private bool TryList(ref Utf8JsonReader json, out string? value)
    {
        _list.Clear();
        while (json.Read() && json.TokenType != JsonTokenType.EndArray)
        {
            if (json.TokenType != JsonTokenType.String)
            {
                value = null;
                if (json.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray)
                    return Refuse(ImportProblemCodes.EntityTags, "The list holds objects or lists, as where names in a text are marked. Make a dataset of the type 'entities' of the file, or write labels as texts, for the text as a whole.");
                return Refuse(ImportProblemCodes.NestedValue, "The list holds something that is not a text. Write labels as texts.");
            }

            _list.Append(json.GetString()!.Trim()).Append(ListSeparator);
        }

        value = _list.ToString();
        return true;
    }

    private bool Refuse(string code, string message)
    {
        (_code, _message, _column) = (code, message, null);
        return false;
    }
}

/// <summary>Lines of a UTF-8 file as bytes, in memory that is bounded.</summary>
internal sealed class LineReader(Stream stream, int bytesMax)
{
    private byte[] _buffer = new byte[64 * 1024];
    private int _start;
    private int _length;
    private bool _ended;

    /// <summary>Number of the current line, the first is 1.</summary>
    public long Line { get; private set; }

    /// <summary>The current line is longer than allowed and was skipped.</summary>
    public bool IsTooLong { get; private set; }

    /// <summary>The next line without its end; valid until the next read.</summary>
    public bool Read(out ReadOnlySpan<byte> line)
    {
        line = default;
        IsTooLong = false;
        int searched = 0;
        while (true)
        {
            int end = _buffer.AsSpan(_start + searched, _length - searched).IndexOf((byte)'\n');
            if (end >= 0 || (_ended && _length > 0))
            {
                int length = end >= 0 ? searched + end : _length;
                line = _buffer.AsSpan(_start, length).TrimEnd((byte)'\r');
                int taken = end >= 0 ? length + 1 : length;
                _start += taken;
                _length -= taken;
                if (Line++ == 0 && line.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF])) line = line[3..];
                if (line.Length > bytesMax) IsTooLong = true;
                if (IsTooLong) line = default;
                return true;
            }

            if (_ended)
            {
                // What is left of a last line that was too long.
                if (!IsTooLong) return false;

                Line++;
                return true;
            }

            searched = _length;
            if (_length >= bytesMax)
            {
                IsTooLong = true;
                _length = 0;
                searched = 0;
            }

            Fill();
        }
    }

    private void Fill()
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _length).CopyTo(_buffer);
            _start = 0;
        }

        if (_length == _buffer.Length) Array.Resize(ref _buffer, _buffer.Length * 2);

        int read = stream.Read(_buffer, _length, _buffer.Length - _length);
        _length += read;
        if (read == 0) _ended = true;
    }
}
