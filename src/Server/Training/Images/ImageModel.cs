using Atoll.Contracts;
using Atoll.Serving.Onnx;
using Atoll.Training.Autodiff;

namespace Atoll.Training.Images;

/// <summary>Writes the models that come out of an image training.</summary>
internal static class ImageModel
{
    /// <summary>From prepared images to scores, to measure a network between epochs.</summary>
    public static byte[] WriteScorer(ConvolutionalNetwork network, NetworkWeights weights)
    {
        var graph = new OnnxGraphBuilder("scorer");
        var tape = Tape.ForServing(graph, weights);
        var preparation = network.Preparation;
        var images = tape.Input("images", TensorElementType.UInt8, [Tensor.Free, preparation.Channels, preparation.Height, preparation.Width]);
        graph.Output("scores", network.Scores(images).Name, TensorElementType.Float, "N", network.LabelCount);
        return graph.ToBytes();
    }

    /// <summary>From raw pixels to labels: the model that is served.</summary>
    /// <param name="network">What was trained.</param>
    /// <param name="weights">What it learned.</param>
    /// <param name="labels">Names of the labels.</param>
    /// <param name="thresholds">Per label the probability that selects it; null if an image has one label.</param>
    public static byte[] Write(ConvolutionalNetwork network, NetworkWeights weights, IReadOnlyList<string> labels, float[]? thresholds)
    {
        var graph = new OnnxGraphBuilder("image");
        var image = graph.Input("image", TensorElementType.UInt8, "N", "height", "width", 3);
        var preparation = network.Preparation;
        var tape = Tape.ForServing(graph, weights);
        var prepared = tape.Existing(
            preparation.Write(graph, image), TensorElementType.UInt8,
            [Tensor.Free, preparation.Channels, preparation.Height, preparation.Width]);
        var scores = network.Scores(prepared);
        if (thresholds is not null)
        {
            var probabilities = scores.Sigmoid();
            graph.Output("probabilities", probabilities.Name, TensorElementType.Float, "N", labels.Count);
            graph.Output(
                "selected", graph.Node("Greater", [probabilities.Name, graph.Constant("thresholds", thresholds, thresholds.Length)]),
                TensorElementType.Bool, "N", labels.Count);
        }
        else
        {
            var best = graph.Node(
                "ArgMax", [scores.Name], OnnxGraphBuilder.Attribute("axis", 1L), OnnxGraphBuilder.Attribute("keepdims", 0L));
            graph.Output("label", graph.Node("Gather", [graph.Constant("labels", labels, labels.Count), best]), TensorElementType.String, "N");
            graph.Output("probabilities", scores.Softmax().Name, TensorElementType.Float, "N", labels.Count);
        }
        return graph.ToBytes();
    }

    public static ModelSignature Describe(IReadOnlyList<string> labels, bool isMultiLabel)
    {
        var probabilities = new TensorSpec { Name = "probabilities", Datatype = "FP32", Shape = [-1, labels.Count] };
        return new ModelSignature
        {
            Task = isMultiLabel ? TaskKinds.MultiLabelClassification : TaskKinds.Classification,
            SampleType = DatasetTypes.Image,
            Inputs = [new TensorSpec { Name = "image", Datatype = "UINT8", Shape = [-1, -1, -1, 3] }],
            Outputs = isMultiLabel
                ? [probabilities, new TensorSpec { Name = "selected", Datatype = "BOOL", Shape = [-1, labels.Count] }]
                : [new TensorSpec { Name = "label", Datatype = "BYTES", Shape = [-1] }, probabilities],
            Labels = labels,
        };
    }
}
