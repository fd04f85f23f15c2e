using System.Buffers;
using System.Text;

namespace Atoll.Datasets;

/// <summary>One row of a table as it is stored: UTF-8, commas, values quoted where needed, empty for missing, no line end.</summary>
internal static class CsvLine
{
    private static readonly SearchValues<char> NeedQuotes = SearchValues.Create(",\"\r\n");

    public static void Append(StringBuilder line, ReadOnlySpan<char> value, bool first)
    {
        if (!first) line.Append(',');

        // Spaces at the ends are part of the value here.
        bool quoted = value.ContainsAny(NeedQuotes) || (value.Length > 0 && (value[0] == ' ' || value[^1] == ' '));
        if (!quoted)
        {
            line.Append(value);
            return;
        }

        line.Append('"');
        foreach (char c in value)
        {
            if (c == '"') line.Append('"');
            line.Append(c);
        }

        line.Append('"');
    }

    /// <summary>Goes through the values of a stored row.</summary>
    public static Values Read(ReadOnlySpan<char> line, Span<char> scratch) => new(line, scratch);

    /// <summary>The values of a stored row, one after the other.</summary>
    public ref struct Values(ReadOnlySpan<char> line, Span<char> scratch)
    {
        private ReadOnlySpan<char> _rest = line;
        private readonly Span<char> _scratch = scratch;
        private bool _ended;

        /// <summary>Valid until the next step.</summary>
        public ReadOnlySpan<char> Current { get; private set; }

        public bool MoveNext()
        {
            if (_ended) return false;

            if (_rest.Length > 0 && _rest[0] == '"') ReadQuoted();
            else ReadPlain();
            return true;
        }

        private void ReadPlain()
        {
            int comma = _rest.IndexOf(',');
            Current = comma < 0 ? _rest : _rest[..comma];
            Skip(comma);
        }

        private void ReadQuoted()
        {
            int length = 0, at = 1;
            while (at < _rest.Length)
            {
                if (_rest[at] == '"')
                {
                    if (at + 1 == _rest.Length || _rest[at + 1] != '"') break;

                    at++;
                }

                _scratch[length++] = _rest[at++];
            }

            Current = _scratch[..length];
            Skip(at + 1 < _rest.Length ? at + 1 : -1);
        }

        private void Skip(int comma)
        {
            _ended = comma < 0;
            if (!_ended) _rest = _rest[(comma + 1)..];
        }
    }
}
