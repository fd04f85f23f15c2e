using System.Numerics.Tensors;

namespace Atoll.Training.Text;

/// <summary>A trained text model as the serving graph holds it: n-grams, their weights in eight bits, and what to do with the scores.</summary>
internal sealed class TextModel
{
    /// <param name="vocabulary">The n-grams.</param>
    /// <param name="featureWeights">How much each feature counts in a text.</param>
    /// <param name="weights">Weights that give scores of which softmax or sigmoid is the probability.</param>
    /// <param name="labels">The labels in the order of the scores.</param>
    /// <param name="thresholds">For multi-label the probability from which each label is selected; otherwise null.</param>
    public TextModel(
        NgramVocabulary vocabulary, float[] featureWeights, LinearWeights weights, IReadOnlyList<string> labels, float[]? thresholds)
    {
        Vocabulary = vocabulary;
        FeatureWeights = featureWeights;
        Labels = labels;
        Thresholds = thresholds;
        Bias = weights.Bias[..labels.Count];
        Steps = new float[featureWeights.Length];
        Levels = new sbyte[(long)featureWeights.Length * labels.Count];
        for (var feature = 0; feature < Steps.Length; feature++)
        {
            var row = weights.Values.AsSpan(feature * weights.Stride, labels.Count);
            var largest = TensorPrimitives.MaxMagnitude(row);
            var step = Math.Abs(largest) / sbyte.MaxValue;
            if (step == 0) continue;
            Steps[feature] = step;
            for (var label = 0; label < row.Length; label++)
                Levels[(long)feature * row.Length + label] = (sbyte)MathF.Round(row[label] / step);
        }
    }

    public NgramVocabulary Vocabulary { get; }

    public float[] FeatureWeights { get; }

    public IReadOnlyList<string> Labels { get; }

    public float[]? Thresholds { get; }

    public float[] Bias { get; }

    /// <summary>By feature the value of one level.</summary>
    public float[] Steps { get; }

    /// <summary>By feature and label the weight in levels of <see cref="Steps"/>.</summary>
    public sbyte[] Levels { get; }

    /// <summary>The probabilities of each text's labels, as the serving graph computes them.</summary>
    public float[][] Predict(IReadOnlyList<string> texts, CancellationToken cancellationToken)
    {
        var rows = Vocabulary.Extract(texts, cancellationToken).Weigh(FeatureWeights);
        var result = new float[texts.Count][];
        for (var row = 0; row < result.Length; row++)
        {
            var scores = (float[])Bias.Clone();
            var features = rows.FeaturesOf(row);
            var values = rows.ValuesOf(row);
            for (var i = 0; i < features.Length; i++)
            {
                var levels = Levels.AsSpan(features[i] * Labels.Count, Labels.Count);
                var scale = values[i] * Steps[features[i]];
                for (var label = 0; label < levels.Length; label++) scores[label] += scale * levels[label];
            }
            if (Thresholds is null) TensorPrimitives.SoftMax(scores, scores);
            else TensorPrimitives.Sigmoid(scores, scores);
            result[row] = scores;
        }
        return result;
    }
}
