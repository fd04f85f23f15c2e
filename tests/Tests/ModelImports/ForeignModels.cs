using Atoll.Serving.Onnx;
using Atoll.Serving.Onnx.Proto;

namespace Atoll.Tests.ModelImports;

/// <summary>Models as other programs write them, and some that nobody should write.</summary>
internal static class ForeignModels
{
    /// <summary>y = sigmoid(x w + b), three numbers in, one out.</summary>
    public static byte[] Tensor(float bias = 0.5f)
    {
        var graph = new OnnxGraphBuilder("foreign");
        var x = graph.Input("x", TensorElementType.Float, "N", 3);
        var sum = graph.Node("Gemm", [x, graph.Constant("w", (float[])[1, -2, 0.25f], 3, 1), graph.Constant("b", (float[])[bias])]);
        graph.Output("y", graph.Node("Sigmoid", [sum]), TensorElementType.Float, "N", 1);
        return graph.ToBytes();
    }

    /// <summary>A classifier as skl2onnx writes it: columns in; numbered classes and a list of maps out.</summary>
    public static byte[] ZipMap()
    {
        var graph = new OnnxGraphBuilder("foreign");
        var (age, income) = (graph.Input("age", TensorElementType.Float, "N", 1), graph.Input("income", TensorElementType.Float, "N", 1));
        var both = graph.Node("Concat", [age, income], OnnxGraphBuilder.Attribute("axis", 1));
        var made = graph.Node(
            "ai.onnx.ml", "LinearClassifier", [both], 2,
            OnnxGraphBuilder.Attribute("coefficients", (float[])[-1, 0.5f, 1, -0.5f]), OnnxGraphBuilder.Attribute("intercepts", (float[])[0.1f, -0.1f]),
            OnnxGraphBuilder.Attribute("classlabels_ints", (long[])[3, 7]), OnnxGraphBuilder.Attribute("post_transform", "SOFTMAX"));
        var maps = graph.Node("ai.onnx.ml", "ZipMap", [made[1]], 1, OnnxGraphBuilder.Attribute("classlabels_int64s", (long[])[3, 7]))[0];
        graph.Output("output_label", made[0], TensorElementType.Int64, "N");
        var model = graph.ToModel();
        model.ProducerName = "skl2onnx";
        model.Graph.Output.Add(new ValueInfoProto
        {
            Name = maps,
            Type = new TypeProto
            {
                SequenceType = new TypeProto.Types.Sequence
                {
                    ElemType = new TypeProto { MapType = new TypeProto.Types.Map { KeyType = (int)TensorElementType.Int64, ValueType = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)TensorElementType.Float } } } },
                },
            },
        });
        return Google.Protobuf.MessageExtensions.ToByteArray(model);
    }

    /// <summary>A loop that never ends, whatever its input.</summary>
    public static byte[] EndlessLoop()
    {
        var graph = new OnnxGraphBuilder("endless");
        var x = graph.Input("x", TensorElementType.Float, "N", 1);
        var body = new OnnxGraphBuilder("body");
        body.Input("i", TensorElementType.Int64);
        body.Input("go_in", TensorElementType.Bool);
        body.Input("v_in", TensorElementType.Float, "N", 1);
        body.Output("go_out", body.Node("Identity", ["go_in"]), TensorElementType.Bool);
        body.Output("v_out", body.Node("Sin", ["v_in"]), TensorElementType.Float, "N", 1);
        var made = graph.Node("", "Loop", ["", graph.Scalar("go", true), x], 1, body.ToBody("body", graph))[0];
        graph.Output("y", made, TensorElementType.Float, "N", 1);
        return graph.ToBytes();
    }

    /// <summary>A loop that takes as many turns as its input says: harmless until somebody asks for many.</summary>
    public static byte[] LoopOfInput()
    {
        var graph = new OnnxGraphBuilder("turns");
        var turns = graph.Input("turns", TensorElementType.Int64, 1);
        var body = new OnnxGraphBuilder("body");
        body.Input("i", TensorElementType.Int64);
        body.Input("go_in", TensorElementType.Bool);
        body.Input("v_in", TensorElementType.Float);
        body.Output("go_out", body.Node("Identity", ["go_in"]), TensorElementType.Bool);
        body.Output("v_out", body.Node("Sin", ["v_in"]), TensorElementType.Float);
        var made = graph.Node("", "Loop", [graph.Node("Squeeze", [turns]), graph.Scalar("go", true), graph.Scalar("v", 1f)], 1, body.ToBody("body", graph))[0];
        graph.Output("y", made, TensorElementType.Float);
        return graph.ToBytes();
    }

    /// <summary>A tensor that doubles again and again: a few hundred bytes of model, any amount of memory.</summary>
    public static byte[] MemoryBomb(int doublings = 40)
    {
        var graph = new OnnxGraphBuilder("bomb");
        var x = graph.Input("x", TensorElementType.Float, "N", 1);
        var value = x;
        for (var i = 0; i < doublings; i++) value = graph.Node("Concat", [value, value], OnnxGraphBuilder.Attribute("axis", 1));
        graph.Output("y", graph.Node("ReduceSum", [value]), TensorElementType.Float, 1, 1);
        return graph.ToBytes();
    }

    /// <summary>A tree that is a chain: whoever walks it with a call for each node runs out of stack.</summary>
    public static byte[] DeepTree(int depth)
    {
        var graph = new OnnxGraphBuilder("deep");
        var x = graph.Input("x", TensorElementType.Float, "N", 1);
        var count = (2 * depth) + 1;
        var ids = Enumerable.Range(0, count).Select(i => (long)i).ToArray();
        bool IsLeaf(int i) => i % 2 == 1 || i == count - 1;
        var tree = graph.Node(
            "ai.onnx.ml", "TreeEnsembleRegressor", [x], 1,
            OnnxGraphBuilder.Attribute("nodes_treeids", new long[count]), OnnxGraphBuilder.Attribute("nodes_nodeids", ids),
            OnnxGraphBuilder.Attribute("nodes_featureids", new long[count]), OnnxGraphBuilder.Attribute("nodes_values", ids.Select(id => (float)id)),
            OnnxGraphBuilder.Attribute("nodes_modes", ids.Select(id => IsLeaf((int)id) ? "LEAF" : "BRANCH_LEQ")),
            OnnxGraphBuilder.Attribute("nodes_truenodeids", ids.Select(id => IsLeaf((int)id) ? 0 : id + 1)),
            OnnxGraphBuilder.Attribute("nodes_falsenodeids", ids.Select(id => IsLeaf((int)id) ? 0 : id + 2)),
            OnnxGraphBuilder.Attribute("target_treeids", ids.Where(id => IsLeaf((int)id)).Select(_ => 0L)),
            OnnxGraphBuilder.Attribute("target_nodeids", ids.Where(id => IsLeaf((int)id))),
            OnnxGraphBuilder.Attribute("target_ids", ids.Where(id => IsLeaf((int)id)).Select(_ => 0L)),
            OnnxGraphBuilder.Attribute("target_weights", ids.Where(id => IsLeaf((int)id)).Select(_ => 1f)),
            OnnxGraphBuilder.Attribute("n_targets", 1))[0];
        graph.Output("y", tree, TensorElementType.Float, "N", 1);
        return graph.ToBytes();
    }
}
