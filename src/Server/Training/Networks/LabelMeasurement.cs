using System.Numerics.Tensors;

namespace Atoll.Training.Networks;

/// <summary>How well a network does on samples kept aside.</summary>
/// <param name="Loss">Cross-entropy, without smoothing.</param>
/// <param name="Score">Accuracy, or with several labels per sample the micro-averaged F1 at one half.</param>
/// <param name="Probabilities">[samples, labels].</param>
internal sealed record LabelMeasurement(double Loss, double Score, float[] Probabilities)
{
    /// <summary>Turns scores into probabilities, in place, and compares them with the labels.</summary>
    /// <param name="probabilities">Scores [samples, labels].</param>
    /// <param name="labels">Per sample the labels that it has.</param>
    /// <param name="labelCount">Labels that there are.</param>
    /// <param name="isMultiLabel">Whether a sample may have several.</param>
    public static LabelMeasurement Of(float[] probabilities, IReadOnlyList<int[]> labels, int labelCount, bool isMultiLabel)
    {
        double loss = 0;
        int right = 0, both = 0, either = 0;
        for (var i = 0; i < labels.Count; i++)
        {
            var row = probabilities.AsSpan(i * labelCount, labelCount);
            var actual = labels[i];
            if (isMultiLabel)
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
        var score = isMultiLabel ? (either == 0 ? 0 : 2.0 * both / either) : (double)right / labels.Count;
        return new LabelMeasurement(loss / labels.Count, score, probabilities);
    }
}
