using Atoll.Contracts;
using Atoll.Serving.Onnx;
using Atoll.Training.Autodiff;

namespace Atoll.Training.Audio;

/// <summary>Writes the models that come out of a training on sounds.</summary>
internal static class SoundModel
{
    /// <summary>From pictures to scores, to measure a network between epochs.</summary>
    public static byte[] WriteScorer(SoundNetwork network, NetworkWeights weights)
    {
        var graph = new OnnxGraphBuilder("scorer");
        var tape = Tape.ForServing(graph, weights);
        var pictures = tape.Input("pictures", TensorElementType.Float, [Tensor.Free, 1, SoundPreparation.Bands, network.Preparation.Frames]);
        graph.Output("scores", network.Scores(pictures).Name, TensorElementType.Float, "N", network.LabelCount);
        return graph.ToBytes();
    }

    /// <summary>From samples to labels: the model that is served.</summary>
    public static byte[] Write(SoundNetwork network, NetworkWeights weights, IReadOnlyList<string> labels)
    {
        var graph = new OnnxGraphBuilder("audio");
        var samples = graph.Input("audio", TensorElementType.Float, "N", "samples");
        var tape = Tape.ForServing(graph, weights);
        var pictures = tape.Existing(
            network.Preparation.Write(graph, samples), TensorElementType.Float, [Tensor.Free, 1, SoundPreparation.Bands, network.Preparation.Frames]);
        var scores = network.Scores(pictures);
        var best = graph.Node("ArgMax", [scores.Name], OnnxGraphBuilder.Attribute("axis", 1L), OnnxGraphBuilder.Attribute("keepdims", 0L));
        graph.Output("label", graph.Node("Gather", [graph.Constant("labels", labels, labels.Count), best]), TensorElementType.String, "N");
        graph.Output("probabilities", scores.Softmax().Name, TensorElementType.Float, "N", labels.Count);
        return graph.ToBytes();
    }

    public static ModelSignature Describe(SoundNetwork network, IReadOnlyList<string> labels) => new()
    {
        Task = TaskKinds.Classification,
        SampleType = DatasetTypes.Audio,
        SampleRate = network.Preparation.Rate,
        Inputs = [new TensorSpec { Name = "audio", Datatype = "FP32", Shape = [-1, -1] }],
        Outputs =
        [
            new TensorSpec { Name = "label", Datatype = "BYTES", Shape = [-1] },
            new TensorSpec { Name = "probabilities", Datatype = "FP32", Shape = [-1, labels.Count] },
        ],
        Labels = labels,
    };
}
