using Atoll.Contracts;
using Atoll.Serving.Onnx;

namespace Atoll.ModelImports;

/// <summary>Trees of another library in the form that all of them have in common, and how their sum becomes a prediction.</summary>
internal sealed class TreeModel
{
    // Walking a chain takes ONNX Runtime stack for each node; see ImportProcess.
    private const int DepthMax = 1000;
    private const int ColumnsMax = 500;
    private const int TargetsMax = 10_000;

    private readonly List<long> _treeIds = [], _nodeIds = [], _features = [], _trueIds = [], _falseIds = [], _missing = [];
    private readonly List<float> _thresholds = [];
    private readonly List<string> _modes = [];
    private readonly List<long> _leafTrees = [], _leafNodes = [], _leafTargets = [];
    private readonly List<float> _leafWeights = [];
    private int _trees;

    public TreeModel(int features, int targets)
    {
        if (features < 1) throw new ModelRefusedException("The model reads no features.");
        if (targets is < 1 or > TargetsMax) throw new ModelRefusedException($"The model has {targets} scores; from 1 to {TargetsMax} can be imported.");
        (Features, Targets, BaseValues) = (features, targets, new float[targets]);
    }

    public int Features { get; }

    /// <summary>Scores of a row, before the link.</summary>
    public int Targets { get; }

    /// <summary>What the sums begin with.</summary>
    public float[] BaseValues { get; }

    public TreeLink Link { get; set; }

    /// <summary>Names of the features, when the file gives them.</summary>
    public IReadOnlyList<string>? Names { get; set; }

    /// <summary>One node of a tree; a leaf has no children.</summary>
    /// <param name="IsLess">The test is "less than" and not "at most".</param>
    public readonly record struct Node(int Feature, float Threshold, bool IsLess, int Left, int Right, bool MissingGoesLeft, float Value)
    {
        public bool IsLeaf => Left < 0;

        public static Node Leaf(float value) => new(0, 0, false, -1, -1, false, value);
    }

    /// <summary>Adds a tree whose root is the first node.</summary>
    public void Add(ReadOnlySpan<Node> nodes, int target)
    {
        if (nodes.IsEmpty) throw Broken("has no nodes");
        if (target < 0 || target >= Targets) throw Broken("adds to a score that the model does not have");
        var depth = new int[nodes.Length];
        depth[0] = 1;
        var open = new Stack<int>([0]);
        while (open.TryPop(out var at))
        {
            var node = nodes[at];
            if (depth[at] > DepthMax) throw new ModelRefusedException($"Tree {_trees} is deeper than {DepthMax} nodes. Limit the depth (max_depth) and train again.");
            _treeIds.Add(_trees);
            _nodeIds.Add(at);
            if (node.IsLeaf)
            {
                if (!float.IsFinite(node.Value)) throw Broken("has a leaf that is no number");
                AddNode("LEAF", 0, 0, 0, 0, false);
                _leafTrees.Add(_trees);
                _leafNodes.Add(at);
                _leafTargets.Add(target);
                _leafWeights.Add(node.Value);
                continue;
            }
            if (node.Feature < 0 || node.Feature >= Features) throw Broken("tests a feature that the model does not have");
            if (float.IsNaN(node.Threshold)) throw Broken("has a threshold that is no number");
            AddNode(node.IsLess ? "BRANCH_LT" : "BRANCH_LEQ", node.Feature, node.Threshold, node.Left, node.Right, node.MissingGoesLeft);
            foreach (var child in (ReadOnlySpan<int>)[node.Right, node.Left])
            {
                if (child < 0 || child >= nodes.Length || depth[child] > 0) throw Broken("has a node that is missing or has two parents");
                depth[child] = depth[at] + 1;
                open.Push(child);
            }
        }
        _trees++;

        void AddNode(string mode, int feature, float threshold, int left, int right, bool missingGoesLeft)
        {
            _modes.Add(mode);
            _features.Add(feature);
            _thresholds.Add(threshold);
            _trueIds.Add(left);
            _falseIds.Add(right);
            _missing.Add(missingGoesLeft ? 1 : 0);
        }
    }

    /// <summary>The ONNX model: a column for each feature that has a name, otherwise one tensor for all; a class with probabilities, or a value.</summary>
    public (byte[] Onnx, IReadOnlyList<string>? Labels) ToOnnx(IReadOnlyList<string>? labels)
    {
        if (_trees == 0) throw new ModelRefusedException("The model has no trees.");
        var graph = new OnnxGraphBuilder("trees");
        var scores = graph.Node(
            "ai.onnx.ml", "TreeEnsembleRegressor", [Inputs(graph)], 1,
            OnnxGraphBuilder.Attribute("nodes_treeids", _treeIds), OnnxGraphBuilder.Attribute("nodes_nodeids", _nodeIds), OnnxGraphBuilder.Attribute("nodes_featureids", _features),
            OnnxGraphBuilder.Attribute("nodes_values", _thresholds), OnnxGraphBuilder.Attribute("nodes_modes", _modes), OnnxGraphBuilder.Attribute("nodes_truenodeids", _trueIds),
            OnnxGraphBuilder.Attribute("nodes_falsenodeids", _falseIds), OnnxGraphBuilder.Attribute("nodes_missing_value_tracks_true", _missing),
            OnnxGraphBuilder.Attribute("target_treeids", _leafTrees), OnnxGraphBuilder.Attribute("target_nodeids", _leafNodes), OnnxGraphBuilder.Attribute("target_ids", _leafTargets),
            OnnxGraphBuilder.Attribute("target_weights", _leafWeights), OnnxGraphBuilder.Attribute("n_targets", Targets), OnnxGraphBuilder.Attribute("base_values", BaseValues))[0];

        if (Link is TreeLink.None or TreeLink.Exponential)
        {
            if (labels is not null) throw new ModelRefusedException("The model predicts a number and no class. Leave 'labels' out.");
            graph.Output("value", Link == TreeLink.None ? scores : graph.Node("Exp", [scores]), TensorElementType.Float, "N", Targets);
            return (graph.ToBytes(), null);
        }

        var classes = Targets == 1 ? 2 : Targets;
        if (labels is not null && labels.Count != classes) throw new ModelRefusedException($"The model knows {classes} classes, and 'labels' has {labels.Count}.");
        labels ??= [.. Enumerable.Range(0, classes).Select(label => label.ToString(System.Globalization.CultureInfo.InvariantCulture))];
        var probabilities = Probabilities(graph, scores);
        var best = graph.Node("ArgMax", [probabilities], OnnxGraphBuilder.Attribute("axis", 1), OnnxGraphBuilder.Attribute("keepdims", 0));
        graph.Output("label", graph.Node("Gather", [graph.Constant("labels", labels), best]), TensorElementType.String, "N");
        graph.Output("probabilities", probabilities, TensorElementType.Float, "N", classes);
        return (graph.ToBytes(), labels);
    }

    private string Probabilities(OnnxGraphBuilder graph, string scores)
    {
        switch (Link)
        {
            case TreeLink.Softmax:
                return graph.Node("Softmax", [scores], OnnxGraphBuilder.Attribute("axis", 1));
            case TreeLink.Logistic when Targets > 1:
                return graph.Node("Sigmoid", [scores]);
            default:
                var yes = graph.Node("Sigmoid", [scores]);
                return graph.Node("Concat", [graph.Node("Sub", [graph.Scalar("one", 1f), yes]), yes], OnnxGraphBuilder.Attribute("axis", 1));
        }
    }

    private string Inputs(OnnxGraphBuilder graph)
    {
        string[] own = ["label", "probabilities", "value"];
        var named = Names is { } names && names.Count == Features && Features <= ColumnsMax && names.All(name => name.Length > 0 && !own.Contains(name))
            && names.Distinct(StringComparer.Ordinal).Count() == Features;
        if (!named) return graph.Input("features", TensorElementType.Float, "N", Features);
        var columns = Names!.Select(name => graph.Input(name, TensorElementType.Float, "N", 1)).ToArray();
        return graph.Node("Concat", columns, OnnxGraphBuilder.Attribute("axis", 1));
    }

    private ModelRefusedException Broken(string what) => new($"The file is damaged: tree {_trees} {what}.");
}

/// <summary>What becomes of the sums of leaves.</summary>
internal enum TreeLink
{
    /// <summary>They are the prediction.</summary>
    None,

    /// <summary>A number that is never negative.</summary>
    Exponential,

    /// <summary>One sum is the probability of the second of two classes; several are one probability each.</summary>
    Logistic,

    /// <summary>Probabilities that add up to one.</summary>
    Softmax,
}
