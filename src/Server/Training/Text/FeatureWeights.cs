namespace Atoll.Training.Text;

/// <summary>How much each feature counts before anything is learned: how rare it is, and how much it tells about the labels.</summary>
/// <remarks>
/// The weight is the geometric mean of inverse document frequency and information gain per occurrence (the divergence of the
/// labels of the texts that contain the feature from the labels of all texts). In cross-validation on sentiment and emotions
/// the second factor was worth about one point of accuracy over the first alone; it costs nothing when serving.
/// </remarks>
internal static class FeatureWeights
{
    // Counts as one more text with the labels of an average one, so that a feature seen once is not taken at its word.
    private const double PriorTexts = 1;

    private const double SmallestDivergence = 1e-4;

    // How far the labels decide the weight. The more labels there are, the less a few occurrences say about which of them a
    // feature belongs to: half was best with 2 and 3 labels, a quarter or less with 77.
    private const int FewLabels = 32;
    private const double ShareWithFewLabels = 0.5;
    private const double ShareWithManyLabels = 0.25;

    public static float[] Learn(FeatureRows rows, IReadOnlyList<int[]> labels, int labelCount, bool fromLabels)
    {
        var texts = new int[rows.FeatureCount];
        foreach (var feature in rows.Features) texts[feature]++;

        var weights = new float[rows.FeatureCount];
        var divergence = fromLabels ? Divergence(rows, labels, labelCount, texts) : null;
        var share = divergence is null ? 0 : labelCount <= FewLabels ? ShareWithFewLabels : ShareWithManyLabels;
        for (var feature = 1; feature < weights.Length; feature++)
        {
            if (texts[feature] == 0) continue;
            var rarity = Math.Log((1.0 + rows.Count) / (1.0 + texts[feature])) + 1;
            var information = divergence is null ? 1 : Math.Max(divergence[feature], SmallestDivergence);
            weights[feature] = (float)(Math.Pow(rarity, 1 - share) * Math.Pow(information, share));
        }
        return weights;
    }

    private static double[] Divergence(FeatureRows rows, IReadOnlyList<int[]> labels, int labelCount, int[] texts)
    {
        var prior = new double[labelCount];
        double total = labelCount;
        Array.Fill(prior, 1);
        for (var row = 0; row < rows.Count; row++)
        {
            foreach (var label in labels[row]) prior[label]++;
            total += labels[row].Length;
        }
        for (var label = 0; label < labelCount; label++) prior[label] /= total;

        // The texts of each feature, feature after feature: counting by label then needs one row of labels, not a table.
        var starts = new int[texts.Length + 1];
        for (var feature = 0; feature < texts.Length; feature++) starts[feature + 1] = starts[feature] + texts[feature];
        var rowsOf = new int[rows.Features.Length];
        var next = (int[])starts.Clone();
        for (var row = 0; row < rows.Count; row++)
            foreach (var feature in rows.FeaturesOf(row)) rowsOf[next[feature]++] = row;

        var divergence = new double[texts.Length];
        var counts = new int[labelCount];
        List<int> seen = [];
        for (var feature = 1; feature < texts.Length; feature++)
        {
            seen.Clear();
            double count = PriorTexts;
            foreach (var row in rowsOf.AsSpan(starts[feature]..starts[feature + 1]))
            {
                foreach (var label in labels[row])
                {
                    if (counts[label]++ == 0) seen.Add(label);
                    count++;
                }
            }
            double sum = 0, unseen = 1;
            foreach (var label in seen)
            {
                var ratio = (counts[label] / prior[label] + PriorTexts) / count;
                sum += prior[label] * ratio * Math.Log(ratio);
                unseen -= prior[label];
                counts[label] = 0;
            }
            var rest = PriorTexts / count;
            divergence[feature] = sum + Math.Max(unseen, 0) * rest * Math.Log(rest);
        }
        return divergence;
    }
}
