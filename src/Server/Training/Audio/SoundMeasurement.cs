using System.Numerics.Tensors;
using Atoll.Serving.Onnx;
using Atoll.Training.Autodiff;
using Atoll.Training.Networks;

namespace Atoll.Training.Audio;

/// <summary>Measures how well a network does on sounds kept aside.</summary>
internal static class SoundMeasurement
{
    private const int Rows = 64;

    /// <summary>Runs the network in its serving form over pictures.</summary>
    public static LabelMeasurement Take(
        SoundNetwork network, NetworkWeights weights, PreparedSounds sounds, IReadOnlyList<int[]> labels, int[] indices, int threads)
    {
        var all = new float[indices.Length * network.LabelCount];
        using var session = OnnxSession.Load(SoundModel.WriteScorer(network, weights));
        Parallel.For(0, (indices.Length + Rows - 1) / Rows, new ParallelOptions { MaxDegreeOfParallelism = threads }, chunk =>
        {
            var first = chunk * Rows;
            var count = Math.Min(Rows, indices.Length - first);
            using var input = OnnxTensor.Allocate<float>(count, 1, SoundPreparation.Bands, network.Preparation.Frames);
            var size = input.Count / count;
            for (var i = 0; i < count; i++) TensorPrimitives.ConvertToSingle(sounds.Pictures[indices[first + i]], input.Span<float>().Slice(i * size, size));
            using var scores = session.Run(input)[0];
            scores.Span<float>().CopyTo(all.AsSpan(first * network.LabelCount));
        });
        return LabelMeasurement.Of(all, [.. indices.Select(index => labels[index])], network.LabelCount, isMultiLabel: false);
    }
}
