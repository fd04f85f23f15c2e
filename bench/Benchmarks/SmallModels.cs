using System.Text.Json.Nodes;
using Atoll.Cli.Load;
using Atoll.Contracts;
using Atoll.Serving.Onnx;

namespace Atoll.Benchmarks;

/// <summary>The small models that a customer has many of, with random weights.</summary>
internal static class SmallModels
{
    public const int Features = 20;

    /// <summary>One of each kind; another seed gives other weights in the same graph.</summary>
    public static (string Name, byte[] Model)[] All(int seed = 3) =>
    [
        ("logistic regression, 20 features", Dense([Features, 1], seed)),
        ("network 20-64-64-1", Dense([Features, 64, 64, 1], seed)),
        ("network 20-256-256-1", Dense([Features, 256, 256, 1], seed)),
        ("100 trees, depth 6", Trees(100, 6, seed)),
        ("convolutions 28x28, 8 and 16 channels", Convolutions(seed)),
        ("scikit-learn: imputer, scaler, linear regression of 20", Sklearn(seed)),
    ];

    /// <summary>Those that servers are measured with, by the names that they are served under.</summary>
    public static IReadOnlyList<ServedModel> Served(int seed = 3) =>
    [
        new("logistic", "logistic regression", Dense([Features, 1], seed), SignatureOf([-1, Features], [-1, 1])),
        new("network", "network 20-64-64-1", Dense([Features, 64, 64, 1], seed), SignatureOf([-1, Features], [-1, 1])),
        new("trees", "100 trees, depth 6", Trees(100, 6, seed), SignatureOf([-1, Features], [-1, 1])),
        new("convolutions", "convolutions 28x28", Convolutions(seed), SignatureOf([-1, 1, 28, 28], [-1, 10])),
    ];

    /// <summary>A network of two hidden layers, under a name of its own.</summary>
    public static ServedModel Network(string name, int width, int seed) =>
        new(name, $"network {Features}-{width}-{width}-1", Dense([Features, width, width, 1], seed), SignatureOf([-1, Features], [-1, 1]));

    private static ModelSignature SignatureOf(long[] input, long[] output) => new()
    {
        Task = TaskKinds.Regression, SampleType = SampleTypes.Tensors,
        Inputs = [new TensorSpec { Name = "x", Datatype = "FP32", Shape = input }], Outputs = [new TensorSpec { Name = "y", Datatype = "FP32", Shape = output }],
    };

    private static byte[] Dense(int[] sizes, int seed)
    {
        var random = new Random(seed);
        var graph = new OnnxGraphBuilder("dense");
        var value = graph.Input("x", TensorElementType.Float, "N", sizes[0]);
        for (var layer = 1; layer < sizes.Length; layer++)
        {
            var weights = new float[sizes[layer - 1] * sizes[layer]];
            for (var i = 0; i < weights.Length; i++) weights[i] = random.NextSingle() - 0.5f;
            var w = graph.Constant("w", weights, sizes[layer - 1], sizes[layer]);
            value = graph.Node("Gemm", [value, w, graph.Constant("b", new float[sizes[layer]])]);
            value = graph.Node(layer + 1 < sizes.Length ? "Relu" : "Sigmoid", [value]);
        }
        graph.Output("y", value, TensorElementType.Float, "N", sizes[^1]);
        return graph.ToBytes();
    }

    private static byte[] Sklearn(int seed)
    {
        const string ml = "ai.onnx.ml";
        var random = new Random(seed);
        float[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() + 0.1f)];
        var graph = new OnnxGraphBuilder("sklearn");
        var value = graph.Input("x", TensorElementType.Float, "N", Features);
        value = graph.Node(ml, "Imputer", [value], 1, OnnxGraphBuilder.Attribute("imputed_value_floats", Numbers(Features)), OnnxGraphBuilder.Attribute("replaced_value_float", float.NaN))[0];
        value = graph.Node(ml, "Scaler", [value], 1, OnnxGraphBuilder.Attribute("offset", Numbers(Features)), OnnxGraphBuilder.Attribute("scale", Numbers(Features)))[0];
        value = graph.Node(ml, "LinearRegressor", [value], 1, OnnxGraphBuilder.Attribute("coefficients", Numbers(Features)), OnnxGraphBuilder.Attribute("intercepts", Numbers(1)))[0];
        graph.Output("y", value, TensorElementType.Float, "N", 1);
        return graph.ToBytes();
    }

    private static byte[] Convolutions(int seed)
    {
        var random = new Random(seed);
        var graph = new OnnxGraphBuilder("convolutions");
        var value = graph.Input("x", TensorElementType.Float, "N", 1, 28, 28);
        var channels = 1;
        foreach (var next in (int[])[8, 16])
        {
            var weights = Enumerable.Range(0, next * channels * 9).Select(_ => random.NextSingle() - 0.5f).ToArray();
            value = graph.Node(
                "Conv", [value, graph.Constant("w", weights, next, channels, 3, 3), graph.Constant("b", new float[next])],
                OnnxGraphBuilder.Attribute("kernel_shape", [3L, 3L]), OnnxGraphBuilder.Attribute("pads", [1L, 1, 1, 1]));
            value = graph.Node(
                "MaxPool", [graph.Node("Relu", [value])],
                OnnxGraphBuilder.Attribute("kernel_shape", [2L, 2L]), OnnxGraphBuilder.Attribute("strides", [2L, 2L]));
            channels = next;
        }
        value = graph.Node("Flatten", [value]);
        var dense = Enumerable.Range(0, 16 * 49 * 10).Select(_ => random.NextSingle() - 0.5f).ToArray();
        value = graph.Node("Gemm", [value, graph.Constant("w", dense, 16 * 49, 10), graph.Constant("b", new float[10])]);
        graph.Output("y", graph.Node("Softmax", [value]), TensorElementType.Float, "N", 10);
        return graph.ToBytes();
    }

    private static byte[] Trees(int count, int depth, int seed)
    {
        var random = new Random(seed);
        var (tree, node, feature, left, right) = (new List<long>(), new List<long>(), new List<long>(), new List<long>(), new List<long>());
        var (mode, threshold, leafTree, leafNode, leafValue) = (new List<string>(), new List<float>(), new List<long>(), new List<long>(), new List<float>());
        var inner = (1 << depth) - 1;
        for (var t = 0; t < count; t++)
        for (var n = 0; n < 2 * inner + 1; n++)
        {
            var isLeaf = n >= inner;
            tree.Add(t);
            node.Add(n);
            feature.Add(isLeaf ? 0 : random.Next(Features));
            threshold.Add(isLeaf ? 0 : random.NextSingle());
            mode.Add(isLeaf ? "LEAF" : "BRANCH_LEQ");
            left.Add(isLeaf ? 0 : 2 * n + 1);
            right.Add(isLeaf ? 0 : 2 * n + 2);
            if (!isLeaf) continue;
            leafTree.Add(t);
            leafNode.Add(n);
            leafValue.Add(random.NextSingle() - 0.5f);
        }

        var graph = new OnnxGraphBuilder("trees");
        var x = graph.Input("x", TensorElementType.Float, "N", Features);
        var sum = graph.Node(
            "ai.onnx.ml", "TreeEnsembleRegressor", [x], 1,
            OnnxGraphBuilder.Attribute("n_targets", 1L), OnnxGraphBuilder.Attribute("post_transform", "LOGISTIC"),
            OnnxGraphBuilder.Attribute("nodes_treeids", tree), OnnxGraphBuilder.Attribute("nodes_nodeids", node),
            OnnxGraphBuilder.Attribute("nodes_featureids", feature), OnnxGraphBuilder.Attribute("nodes_modes", mode),
            OnnxGraphBuilder.Attribute("nodes_values", threshold), OnnxGraphBuilder.Attribute("nodes_truenodeids", left),
            OnnxGraphBuilder.Attribute("nodes_falsenodeids", right), OnnxGraphBuilder.Attribute("target_treeids", leafTree),
            OnnxGraphBuilder.Attribute("target_nodeids", leafNode), OnnxGraphBuilder.Attribute("target_weights", leafValue),
            OnnxGraphBuilder.Attribute("target_ids", leafTree.Select(_ => 0L)))[0];
        graph.Output("y", sum, TensorElementType.Float, "N", 1);
        return graph.ToBytes();
    }
}

/// <summary>A model as it is registered at a server.</summary>
/// <param name="Name">Of the endpoint.</param>
/// <param name="Title">For a table.</param>
internal sealed record ServedModel(string Name, string Title, byte[] Onnx, ModelSignature Signature)
{
    /// <summary>A request for it, as the Open Inference Protocol writes it in JSON.</summary>
    public JsonObject Request(int rows) => LoadBody.FromMetadata(
        new JsonObject
        {
            ["inputs"] = new JsonArray(
                [.. Signature.Inputs.Select(input => new JsonObject { ["name"] = input.Name, ["datatype"] = input.Datatype, ["shape"] = new JsonArray([.. input.Shape.Select(size => (JsonNode)size)]) })]),
        },
        rows);

    /// <summary>The same as a protocol sends it.</summary>
    public RequestBody Body(LoadProtocol protocol, int rows) => LoadBody.OfTensors(protocol, Request(rows));
}
