namespace Atoll.Training.Tabular;

/// <summary>Weights for the mean of several candidates, chosen on rows that none of them had seen.</summary>
/// <remarks>Greedy selection with replacement, after Caruana et al. 2004.</remarks>
internal static class Blend
{
    private const int Rounds = 20;

    // A mean of models costs more to run than one model, so it must be visibly better.
    private const double LeastGain = 0.001;

    /// <returns>A weight per candidate; those add up to 1.</returns>
    public static double[] Choose(IReadOnlyList<CandidateResult> candidates, Func<double[], double> score)
    {
        var best = 0;
        for (var i = 1; i < candidates.Count; i++)
        {
            if (candidates[i].Score < candidates[best].Score) best = i;
        }
        var alone = new double[candidates.Count];
        alone[best] = 1;
        if (candidates.Count == 1) return alone;

        var counts = new int[candidates.Count];
        var sum = new double[candidates[0].Outputs.Length];
        var trial = new double[sum.Length];
        var blended = double.PositiveInfinity;
        var weights = alone;
        for (var round = 1; round <= Rounds; round++)
        {
            var choice = -1;
            var choiceScore = double.PositiveInfinity;
            for (var c = 0; c < candidates.Count; c++)
            {
                for (var i = 0; i < trial.Length; i++) trial[i] = (sum[i] + candidates[c].Outputs[i]) / round;
                var reached = score(trial);
                if (reached >= choiceScore) continue;
                choice = c;
                choiceScore = reached;
            }
            counts[choice]++;
            for (var i = 0; i < sum.Length; i++) sum[i] += candidates[choice].Outputs[i];
            if (choiceScore >= blended) continue;
            blended = choiceScore;
            weights = Array.ConvertAll(counts, count => count / (double)round);
        }
        return blended < candidates[best].Score * (1 - LeastGain) ? weights : alone;
    }
}
