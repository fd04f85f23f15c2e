using System.Numerics.Tensors;
using Atoll.Serving.Onnx;
using Atoll.Training.Autodiff;

namespace Atoll.Training.Images;

/// <summary>How well a network does on images kept aside.</summary>
/// <param name="Loss">Cross-entropy, without smoothing.</param>
/// <param name="Score">Accuracy, or with several labels per image the micro-averaged F1 at one half.</param>
/// <param name="Probabilities">[images, labels].</param>
internal sealed record ImageMeasurement(double Loss, double Score, float[] Probabilities)
{
    private const int Rows = 64;

    /// <summary>Runs the network in its serving form over prepared images.</summary>
    public static ImageMeasurement Take(ConvolutionalNetwork network, NetworkWeights weights, LabelledImages images, int[] indices, int threads)
    {
        var labelCount = network.LabelCount;
        var prepared = images.Prepared;
        var probabilities = new float[indices.Length * labelCount];
        using var session = OnnxSession.Load(ImageModel.WriteScorer(network, weights));
        Parallel.For(0, (indices.Length + Rows - 1) / Rows, new ParallelOptions { MaxDegreeOfParallelism = threads }, chunk =>
        {
            var first = chunk * Rows;
            var count = Math.Min(Rows, indices.Length - first);
            using var input = OnnxTensor.Allocate<byte>(count, prepared.Channels, prepared.Height, prepared.Width);
            var size = input.Count / count;
            for (var i = 0; i < count; i++) prepared.Pixels[indices[first + i]].CopyTo(input.Span<byte>().Slice(i * size, size));
            using var scores = session.Run(input)[0];
            scores.Span<float>().CopyTo(probabilities.AsSpan(first * labelCount));
        });

        double loss = 0;
        int right = 0, both = 0, either = 0;
        for (var i = 0; i < indices.Length; i++)
        {
            var row = probabilities.AsSpan(i * labelCount, labelCount);
            var actual = images.Labels[indices[i]];
            if (images.IsMultiLabel)
            {
                TensorPrimitives.Sigmoid(row, row);
                for (var label = 0; label < labelCount; label++)
                {
                    var (isActual, isSelected) = (actual.Contains(label), row[label] > 0.5f);
                    loss -= Math.Log(Math.Max(1e-12, isActual ? row[label] : 1 - row[label])) / labelCount;
                    if (isActual && isSelected) both++;
                    either += (isActual ? 1 : 0) + (isSelected ? 1 : 0);
                }
            }
            else
            {
                TensorPrimitives.SoftMax(row, row);
                loss -= Math.Log(Math.Max(1e-12, row[actual[0]]));
                if (TensorPrimitives.IndexOfMax<float>(row) == actual[0]) right++;
            }
        }
        var score = images.IsMultiLabel ? (either == 0 ? 0 : 2.0 * both / either) : (double)right / indices.Length;
        return new ImageMeasurement(loss / indices.Length, score, probabilities);
    }
}
