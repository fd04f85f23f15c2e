namespace Atoll.Training.Linear;

/// <summary>A matrix by rows that holds only what is not zero.</summary>
internal sealed class SparseRows
{
    private readonly List<int> _starts = [0];
    private readonly List<int> _columns = [];
    private readonly List<float> _values = [];

    public SparseRows(int columnCount) => ColumnCount = columnCount;

    public int ColumnCount { get; }

    public int RowCount => _starts.Count - 1;

    /// <summary>Adds a value to the row being written; zeros are left out.</summary>
    public void Add(int column, float value)
    {
        if (value == 0) return;
        _columns.Add(column);
        _values.Add(value);
    }

    public void EndRow() => _starts.Add(_columns.Count);

    public ReadOnlySpan<int> Columns(int row) =>
        System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_columns)[_starts[row].._starts[row + 1]];

    public ReadOnlySpan<float> Values(int row) =>
        System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_values)[_starts[row].._starts[row + 1]];
}
