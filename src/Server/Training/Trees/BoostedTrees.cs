namespace Atoll.Training.Trees;

/// <summary>Trees whose values add up to raw scores: the value itself, log odds, or one score a label before softmax.</summary>
internal sealed class BoostedTrees
{
    /// <summary>Scores before the first tree, one an output.</summary>
    public required double[] Base { get; init; }

    /// <summary>Trees by iteration, and within an iteration by output.</summary>
    public required IReadOnlyList<Tree> Trees { get; init; }

    public int Outputs => Base.Length;

    public int Iterations => Trees.Count / Outputs;

    public BoostedTrees Take(int iterations) =>
        new() { Base = Base, Trees = [.. Trees.Take(iterations * Outputs)] };

    /// <summary>Adds up the trees for one row of feature values.</summary>
    public void Predict(ReadOnlySpan<float> values, Span<double> scores)
    {
        Base.CopyTo(scores);
        for (var i = 0; i < Trees.Count; i++) scores[i % Outputs] += Trees[i].Predict(values);
    }

    /// <summary>Adds up the trees of the first iterations for one row of bins.</summary>
    public void Predict(BinnedFeatures data, int row, int iterations, Span<double> scores)
    {
        Base.CopyTo(scores);
        var bins = data.Bins.AsSpan(row * data.FeatureCount, data.FeatureCount);
        for (var i = 0; i < iterations * Outputs; i++)
        {
            var tree = Trees[i];
            scores[i % Outputs] += tree.Values[tree.LeafOf(bins, data.Features)];
        }
    }

    /// <summary>One set of trees that predicts the mean of several.</summary>
    public static BoostedTrees Average(IReadOnlyList<BoostedTrees> members)
    {
        if (members.Count == 1) return members[0];
        var share = 1f / members.Count;
        var outputs = members[0].Outputs;
        var mean = new double[outputs];
        var trees = new List<Tree>();
        foreach (var member in members)
        {
            for (var i = 0; i < outputs; i++) mean[i] += member.Base[i] / members.Count;
            foreach (var tree in member.Trees)
            {
                trees.Add(new Tree
                {
                    Feature = tree.Feature,
                    Bin = tree.Bin,
                    Threshold = tree.Threshold,
                    MissingGoesLeft = tree.MissingGoesLeft,
                    Left = tree.Left,
                    Right = tree.Right,
                    Gain = tree.Gain,
                    Values = Array.ConvertAll(tree.Values, value => value * share),
                });
            }
        }
        return new BoostedTrees { Base = mean, Trees = trees };
    }
}
