namespace Atoll.Training.Trees;

/// <summary>A regression tree. Node 0 is the root; a negative child is a leaf, the complement of its position in <see cref="Values"/>.</summary>
internal sealed class Tree
{
    public required int[] Feature { get; init; }

    /// <summary>Bins up to this one go left.</summary>
    public required byte[] Bin { get; init; }

    /// <summary>The same limit as a value: what is at most this goes left.</summary>
    public required float[] Threshold { get; init; }

    public required bool[] MissingGoesLeft { get; init; }

    public required int[] Left { get; init; }

    public required int[] Right { get; init; }

    /// <summary>What each split gained.</summary>
    public required float[] Gain { get; init; }

    /// <summary>Leaf values, learning rate included.</summary>
    public required float[] Values { get; init; }

    public int LeafOf(ReadOnlySpan<byte> bins, FeatureBins[] features)
    {
        if (Feature.Length == 0) return 0;
        var node = 0;
        do
        {
            var feature = Feature[node];
            var bin = bins[feature];
            var left = bin == features[feature].MissingBin ? MissingGoesLeft[node] : bin <= Bin[node];
            node = left ? Left[node] : Right[node];
        }
        while (node >= 0);
        return ~node;
    }

    public float Predict(ReadOnlySpan<float> values)
    {
        if (Feature.Length == 0) return Values[0];
        var node = 0;
        do
        {
            var value = values[Feature[node]];
            var left = float.IsNaN(value) ? MissingGoesLeft[node] : value <= Threshold[node];
            node = left ? Left[node] : Right[node];
        }
        while (node >= 0);
        return Values[~node];
    }
}
