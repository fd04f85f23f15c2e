using Atoll.Serving.Onnx;
using Atoll.Serving.Onnx.Proto;
using Google.Protobuf;

namespace Atoll.Tests.Serving;

/// <summary>Small models that the tests of Serving run.</summary>
internal static class TestModels
{
    /// <summary>Gives back what it gets: one input and one output of any type, with the dimensions given.</summary>
    public static byte[] Echo(TensorElementType type, params ReadOnlySpan<object> dimensions)
    {
        var graph = new OnnxGraphBuilder("echo");
        var x = graph.Input("x", type, dimensions);
        graph.Output("y", graph.Node("Identity", [x]), type, dimensions);
        return graph.ToBytes();
    }

    /// <summary>Logistic regression with given weights: <c>x [N, features]</c> to <c>probability [N, 1]</c>.</summary>
    public static byte[] Logistic(ReadOnlySpan<float> weights, float bias)
    {
        var graph = new OnnxGraphBuilder("logistic");
        var x = graph.Input("x", TensorElementType.Float, "N", weights.Length);
        var w = graph.Constant("w", weights, weights.Length, 1);
        var b = graph.Constant("b", [bias], 1);
        graph.Output("probability", graph.Node("Sigmoid", [graph.Node("Gemm", [x, w, b])]), TensorElementType.Float, "N", 1);
        return graph.ToBytes();
    }

    /// <summary>A loop without end: <c>x []</c> to <c>y []</c>. It has to be stopped from outside.</summary>
    public static byte[] Endless()
    {
        var body = new OnnxGraphBuilder("body");
        body.Input("iteration", TensorElementType.Int64);
        var more = body.Input("more", TensorElementType.Bool);
        var state = body.Input("state", TensorElementType.Float);
        body.Output("goes_on", more, TensorElementType.Bool);
        body.Output("next", body.Node("Cos", [state]), TensorElementType.Float);

        var graph = new OnnxGraphBuilder("endless");
        var x = graph.Input("x", TensorElementType.Float);
        var y = graph.Node("Loop", ["", graph.Scalar("always", true), x], body.ToBody("body", graph));
        graph.Output("y", y, TensorElementType.Float);
        return graph.ToBytes();
    }

    /// <summary>Reshapes <c>x [N]</c> to the shape given as a second input, which fails inside ONNX Runtime when it does not fit.</summary>
    public static byte[] Reshape()
    {
        var graph = new OnnxGraphBuilder("reshape");
        var x = graph.Input("x", TensorElementType.Float, "N");
        var shape = graph.Input("shape", TensorElementType.Int64, 2);
        graph.Output("y", graph.Node("Reshape", [x, shape]), TensorElementType.Float, "A", "B");
        return graph.ToBytes();
    }

    /// <summary>A dense layer of <paramref name="size"/> x <paramref name="size"/> weights: a model that weighs something.</summary>
    public static byte[] Heavy(int size, int seed)
    {
        var random = new Random(seed);
        var weights = new float[size * size];
        for (var i = 0; i < weights.Length; i++) weights[i] = random.NextSingle();
        var graph = new OnnxGraphBuilder("heavy");
        var x = graph.Input("x", TensorElementType.Float, "N", size);
        graph.Output("y", graph.Node("MatMul", [x, graph.Constant("w", weights, size, size)]), TensorElementType.Float, "N", size);
        return graph.ToBytes();
    }

    /// <summary>A classifier as converters export it: labels, and probabilities as a sequence of maps.</summary>
    public static byte[] ZipMap(int classes = 2)
    {
        var graph = new OnnxGraphBuilder("zipmap");
        var x = graph.Input("x", TensorElementType.Float, "N", classes);
        var maps = graph.Node("ai.onnx.ml", "ZipMap", [x], 1, OnnxGraphBuilder.Attribute("classlabels_int64s", [0L, 1L]))[0];
        var model = graph.ToModel();
        model.Graph.Output.Add(Maps(maps, TensorElementType.Int64));
        return model.ToByteArray();
    }

    /// <summary>The model with a further output: the values of one of its tensors of three classes as maps.</summary>
    public static byte[] WithZipMap(byte[] model, string tensor, string output, bool isText)
    {
        var changed = ModelProto.Parser.ParseFrom(model);
        changed.Graph.Node.Add(new NodeProto
        {
            OpType = "ZipMap", Domain = "ai.onnx.ml", Input = { tensor }, Output = { output },
            Attribute =
            {
                isText
                    ? OnnxGraphBuilder.Attribute("classlabels_strings", ["seven", "eight", "nine"])
                    : OnnxGraphBuilder.Attribute("classlabels_int64s", [7L, 8L, 9L]),
            },
        });
        changed.Graph.Output.Add(Maps(output, isText ? TensorElementType.String : TensorElementType.Int64));
        return changed.ToByteArray();
    }

    private static ValueInfoProto Maps(string name, TensorElementType key)
    {
        var map = new TypeProto.Types.Map
        {
            KeyType = (int)key,
            ValueType = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)TensorElementType.Float } },
        };
        return new ValueInfoProto { Name = name, Type = new TypeProto { SequenceType = new TypeProto.Types.Sequence { ElemType = new TypeProto { MapType = map } } } };
    }
}
