using System.Globalization;
using System.Text;
using Atoll.Contracts;

namespace Atoll.ModelImports;

/// <summary>Reads the text in which LightGBM saves a model.</summary>
/// <remarks>Source: lightgbm-org/LightGBM: src/boosting/gbdt_model_text.cpp, src/io/tree.cpp, include/LightGBM/tree.h (decisions).</remarks>
internal static class LightGbmFile
{
    private const int CategoricalBit = 1;
    private const int DefaultLeftBit = 2;
    private const string DefaultName = "Column_";

    // Numbers up to this one are zero for LightGBM.
    private const float ZeroMax = 1e-35f;

    /// <summary>What a node does with NaN.</summary>
    private enum Missing
    {
        /// <summary>NaN is zero.</summary>
        None,

        /// <summary>Zero and NaN are missing.</summary>
        Zero,

        NaN,
    }

    /// <summary>Null when it is no file of LightGBM.</summary>
    /// <exception cref="ModelRefusedException">It is one that cannot be used.</exception>
    public static ModelFile? Read(byte[] source, IReadOnlyList<string>? labels)
    {
        if (!source.AsSpan().StartsWith("tree\n"u8) && !source.AsSpan().StartsWith("tree\r\n"u8)) return null;
        using var lines = new StringReader(Encoding.UTF8.GetString(source));
        _ = lines.ReadLine();
        var (head, next) = ReadBlock(lines, isHead: true);

        var perRound = head.Whole("num_tree_per_iteration");
        var model = new TreeModel(head.Whole("max_feature_idx") + 1, perRound);
        if (head.Find("feature_names")?.Split(' ') is { } names && !names[0].StartsWith(DefaultName, StringComparison.Ordinal)) model.Names = names;
        var objective = head.Find("objective")?.Split(' ', StringSplitOptions.RemoveEmptyEntries) ?? [];
        (model.Link, var scale) = LinkOf(objective, perRound);

        var trees = new List<Block>();
        while (next is not null && next.StartsWith("Tree=", StringComparison.Ordinal))
        {
            (var tree, next) = ReadBlock(lines, isHead: false);
            trees.Add(tree);
        }
        if (next is null || !next.StartsWith("end of trees", StringComparison.Ordinal)) throw Damaged("it does not come to the end of its trees");
        if (trees.Count % perRound != 0) throw Damaged("the last round lacks trees");

        // A forest averages its rounds; the trees of others are added.
        if (head.Find("average_output") is not null) scale /= Math.Max(1, trees.Count / perRound);
        for (var i = 0; i < trees.Count; i++) model.Add(ReadTree(trees[i], scale), i % perRound);
        var (onnx, classes) = model.ToOnnx(labels);
        return new ModelFile
        {
            Format = ModelFormats.LightGbmText,
            Served = onnx,
            Producer = $"LightGBM {head.Find("version")}".TrimEnd(),
            Algorithm = $"LightGBM, {trees.Count} trees, {(objective.Length > 0 ? objective[0] : "own objective")}",
            Labels = classes,
        };
    }

    /// <summary>The link, and by what the leaves are multiplied before it.</summary>
    private static (TreeLink Link, double Scale) LinkOf(string[] objective, int perRound)
    {
        var name = objective.Length > 0 ? objective[0] : "";
        if (objective.Contains("sqrt")) throw new ModelRefusedException("The model learned the square root of its target (reg_sqrt), which cannot be imported. Train it without.");
        double sigmoid = 1;
        if (objective.FirstOrDefault(part => part.StartsWith("sigmoid:", StringComparison.Ordinal)) is { } given
            && (!double.TryParse(given["sigmoid:".Length..], NumberStyles.Float, CultureInfo.InvariantCulture, out sigmoid) || !double.IsFinite(sigmoid))) throw Damaged("'sigmoid' is no number");
        var isOne = perRound == 1;
        return name switch
        {
            "binary" or "cross_entropy" when isOne => (TreeLink.Logistic, sigmoid),
            "multiclass" when !isOne => (TreeLink.Softmax, 1),
            "multiclassova" when !isOne => (TreeLink.Logistic, sigmoid),
            "" or "custom" or "regression" or "regression_l1" or "huber" or "fair" or "quantile" or "mape" or "lambdarank" or "rank_xendcg" => (TreeLink.None, 1),
            "poisson" or "gamma" or "tweedie" => (TreeLink.Exponential, 1),
            _ => throw new ModelRefusedException(
                $"The objective '{name}' of LightGBM with {perRound} trees a round is not known here. Known are binary, multiclass, multiclassova, cross_entropy, regression and its like, poisson, gamma, tweedie, lambdarank, rank_xendcg."),
        };
    }

    private static TreeModel.Node[] ReadTree(Block tree, double scale)
    {
        if (tree.Find("is_linear") is not (null or "0")) throw new ModelRefusedException("The leaves of the model are linear functions (linear_tree); leaves that are numbers can be imported.");
        var leaves = tree.Whole("num_leaves");
        var values = tree.Numbers("leaf_value");
        if (leaves < 1 || values.Length != leaves) throw Damaged("a tree has other leaves than it says");
        var inner = leaves - 1;
        var (left, right, features, thresholds, decisions) = inner == 0
            ? ([], [], [], [], [])
            : (tree.Numbers("left_child"), tree.Numbers("right_child"), tree.Numbers("split_feature"), tree.Numbers("threshold"), tree.Numbers("decision_type"));
        if (left.Length != inner || right.Length != inner || features.Length != inner || thresholds.Length != inner || decisions.Length != inner) throw Damaged("the parts of a tree are not as long as each other");

        // Inner nodes first, then the leaves, which children name by negative numbers.
        var nodes = new TreeModel.Node[inner + leaves];
        for (var i = 0; i < inner; i++)
        {
            var decision = Index(decisions[i], 0, 255);
            if ((decision & CategoricalBit) != 0)
                throw new ModelRefusedException("The model splits by categories (categorical_feature); models that split by numbers can be imported. Encode categories as numbers and train again.");
            nodes[i] = new TreeModel.Node(
                Index(features[i], 0, int.MaxValue), Below(thresholds[i]), IsLess: false, Child(left[i]), Child(right[i]), MissingGoesLeft(thresholds[i], decision), 0);
        }
        for (var i = 0; i < leaves; i++) nodes[inner + i] = TreeModel.Node.Leaf((float)(values[i] * scale));
        return nodes;

        int Child(double child) => Index(child, -leaves, inner - 1) is var at && at < 0 ? inner + ~at : at;
    }

    private static bool MissingGoesLeft(double threshold, int decision)
    {
        var defaultLeft = (decision & DefaultLeftBit) != 0;
        var zeroGoesLeft = 0 <= threshold;
        switch ((Missing)((decision >> 2) & 3))
        {
            case Missing.None:
                return zeroGoesLeft;
            case Missing.NaN:
                return defaultLeft;
            case Missing.Zero when defaultLeft == zeroGoesLeft && Math.Abs(threshold) > ZeroMax:
                return defaultLeft;
            default:
                throw new ModelRefusedException("The model takes zero for a missing value (zero_as_missing) and sends it another way than the number zero would go, which cannot be imported. Train it without.");
        }
    }

    /// <summary>The largest float that is at most the threshold: floats are on the same side of both.</summary>
    private static float Below(double threshold)
    {
        if (double.IsNaN(threshold)) throw Damaged("a threshold is no number");
        var near = (float)threshold;
        return near > threshold ? MathF.BitDecrement(near) : near;
    }

    private static int Index(double number, int least, int most) =>
        number >= least && number <= most && number == Math.Floor(number) ? (int)number : throw Damaged("a number of a node is out of range");

    /// <summary>Lines up to an empty one; then the next that is not empty.</summary>
    private static (Block Block, string? Next) ReadBlock(StringReader lines, bool isHead)
    {
        var block = new Block(new Dictionary<string, string>(StringComparer.Ordinal));
        string? line;
        while ((line = lines.ReadLine()) is { Length: > 0 })
        {
            if (isHead && line.StartsWith("Tree=", StringComparison.Ordinal)) return (block, line);
            var cut = line.IndexOf('=');
            block.Values[cut < 0 ? line : line[..cut]] = cut < 0 ? "" : line[(cut + 1)..];
        }
        while (line is { Length: 0 }) line = lines.ReadLine();
        return (block, line);
    }

    private static ModelRefusedException Damaged(string what) => new($"The file of LightGBM is damaged: {what}.");

    private sealed record Block(Dictionary<string, string> Values)
    {
        public string? Find(string name) => Values.GetValueOrDefault(name);

        public int Whole(string name) =>
            int.TryParse(Find(name), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : throw Damaged($"'{name}' is missing or no whole number");

        public double[] Numbers(string name)
        {
            var words = (Find(name) ?? throw Damaged($"'{name}' is missing")).Split(' ', StringSplitOptions.RemoveEmptyEntries);
            return Array.ConvertAll(words, word => word switch
            {
                "inf" => double.PositiveInfinity,
                "-inf" => double.NegativeInfinity,
                _ => double.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : throw Damaged($"'{name}' has '{(word.Length <= 40 ? word : word[..40])}' in it"),
            });
        }
    }
}
