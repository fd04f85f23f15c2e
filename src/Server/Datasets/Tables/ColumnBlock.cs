namespace Atoll.Datasets;

/// <summary>Rows that wait for their columns to be profiled: column after column, and columns beside each other on all cores.</summary>
/// <remarks>
/// Row after row, a table of thousands of columns would bring every profile into the processor's cache for a single value. The values of
/// a column still arrive in the order of the rows, so that nothing depends on the number of cores.
/// </remarks>
internal sealed class ColumnBlock(ColumnProfiler[] profiles)
{
    private const int CharsMax = 1 << 20;
    private const int CellsMax = 1 << 17;

    private const int CellsAlone = 1 << 10;

    /// <summary>Columns that one core takes at a time.</summary>
    private int Stride => profiles.Length < 64 ? 1 : 16;

    private readonly int _rowsMax = Math.Max(1, CellsMax / profiles.Length);
    private readonly List<long> _lines = [];
    private char[] _chars = new char[1 << 14];
    private int[] _ends = new int[1 << 10];
    private int _cells;
    private int _length;

    /// <summary>Takes the next value of the row; empty when it is missing.</summary>
    public void Add(ReadOnlySpan<char> value)
    {
        if (_length + value.Length > _chars.Length) Array.Resize(ref _chars, Math.Max(_chars.Length * 2, _length + value.Length));
        if (_cells == _ends.Length) Array.Resize(ref _ends, _ends.Length * 2);

        value.CopyTo(_chars.AsSpan(_length));
        _length += value.Length;
        _ends[_cells++] = _length;
    }

    /// <summary>The row is complete.</summary>
    public void EndRow(long line, CancellationToken cancellationToken)
    {
        _lines.Add(line);
        if (_lines.Count >= _rowsMax || _length >= CharsMax) Profile(cancellationToken);
    }

    /// <summary>Hands everything to the profiles.</summary>
    public void Profile(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();

        // A small table is done before another core has heard of it.
        if (_cells < CellsAlone) ProfileColumns(0, profiles.Length);
        else Parallel.For(0, (profiles.Length + Stride - 1) / Stride, stride => ProfileColumns(stride * Stride, Math.Min(profiles.Length, (stride + 1) * Stride)));

        _lines.Clear();
        _cells = 0;
        _length = 0;
    }

    private void ProfileColumns(int first, int end)
    {
        for (int column = first; column < end; column++)
        {
            var profile = profiles[column];
            for (int row = 0, cell = column; row < _lines.Count; row++, cell += profiles.Length)
            {
                int start = cell == 0 ? 0 : _ends[cell - 1];
                if (_ends[cell] == start) profile.AddMissing();
                else profile.Add(_chars.AsSpan(start, _ends[cell] - start), _lines[row]);
            }
        }
    }
}
