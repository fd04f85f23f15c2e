using Atoll.Training.Autodiff;

namespace Atoll.Training.Audio;

/// <summary>The network: 3 x 3 convolutions over the picture of a sound, a mean over time, and one score per label.</summary>
/// <param name="Preparation">Size of the picture.</param>
/// <param name="LabelCount">Scores that it gives.</param>
/// <param name="Mean">Of the pictures that it learns from.</param>
/// <param name="Deviation">Likewise.</param>
internal sealed record SoundNetwork(SoundPreparation Preparation, int LabelCount, float Mean, float Deviation)
{
    private const float DropoutProbability = 0.3f;

    private static readonly (int Channels, int Stride)[] Layers = [(24, 2), (48, 2), (64, 2), (96, 2)];

    /// <summary>Scores [N, labels] of pictures [N, 1, bands, frames].</summary>
    public Tensor Scores(Tensor pictures)
    {
        var tape = pictures.Tape;
        var map = FeatureMap.FromImage((pictures - Mean) * (1 / Deviation));
        for (var i = 0; i < Layers.Length; i++) map = map.Convolution($"convolution{i + 1}", Layers[i].Channels, 3, Layers[i].Stride).Relu();

        // Over time only: what is heard may come at any moment, and the height of a band is what tells sounds apart.
        var features = map.MeanOfRows().Dropout(DropoutProbability);
        var weights = tape.Parameter("head.weight", [features.Shape[1], LabelCount], Initializer.LeCun(features.Shape[1]));
        var bias = tape.Parameter("head.bias", [LabelCount], Initializer.Zeros);
        return features.Gemm(weights, bias);
    }
}
