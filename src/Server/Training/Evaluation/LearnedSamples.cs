using Atoll.Contracts;
using Atoll.Datasets;

namespace Atoll.Training.Evaluation;

/// <summary>Remembers what was learned, to count the held-out samples that are the same: their prediction may be memory and not knowledge.</summary>
internal sealed class LearnedSamples
{
    private readonly HashSet<ulong> _hashes = [];

    /// <summary>Rows by the columns that the model reads, and the target.</summary>
    public static LearnedSamples Of(TabularExamples learned, ModelSignature signature)
    {
        var samples = new LearnedSamples();
        var columns = ColumnsOf(learned, signature);
        for (var row = 0; row < learned.RowCount; row++) samples._hashes.Add(HashOf(columns, row));
        return samples;
    }

    public int CountIn(TabularExamples heldOut, ModelSignature signature)
    {
        var columns = ColumnsOf(heldOut, signature);
        return Enumerable.Range(0, heldOut.RowCount).Count(row => _hashes.Contains(HashOf(columns, row)));
    }

    /// <summary>Texts, whatever their labels.</summary>
    public static LearnedSamples Of(TextExamples learned)
    {
        var samples = new LearnedSamples();
        foreach (var text in learned.Texts) samples._hashes.Add(StableHash.Of(text));
        return samples;
    }

    public int CountIn(TextExamples heldOut) => heldOut.Texts.Count(text => _hashes.Contains(StableHash.Of(text)));

    private static ColumnValues[] ColumnsOf(TabularExamples examples, ModelSignature signature)
    {
        var columns = examples.Columns.ToDictionary(column => column.Name, StringComparer.Ordinal);
        return [.. signature.Inputs.Select(input => columns[input.Name]), columns[examples.Target]];
    }

    // The hash of one column is the seed of the next, so that values in other columns are other values.
    private static ulong HashOf(ColumnValues[] columns, int row)
    {
        ulong hash = 0;
        foreach (var column in columns)
        {
            hash = column.Texts is { } texts
                ? StableHash.Of(texts[row] ?? "", hash)
                : StableHash.Of(BitConverter.GetBytes(column.Numbers![row]), hash);
        }
        return hash;
    }
}
