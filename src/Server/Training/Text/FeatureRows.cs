namespace Atoll.Training.Text;

/// <summary>The features that each text contains, ascending and each once.</summary>
/// <param name="Starts">Where each row begins in <paramref name="Features"/>; one entry more than there are rows.</param>
/// <param name="Features">Positions of the features, row after row.</param>
/// <param name="FeatureCount">Number of features.</param>
/// <param name="FirstPair">Features from here on are pairs of words, those before are words.</param>
/// <param name="FirstRun">Features from here on are runs of characters.</param>
internal sealed record FeatureRows(int[] Starts, int[] Features, int FeatureCount, int FirstPair, int FirstRun)
{
    public int Count => Starts.Length - 1;

    public ReadOnlySpan<int> FeaturesOf(int row) => Features.AsSpan(Starts[row]..Starts[row + 1]);

    /// <summary>Some of the rows, in the order given.</summary>
    public FeatureRows Select(ReadOnlySpan<int> rows)
    {
        var starts = new int[rows.Length + 1];
        for (var i = 0; i < rows.Length; i++) starts[i + 1] = starts[i] + Starts[rows[i] + 1] - Starts[rows[i]];
        var features = new int[starts[^1]];
        for (var i = 0; i < rows.Length; i++) FeaturesOf(rows[i]).CopyTo(features.AsSpan(starts[i]));
        return this with { Starts = starts, Features = features };
    }

    /// <summary>The rows as numbers: each feature's weight, divided by the length of the row's weights of the same block.</summary>
    public SparseRows Weigh(ReadOnlySpan<float> weights)
    {
        var values = new float[Features.Length];
        for (var row = 0; row < Count; row++)
        {
            var features = FeaturesOf(row);
            var (pairs, runs) = (Before(features, FirstPair), Before(features, FirstRun));
            var target = values.AsSpan(Starts[row]..Starts[row + 1]);
            WeighBlock(features[..pairs], weights, target[..pairs], 1);
            WeighBlock(features[pairs..runs], weights, target[pairs..runs], PairScale);
            WeighBlock(features[runs..], weights, target[runs..], 1);
        }
        return new SparseRows(Starts, Features, values, FeatureCount);
    }

    private static int Before(ReadOnlySpan<int> features, int first)
    {
        var position = features.BinarySearch(first);
        return position < 0 ? ~position : position;
    }

    private static void WeighBlock(ReadOnlySpan<int> features, ReadOnlySpan<float> weights, Span<float> values, float length)
    {
        var squares = 0f;
        foreach (var feature in features) squares += weights[feature] * weights[feature];
        var scale = length / MathF.Sqrt(Math.Max(squares, SmallestSquare));
        for (var i = 0; i < features.Length; i++) values[i] = weights[features[i]] * scale;
    }

    /// <summary>Length of the block of pairs; words and runs have 1. Pairs are many and each is rare.</summary>
    public const float PairScale = 0.7f;

    /// <summary>What stands in for the squared length of a block without features.</summary>
    public const float SmallestSquare = 1e-12f;
}
