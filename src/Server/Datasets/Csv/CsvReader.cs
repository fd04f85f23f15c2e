using System.Buffers;
using System.Text;

namespace Atoll.Datasets;

/// <summary>Reads rows of a csv file one after the other, in memory that does not grow with the file.</summary>
/// <remarks>
/// A faulty row is read to its end and given with its fault, so that the rows after it are still found. A quote opens only at the
/// start of a value; elsewhere it is a character like any other. Lines that are blank are skipped.
/// </remarks>
internal sealed class CsvReader : IDisposable
{
    private const int BufferChars = 32 * 1024;

    private readonly StreamReader _reader;
    private readonly CsvLimits _limits;
    private readonly char _delimiter;
    private readonly char _quote;
    private readonly bool _backslash;
    private readonly SearchValues<char> _stops;
    private readonly SearchValues<char> _quotedStops;
    private readonly char[] _buffer = new char[BufferChars];

    private int _position;
    private int _length;
    private long _line = 1;

    private char[] _row = new char[1024];
    private int _rowLength;
    private int[] _ends = new int[32];
    private bool[] _quoted = new bool[32];

    public CsvReader(Stream stream, CsvDialect dialect, CsvLimits? limits = null)
    {
        _reader = new StreamReader(stream, dialect.Encoding, detectEncodingFromByteOrderMarks: true, bufferSize: 64 * 1024);
        _limits = limits ?? CsvLimits.Default;
        _delimiter = dialect.Delimiter;
        _quote = dialect.Quote;
        _backslash = dialect.BackslashEscapes;
        _stops = SearchValues.Create([_delimiter, _quote, '\r', '\n', '\0']);
        _quotedStops = _backslash ? SearchValues.Create([_quote, '\r', '\n', '\0', '\\']) : SearchValues.Create([_quote, '\r', '\n', '\0']);
        if (dialect.HasSeparatorLine) SkipLine();
    }

    /// <summary>Line on which the row begins.</summary>
    public long Line { get; private set; }

    public int FieldCount { get; private set; }

    public CsvFault Fault { get; private set; }

    /// <summary>Line on which the fault was found; for an unterminated quote, the line on which it opens.</summary>
    public long FaultLine { get; private set; }

    /// <summary>Position of the value with the fault.</summary>
    public int FaultField { get; private set; }

    /// <summary>The row holds bytes that are not valid in the file's encoding; they were replaced.</summary>
    public bool HasUnreadableCharacters => _row.AsSpan(0, _rowLength).Contains('\uFFFD');

    /// <summary>A value of the row, spaces around it left out unless they were quoted. Valid until the next read.</summary>
    public ReadOnlySpan<char> this[int field]
    {
        get
        {
            int start = field == 0 ? 0 : _ends[field - 1];
            var value = _row.AsSpan(start, _ends[field] - start);
            return _quoted[field] ? value : value.Trim();
        }
    }

    /// <summary>The value stood in quotes.</summary>
    public bool WasQuoted(int field) => _quoted[field];

    /// <summary>Reads the next row; false at the end of the file.</summary>
    public bool Read()
    {
        do
        {
            if (!SkipBlankLines()) return false;

            _rowLength = 0;
            FieldCount = 0;
            Fault = CsvFault.None;
            Line = _line;
            while (ReadField())
            {
            }
        }
        while (FieldCount == 1 && !_quoted[0] && Fault == CsvFault.None && this[0].IsEmpty);

        return true;
    }

    public void Dispose() => _reader.Dispose();

    private bool SkipBlankLines()
    {
        while (HasMore())
        {
            if (_buffer[_position] is not ('\r' or '\n')) return true;

            TakeNewline();
        }

        return false;
    }

    private void SkipLine()
    {
        while (HasMore())
        {
            if (_buffer[_position] is '\r' or '\n')
            {
                TakeNewline();
                return;
            }

            _position++;
        }
    }

    /// <summary>Reads one value; true when another follows in the same row.</summary>
    private bool ReadField()
    {
        int start = _rowLength;
        bool quoted = false;
        while (HasMore())
        {
            var rest = _buffer.AsSpan(_position, _length - _position);
            int stop = rest.IndexOfAny(_stops);
            var run = stop < 0 ? rest : rest[..stop];
            if (!quoted) Append(run, start);
            else if (!run.IsWhiteSpace()) SetFault(CsvFault.TextAfterQuote, _line);

            _position += run.Length;
            if (stop < 0) continue;

            char found = rest[stop];
            if (found == _delimiter)
            {
                _position++;
                EndField(quoted);
                return true;
            }

            if (found is '\r' or '\n')
            {
                EndField(quoted);
                TakeNewline();
                return false;
            }

            _position++;
            if (found == '\0')
            {
                SetFault(CsvFault.NulCharacter, _line);
            }
            else if (quoted)
            {
                SetFault(CsvFault.TextAfterQuote, _line);
            }
            else if (_row.AsSpan(start, _rowLength - start).IsWhiteSpace())
            {
                _rowLength = start;
                quoted = true;
                ReadQuoted(start);
            }
            else
            {
                Append([found], start);
            }
        }

        EndField(quoted);
        return false;
    }

    private void ReadQuoted(int start)
    {
        long opened = _line;
        while (HasMore())
        {
            var rest = _buffer.AsSpan(_position, _length - _position);
            int stop = rest.IndexOfAny(_quotedStops);
            var run = stop < 0 ? rest : rest[..stop];
            Append(run, start);
            _position += run.Length;
            if (stop < 0) continue;

            char found = rest[stop];
            _position++;
            if (found == _quote)
            {
                if (!HasMore() || _buffer[_position] != _quote) return;

                _position++;
                Append([_quote], start);
            }
            else if (found == '\\')
            {
                // Only a quote or another backslash is escaped; C:\temp stays what it is.
                if (HasMore() && (_buffer[_position] == _quote || _buffer[_position] == '\\')) Append([_buffer[_position++]], start);
                else Append(['\\'], start);
            }
            else if (found == '\0')
            {
                SetFault(CsvFault.NulCharacter, _line);
            }
            else
            {
                Append([found], start);
                if (found == '\n' || !HasMore() || _buffer[_position] != '\n') _line++;
            }
        }

        Fault = CsvFault.UnterminatedQuote;
        FaultLine = opened;
        FaultField = FieldCount;
    }

    private void Append(ReadOnlySpan<char> run, int start)
    {
        if (run.IsEmpty) return;

        if (_rowLength - start + run.Length > _limits.FieldCharsMax)
        {
            SetFault(CsvFault.FieldTooLong, Line);
            return;
        }

        if (_rowLength + run.Length > _limits.RowCharsMax)
        {
            SetFault(CsvFault.RowTooLong, Line);
            return;
        }

        if (_rowLength + run.Length > _row.Length) Array.Resize(ref _row, Math.Max(_row.Length * 2, _rowLength + run.Length));

        run.CopyTo(_row.AsSpan(_rowLength));
        _rowLength += run.Length;
    }

    private void EndField(bool quoted)
    {
        if (FieldCount == _limits.FieldsMax)
        {
            SetFault(CsvFault.TooManyFields, Line);
            return;
        }

        if (FieldCount == _ends.Length)
        {
            Array.Resize(ref _ends, _ends.Length * 2);
            Array.Resize(ref _quoted, _quoted.Length * 2);
        }

        _ends[FieldCount] = _rowLength;
        _quoted[FieldCount] = quoted;
        FieldCount++;
    }

    private void SetFault(CsvFault fault, long line)
    {
        if (Fault != CsvFault.None) return;

        Fault = fault;
        FaultLine = line;
        FaultField = FieldCount;
    }

    private void TakeNewline()
    {
        bool carriage = _buffer[_position++] == '\r';
        if (carriage && HasMore() && _buffer[_position] == '\n') _position++;
        _line++;
    }

    private bool HasMore()
    {
        if (_position < _length) return true;

        _position = 0;
        _length = _reader.Read(_buffer, 0, _buffer.Length);
        return _length > 0;
    }
}
