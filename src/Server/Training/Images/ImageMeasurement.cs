using Atoll.Serving.Onnx;
using Atoll.Training.Autodiff;
using Atoll.Training.Networks;

namespace Atoll.Training.Images;

/// <summary>Measures how well a network does on images kept aside.</summary>
internal static class ImageMeasurement
{
    private const int Rows = 64;

    /// <summary>Runs the network in its serving form over prepared images.</summary>
    public static LabelMeasurement Take(ConvolutionalNetwork network, NetworkWeights weights, LabelledImages images, int[] indices, int threads)
    {
        var labelCount = network.LabelCount;
        var prepared = images.Prepared;
        var all = new float[indices.Length * labelCount];
        using var session = OnnxSession.Load(ImageModel.WriteScorer(network, weights));
        Parallel.For(0, (indices.Length + Rows - 1) / Rows, new ParallelOptions { MaxDegreeOfParallelism = threads }, chunk =>
        {
            var first = chunk * Rows;
            var count = Math.Min(Rows, indices.Length - first);
            using var input = OnnxTensor.Allocate<byte>(count, prepared.Channels, prepared.Height, prepared.Width);
            var size = input.Count / count;
            for (var i = 0; i < count; i++) prepared.Pixels[indices[first + i]].CopyTo(input.Span<byte>().Slice(i * size, size));
            using var scores = session.Run(input)[0];
            scores.Span<float>().CopyTo(all.AsSpan(first * labelCount));
        });

        return LabelMeasurement.Of(all, [.. indices.Select(index => images.Labels[index])], labelCount, images.IsMultiLabel);
    }
}
