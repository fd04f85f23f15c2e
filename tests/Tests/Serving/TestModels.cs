using Atoll.Serving.Onnx;

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

    /// <summary>A loop that runs for as long as it is allowed to, to be stopped from outside.</summary>
    public static byte[] Matrices(int count, int size)
    {
        var graph = new OnnxGraphBuilder("matrices");
        var value = graph.Input("x", TensorElementType.Float, size, size);
        var x = value;
        for (var i = 0; i < count; i++) value = graph.Node("Tanh", [graph.Node("MatMul", [value, x])]);
        graph.Output("y", value, TensorElementType.Float, size, size);
        return graph.ToBytes();
    }
}
