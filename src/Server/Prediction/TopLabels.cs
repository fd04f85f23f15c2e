namespace Atoll.Prediction;

/// <summary>Finds the most probable labels of a sample.</summary>
internal static class TopLabels
{
    public const int Default = 5;

    /// <summary>Fills <paramref name="best"/> with positions, the most probable first, the earlier label first among equals.</summary>
    public static void Find(ReadOnlySpan<float> probabilities, Span<int> best)
    {
        var count = 0;
        for (var i = 0; i < probabilities.Length; i++)
        {
            if (count == best.Length && probabilities[best[^1]] >= probabilities[i]) continue;
            var place = count < best.Length ? count++ : count - 1;
            while (place > 0 && probabilities[best[place - 1]] < probabilities[i])
            {
                best[place] = best[place - 1];
                place--;
            }
            best[place] = i;
        }
    }
}
