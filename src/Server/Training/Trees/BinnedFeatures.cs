namespace Atoll.Training.Trees;

/// <summary>A table of features as bin numbers, row by row.</summary>
internal sealed class BinnedFeatures
{
    private BinnedFeatures(FeatureBins[] features, byte[] bins, int rowCount)
    {
        Features = features;
        Bins = bins;
        RowCount = rowCount;
        Offsets = new int[features.Length + 1];
        for (var i = 0; i < features.Length; i++) Offsets[i + 1] = Offsets[i] + features[i].Count;
    }

    public FeatureBins[] Features { get; }

    /// <summary>Rows x features.</summary>
    public byte[] Bins { get; }

    public int RowCount { get; }

    /// <summary>Where the bins of a feature begin in a histogram over all features; the last entry is the total.</summary>
    public int[] Offsets { get; }

    public int FeatureCount => Features.Length;

    /// <summary>Fits bins on all rows given.</summary>
    public static BinnedFeatures Fit(IReadOnlyList<float[]> columns, int rowCount, int mostBins = FeatureBins.MostBins)
    {
        // 255 bins of values leave one byte value for missing.
        mostBins = Math.Min(mostBins, FeatureBins.MostBins);
        var features = new FeatureBins[columns.Count];
        var bins = new byte[(long)rowCount * columns.Count];
        var scratch = new float[rowCount];
        for (var f = 0; f < features.Length; f++)
        {
            columns[f].AsSpan(0, rowCount).CopyTo(scratch);
            features[f] = FeatureBins.Fit(scratch, mostBins);
            var column = columns[f];
            for (var row = 0; row < rowCount; row++) bins[((long)row * features.Length) + f] = (byte)features[f].BinOf(column[row]);
        }
        return new BinnedFeatures(features, bins, rowCount);
    }
}
