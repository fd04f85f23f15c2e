namespace Atoll.Training.Tabular;

/// <summary>The range that holds 90 % of the targets around a predicted value, from errors on rows the model had not seen.</summary>
/// <remarks>
/// Split conformal prediction with groups by predicted value (Vovk's Mondrian form): large predictions may err more
/// than small ones. The errors are those of the folds' models, the model is refitted on all rows: the coverage is
/// that of a slightly worse model, so it errs to the safe side.
/// </remarks>
/// <param name="Limits">Predicted values up to the first limit are group 0, and so on; one fewer than groups.</param>
/// <param name="Lower">Per group what is added to the value for the lower end; not above 0.</param>
/// <param name="Upper">Per group what is added for the upper end; not below 0.</param>
internal sealed record PredictionInterval(float[] Limits, float[] Lower, float[] Upper)
{
    public const double Coverage = 0.9;
    private const int GroupRowsLeast = 100;
    private const int GroupsMost = 20;

    public static PredictionInterval Fit(ReadOnlySpan<double> predicted, ReadOnlySpan<float> actual)
    {
        var order = Enumerable.Range(0, predicted.Length).ToArray();
        var keys = predicted.ToArray();
        Array.Sort(keys, order);
        var groups = Math.Clamp(predicted.Length / GroupRowsLeast, 1, GroupsMost);
        var limits = new List<float>();
        var lower = new List<float>();
        var upper = new List<float>();
        var start = 0;
        for (var group = 0; group < groups; group++)
        {
            var end = (int)((long)predicted.Length * (group + 1) / groups);
            if (group < groups - 1)
            {
                while (end < keys.Length && (float)keys[end] == (float)keys[end - 1]) end++;
                if (end >= keys.Length || end <= start) continue;
            }
            var errors = new double[end - start];
            for (var i = start; i < end; i++) errors[i - start] = actual[order[i]] - keys[i];
            Array.Sort(errors);

            // The rank of split conformal prediction: one more row than were seen, rounded outwards.
            var tail = (int)Math.Floor((errors.Length + 1) * (1 - Coverage) / 2);
            lower.Add((float)Math.Min(0, errors[Math.Clamp(tail - 1, 0, errors.Length - 1)]));
            upper.Add((float)Math.Max(0, errors[Math.Clamp(errors.Length - tail, 0, errors.Length - 1)]));
            if (group < groups - 1) limits.Add((float)keys[end - 1]);
            start = end;
        }
        while (limits.Count >= lower.Count) limits.RemoveAt(limits.Count - 1);
        return new PredictionInterval([.. limits], [.. lower], [.. upper]);
    }

    public int GroupOf(float value)
    {
        var group = 0;
        while (group < Limits.Length && value > Limits[group]) group++;
        return group;
    }
}
