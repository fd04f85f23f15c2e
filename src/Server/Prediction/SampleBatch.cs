using System.Buffers;

namespace Atoll.Prediction;

/// <summary>The samples of one request as they were sent: numbers, and texts or files as bytes, in memory that is used again and again.</summary>
internal sealed class SampleBatch
{
    private const int CellsFirst = 256;
    private const int BytesFirst = 4096;

    private int _columns = 1;
    private Cell[] _cells = ArrayPool<Cell>.Shared.Rent(CellsFirst);
    private byte[] _bytes = ArrayPool<byte>.Shared.Rent(BytesFirst);
    private int _used;

    public int Count { get; private set; }

    /// <summary>How a sample is called in messages: <c>rows</c>, so that the fourth is <c>rows[3]</c>.</summary>
    public string ListName { get; private set; } = "";

    /// <summary>Columns that were sent although they are not read because they give the target away, with the first sample that has them.</summary>
    public List<(string Column, int Sample)> Leaks { get; } = [];

    /// <summary>Empties the batch for samples of so many values each.</summary>
    public void Begin(int columns, string listName)
    {
        _columns = columns;
        _used = 0;
        Count = 0;
        ListName = listName;
        Leaks.Clear();
    }

    /// <summary>Adds a sample; all its values are missing until they are set.</summary>
    public void Add()
    {
        var start = Count * _columns;
        if (start + _columns > _cells.Length) Grow(ref _cells, start, start + _columns);
        _cells.AsSpan(start, _columns).Fill(Cell.Untouched);
        Count++;
    }

    public string PathOf(int sample) => $"{ListName}[{sample}]";

    /// <summary>The value of the newest sample was set before, to missing or anything else.</summary>
    public bool IsSet(int column) => Newest(column).Start >= 0;

    public void SetMissing(int column) => Newest(column).Start = 0;

    public void SetNumber(int column, float number)
    {
        ref var cell = ref Newest(column);
        cell.Start = 0;
        cell.Number = number;
    }

    public void SetText(int column, ReadOnlySpan<byte> utf8)
    {
        utf8.CopyTo(Reserve(utf8.Length).Span);
        SetBytes(column, utf8.Length);
    }

    /// <summary>Room for so many bytes; <see cref="SetBytes"/> then makes the first of them the value of a column.</summary>
    public Memory<byte> Reserve(int length)
    {
        // All of it is copied: a file that is being read lies behind what is used already.
        if (_bytes.Length - _used < length) Grow(ref _bytes, _bytes.Length, checked(_used + length));
        return _bytes.AsMemory(_used, length);
    }

    public void SetBytes(int column, int length)
    {
        ref var cell = ref Newest(column);
        cell.Start = _used;
        cell.Length = length;
        _used += length;
    }

    /// <summary>Adds a sample with the values of another one.</summary>
    public void AddCopy(int sample)
    {
        Add();
        _cells.AsSpan(sample * _columns, _columns).CopyTo(_cells.AsSpan((Count - 1) * _columns));
    }

    /// <summary>Gives the newest sample the value that another one has in a column.</summary>
    public void CopyValue(int sample, int column) => Newest(column) = _cells[sample * _columns + column];

    /// <summary>Whether two samples have the same value in a column.</summary>
    public bool HaveSame(int sample, int other, int column)
    {
        var (one, two) = (_cells[sample * _columns + column], _cells[other * _columns + column]);
        return IsMissing(sample, column) ? IsMissing(other, column) : one.Number.Equals(two.Number) && Bytes(sample, column).SequenceEqual(Bytes(other, column));
    }

    /// <summary>Forgets all samples after the first so many.</summary>
    public void CutTo(int count) => Count = Math.Min(Count, count);

    /// <summary>Remembers that the newest sample has a column that gives the target away.</summary>
    public void AddLeak(ReadOnlySpan<char> column)
    {
        foreach (var (name, _) in Leaks)
        {
            if (column.SequenceEqual(name)) return;
        }
        Leaks.Add((column.ToString(), Math.Max(0, Count - 1)));
    }

    /// <summary>Whether a sample has no value in a column.</summary>
    public bool IsMissing(int sample, int column)
    {
        ref var cell = ref _cells[sample * _columns + column];
        return cell.Length == 0 && float.IsNaN(cell.Number);
    }

    public float Number(int sample, int column) => _cells[sample * _columns + column].Number;

    /// <summary>The bytes of a text or file; empty when it is missing.</summary>
    public ReadOnlySpan<byte> Bytes(int sample, int column)
    {
        ref var cell = ref _cells[sample * _columns + column];
        return cell.Length == 0 ? [] : _bytes.AsSpan(cell.Start, cell.Length);
    }

    /// <summary>Gives large memory back, so that one large request does not weigh on all later ones.</summary>
    public void Trim()
    {
        const int keptBytesMax = 256 * 1024;
        if (_bytes.Length > keptBytesMax)
        {
            ArrayPool<byte>.Shared.Return(_bytes);
            _bytes = ArrayPool<byte>.Shared.Rent(BytesFirst);
        }
        if (_cells.Length > keptBytesMax / 12)
        {
            ArrayPool<Cell>.Shared.Return(_cells);
            _cells = ArrayPool<Cell>.Shared.Rent(CellsFirst);
        }
        Count = 0;
    }

    private ref Cell Newest(int column) => ref _cells[(Count - 1) * _columns + column];

    private static void Grow<T>(ref T[] array, int used, int needed)
    {
        var larger = ArrayPool<T>.Shared.Rent(Math.Max(needed, (int)Math.Min(array.Length * 2L, Array.MaxLength)));
        array.AsSpan(0, used).CopyTo(larger);
        ArrayPool<T>.Shared.Return(array);
        array = larger;
    }

    /// <summary>One value: a number, or where its bytes are.</summary>
    private struct Cell
    {
        public static readonly Cell Untouched = new() { Start = -1, Number = float.NaN };

        public int Start;
        public int Length;
        public float Number;
    }
}
