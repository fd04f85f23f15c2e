using Atoll.Serving.Onnx;
using static Atoll.Serving.Onnx.OnnxGraphBuilder;

namespace Atoll.Tests.Serving;

/// <summary>Random tree ensembles in ONNX's own form.</summary>
internal static class TreeModels
{
    public const int Features = 7;

    /// <param name="targets">Of a regression, or the labels of a classifier.</param>
    /// <param name="severalPerLeaf">Leaves have a weight for each target, as those of random forests.</param>
    public static byte[] Random(
        int seed, int trees, int targets, string mode = "BRANCH_LEQ", string transform = "NONE", bool isClassifier = false,
        bool severalPerLeaf = false, bool positive = false, bool withBase = true, string aggregate = "SUM", bool stringLabels = false)
    {
        var random = new Random(seed);
        List<long> treeIds = [], nodeIds = [], features = [], whenTrue = [], whenFalse = [], missing = [], leafTrees = [], leafNodes = [], leafIds = [];
        List<float> values = [], weights = [];
        List<string> modes = [];
        var scores = isClassifier && targets == 2 ? 1 : targets;
        for (var tree = 0; tree < trees; tree++)
        {
            long next = 0;
            Grow(0);

            long Grow(int depth)
            {
                var id = next++;
                var at = treeIds.Count;
                treeIds.Add(tree);
                nodeIds.Add(id);
                var isLeaf = depth > 0 && (depth == 7 || random.Next(5) == 0);
                features.Add(isLeaf ? 0 : random.Next(Features));
                // Round thresholds, so that rows meet them exactly.
                values.Add(isLeaf ? 0 : random.Next(-4, 5) / 4f);
                modes.Add(isLeaf ? "LEAF" : mode == "MIXED" ? new[] { "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE" }[random.Next(4)] : mode);
                missing.Add(isLeaf ? 0 : random.Next(2));
                whenTrue.Add(0);
                whenFalse.Add(0);
                if (!isLeaf)
                {
                    // Children in either order: their places in the lists mean nothing.
                    if (random.Next(2) == 0) (whenTrue[at], whenFalse[at]) = (Grow(depth + 1), Grow(depth + 1));
                    else (whenFalse[at], whenTrue[at]) = (Grow(depth + 1), Grow(depth + 1));
                    return id;
                }
                for (var target = 0; target < scores; target++)
                {
                    if (!severalPerLeaf && target != tree % scores) continue;
                    leafTrees.Add(tree);
                    leafNodes.Add(id);
                    leafIds.Add(target);
                    weights.Add(positive ? random.NextSingle() / trees : random.NextSingle() - 0.5f);
                }
                return id;
            }
        }

        var graph = new OnnxGraphBuilder("trees");
        var x = graph.Input("x", TensorElementType.Float, "N", Features);
        var kind = isClassifier ? "class" : "target";
        List<Atoll.Serving.Onnx.Proto.AttributeProto> attributes =
        [
            Attribute("nodes_treeids", treeIds), Attribute("nodes_nodeids", nodeIds), Attribute("nodes_featureids", features),
            Attribute("nodes_modes", modes), Attribute("nodes_values", values), Attribute("nodes_truenodeids", whenTrue),
            Attribute("nodes_falsenodeids", whenFalse), Attribute("nodes_missing_value_tracks_true", missing),
            Attribute(kind + "_treeids", leafTrees), Attribute(kind + "_nodeids", leafNodes), Attribute(kind + "_ids", leafIds),
            Attribute(kind + "_weights", weights), Attribute("post_transform", transform),
        ];
        if (withBase) attributes.Add(Attribute("base_values", Enumerable.Range(0, scores).Select(i => 0.125f * (i + 1))));
        if (isClassifier)
        {
            attributes.Add(stringLabels
                ? Attribute("classlabels_strings", Enumerable.Range(0, targets).Select(i => $"label {i}"))
                : Attribute("classlabels_int64s", Enumerable.Range(0, targets).Select(i => 10L + i)));
            var outputs = graph.Node("ai.onnx.ml", "TreeEnsembleClassifier", [x], 2, [.. attributes]);
            graph.Output("label", outputs[0], stringLabels ? TensorElementType.String : TensorElementType.Int64, "N");
            graph.Output("scores", outputs[1], TensorElementType.Float, "N", targets);
            return graph.ToBytes();
        }
        attributes.Add(Attribute("n_targets", (long)targets));
        attributes.Add(Attribute("aggregate_function", aggregate));
        graph.Output("y", graph.Node("ai.onnx.ml", "TreeEnsembleRegressor", [x], 1, [.. attributes])[0], TensorElementType.Float, "N", targets);
        return graph.ToBytes();
    }

    /// <summary>Rows on, beside and between thresholds, some numbers missing.</summary>
    public static float[] Rows(int seed, int count)
    {
        var random = new Random(seed);
        var x = new float[count * Features];
        foreach (ref var value in x.AsSpan())
        {
            value = random.Next(10) switch
            {
                0 => float.NaN,
                1 => float.PositiveInfinity,
                2 => MathF.BitDecrement(random.Next(-4, 5) / 4f),
                < 6 => random.Next(-4, 5) / 4f,
                _ => random.NextSingle() * 3 - 1.5f,
            };
        }
        return x;
    }
}
