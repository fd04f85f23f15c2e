namespace Atoll.Training.Images;

/// <summary>From which probability on a label is selected, for models with several labels per sample.</summary>
internal static class LabelThresholds
{
    private const float Default = 0.5f;

    // As strong as this many positive samples: a label seen twice must not choose an extreme threshold.
    private const int PriorCount = 10;

    /// <summary>Chooses the thresholds with the best F1, the rarer a label the closer to the best common one.</summary>
    /// <param name="probabilities">[samples, labels].</param>
    /// <param name="labels">Per sample its labels.</param>
    /// <param name="labelCount">Number of labels.</param>
    public static float[] Choose(ReadOnlySpan<float> probabilities, IReadOnlyList<int[]> labels, int labelCount)
    {
        var thresholds = new float[labelCount];
        Array.Fill(thresholds, Default);
        if (labels.Count == 0) return thresholds;

        const int steps = 19;
        // Counts at every threshold: true positives and selected.
        var hits = new int[labelCount, steps];
        var selected = new int[labelCount, steps];
        var actual = new int[labelCount];
        for (var i = 0; i < labels.Count; i++)
        {
            foreach (var label in labels[i]) actual[label]++;
            for (var label = 0; label < labelCount; label++)
            {
                var isActual = labels[i].Contains(label);
                for (var step = 0; step < steps && probabilities[i * labelCount + label] > At(step); step++)
                {
                    selected[label, step]++;
                    if (isActual) hits[label, step]++;
                }
            }
        }
        var common = Best(step =>
        {
            int allHits = 0, all = 0;
            for (var label = 0; label < labelCount; label++)
            {
                allHits += hits[label, step];
                all += selected[label, step] + actual[label];
            }
            return F1(allHits, all);
        });
        for (var label = 0; label < labelCount; label++)
        {
            var own = actual[label] == 0 ? common : Best(step => F1(hits[label, step], selected[label, step] + actual[label]));
            thresholds[label] = (own * actual[label] + common * PriorCount) / (actual[label] + PriorCount);
        }
        return thresholds;

        static float At(int step) => (step + 1) / (steps + 1f);

        static double F1(int both, int sum) => sum == 0 ? 0 : 2.0 * both / sum;

        // Among equals the one nearest to one half.
        static float Best(Func<int, double> score) => At(Enumerable.Range(0, steps)
            .OrderByDescending(score).ThenBy(step => Math.Abs(step - steps / 2)).ThenBy(step => step).First());
    }
}
