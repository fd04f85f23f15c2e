using Atoll.Serving.Onnx;
using Atoll.Training.Autodiff;

namespace Atoll.Training.Images;

/// <summary>The network: 3 x 3 convolutions, a mean over the image, and one score per label.</summary>
/// <param name="Preparation">Size and channels of the images.</param>
/// <param name="LabelCount">Scores that it gives.</param>
/// <param name="Means">Of every channel over the training images.</param>
/// <param name="Deviations">Likewise.</param>
internal sealed record ConvolutionalNetwork(ImagePreparation Preparation, int LabelCount, float[] Means, float[] Deviations)
{
    // Larger images are halved by the first layer: its full-size maps would cost most of the time and tell little.
    private const int SmallSide = 48;
    private const float DropoutProbability = 0.2f;

    private static readonly Layer[] SmallImageLayers = [new(32, 1), new(64, 2), new(64, 1), new(128, 2), new(128, 1)];

    private static readonly Layer[] LargeImageLayers = [new(32, 2), new(64, 2), new(64, 1), new(128, 2), new(128, 1), new(192, 2)];

    public bool IsSmall => Math.Max(Preparation.Height, Preparation.Width) <= SmallSide;

    /// <summary>What a training step holds for each image of its batch, roughly: measured steps need a little less.</summary>
    public long TrainingBytesPerImage
    {
        get
        {
            long floats = 0;
            var (height, width, channels) = (Preparation.Height, Preparation.Width, Preparation.Channels);
            foreach (var layer in Layers)
            {
                var geometry = new ConvolutionGeometry(height, width, 3, layer.Stride);
                // The gathered columns and their gradient; then convolution, batch norm, Relu and the gradients of each.
                floats += geometry.OutPixels * (2L * geometry.Taps * channels + 16L * layer.Channels);
                (height, width, channels) = (geometry.OutHeight, geometry.OutWidth, layer.Channels);
            }
            return floats * sizeof(float);
        }
    }

    private Layer[] Layers => IsSmall ? SmallImageLayers : LargeImageLayers;

    /// <summary>Scores [N, labels] of UINT8 images [N, channels, height, width].</summary>
    public Tensor Scores(Tensor images)
    {
        var tape = images.Tape;
        // Centred, so that the zeros around an image are its mean, and batch norm's variance does not cancel out.
        var pixels = tape.Emit(
            "Cast", [images], images.Shape, OnnxGraphBuilder.Attribute("to", (long)TensorElementType.Float));
        var centred = (pixels - tape.Constant(Means, Means.Length, 1, 1)) * tape.Constant(
            Array.ConvertAll(Deviations, deviation => 1 / deviation), Deviations.Length, 1, 1);

        var map = FeatureMap.FromImage(centred);
        var layers = Layers;
        for (var i = 0; i < layers.Length; i++) map = map.Convolution($"convolution{i + 1}", layers[i].Channels, 3, layers[i].Stride).Relu();
        var weights = tape.Parameter("head.weight", [map.Channels, LabelCount], Initializer.LeCun(map.Channels));
        var bias = tape.Parameter("head.bias", [LabelCount], Initializer.Zeros);
        return map.GlobalAveragePool().Dropout(DropoutProbability).Gemm(weights, bias);
    }

    private sealed record Layer(int Channels, int Stride);
}
