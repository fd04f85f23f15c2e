using Atoll.Serving.Onnx;

namespace Atoll.Training.Images;

/// <summary>From raw pixels of any size to pixels at the network's size, as graph nodes.</summary>
/// <remarks>
/// Training images are prepared by running these very nodes, and 8-bit pixels come out of them, so that a model in
/// production sees the bytes that it would have been trained on.
/// </remarks>
internal sealed record ImagePreparation(int Height, int Width, bool IsGrey)
{
    public int Channels => IsGrey ? 1 : 3;

    /// <summary>Adds the nodes: UINT8 [N, height, width, 3] becomes UINT8 [N, channels, Height, Width].</summary>
    public string Write(OnnxGraphBuilder graph, string image)
    {
        var planar = graph.Node("Transpose", [image], OnnxGraphBuilder.Attribute("perm", [0L, 3, 1, 2]));
        // Antialiased, because a photo shrinks by a large factor: without, most of its pixels would have no say.
        // All four sizes are given: with the attribute axes the runtime's shape inference refuses the free dimensions.
        var batchAndChannels = graph.Node("Shape", [planar], OnnxGraphBuilder.Attribute("end", 2L));
        var sizes = graph.Node(
            "Concat", [batchAndChannels, graph.Constant("size", [(long)Height, Width], 2)], OnnxGraphBuilder.Attribute("axis", 0L));
        var resized = graph.Node(
            "Resize", [planar, "", "", sizes], OnnxGraphBuilder.Attribute("mode", "linear"), OnnxGraphBuilder.Attribute("antialias", 1L));
        if (!IsGrey) return resized;

        // Luma of ITU-R BT.601.
        var grey = graph.Node(
            "Conv", [graph.Node("Cast", [resized], To(TensorElementType.Float)), graph.Constant("luma", [0.299f, 0.587f, 0.114f], 1, 3, 1, 1)]);
        return graph.Node("Cast", [graph.Node("Round", [grey])], To(TensorElementType.UInt8));
    }

    /// <summary>A model of these nodes alone.</summary>
    public OnnxSession Load()
    {
        var graph = new OnnxGraphBuilder("preparation");
        var prepared = Write(graph, graph.Input("image", TensorElementType.UInt8, "N", "height", "width", 3));
        graph.Output("prepared", prepared, TensorElementType.UInt8, "N", Channels, Height, Width);
        return OnnxSession.Load(graph.ToBytes());
    }

    private static Serving.Onnx.Proto.AttributeProto To(TensorElementType type) => OnnxGraphBuilder.Attribute("to", (long)type);
}
