using System.Buffers;
using System.Text;

namespace Atoll.Datasets;

/// <summary>Tells cells that stand for no value, in imports and in requests for predictions alike.</summary>
internal sealed class MissingMarkers
{
    private const int CharsMax = 20;
    private const int Utf8BytesPerCharMax = 3;

    private readonly HashSet<string>.AlternateLookup<ReadOnlySpan<char>> _markers;
    private readonly SearchValues<char> _begins;
    private readonly int _lengthMax;

    /// <param name="markers">Null for the default.</param>
    public MissingMarkers(IReadOnlyList<string>? markers)
    {
        // Cells are compared while they are read: what is longer than the longest marker is not looked up.
        var set = new HashSet<string>((markers ?? CellValues.MissingMarkersDefault).Where(marker => marker is { Length: <= CharsMax }), StringComparer.OrdinalIgnoreCase);
        _markers = set.GetAlternateLookup<ReadOnlySpan<char>>();
        _lengthMax = set.Count == 0 ? 0 : set.Max(marker => marker.Length);
        _begins = SearchValues.Create([.. set.Where(marker => marker.Length > 0).SelectMany(marker => (char[])[char.ToLowerInvariant(marker[0]), char.ToUpperInvariant(marker[0])]).Distinct()]);
        HasNumbers = set.Any(marker => CellValues.TryNumber(marker, decimalComma: false, out _));
    }

    /// <summary>One of them is a number, such as -999.</summary>
    public bool HasNumbers { get; }

    /// <summary>The cell is empty or a marker.</summary>
    public bool Contains(ReadOnlySpan<char> text) =>
        text.IsEmpty || (text.Length <= _lengthMax && MayBegin(text[0]) && _markers.Contains(text));

    /// <summary>The cell is empty or a marker.</summary>
    public bool Contains(ReadOnlySpan<byte> utf8)
    {
        if (utf8.IsEmpty) return true;
        if (utf8.Length > _lengthMax * Utf8BytesPerCharMax) return false;
        Span<char> text = stackalloc char[CharsMax * Utf8BytesPerCharMax];
        return Contains(text[..Encoding.UTF8.GetChars(utf8, text)]);
    }

    // Most short values are numbers, which no marker begins like: that is told faster than a look-up without regard to case.
    private bool MayBegin(char first) => !char.IsAscii(first) || _begins.Contains(first);
}
