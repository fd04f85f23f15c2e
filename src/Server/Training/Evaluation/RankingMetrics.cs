namespace Atoll.Training.Evaluation;

/// <summary>Scores of an order of samples, best first, against which of them are positive.</summary>
internal static class RankingMetrics
{
    /// <summary>Chance that a positive sample scores above a negative one, ties counting half. Null without both kinds.</summary>
    public static double? Auc(ReadOnlySpan<float> scores, ReadOnlySpan<bool> positive)
    {
        var order = Descending(scores);
        double pairs = 0;
        long positives = 0, negatives = 0;
        for (var i = 0; i < order.Length;)
        {
            var (tiedPositives, tiedNegatives) = Tie(order, scores, positive, ref i);
            pairs += tiedNegatives * (positives + 0.5 * tiedPositives);
            positives += tiedPositives;
            negatives += tiedNegatives;
        }
        return positives == 0 || negatives == 0 ? null : pairs / ((double)positives * negatives);
    }

    /// <summary>Mean of the precision at each positive sample; tied samples are taken together. Null without positives.</summary>
    public static double? AveragePrecision(ReadOnlySpan<float> scores, ReadOnlySpan<bool> positive)
    {
        var order = Descending(scores);
        double sum = 0;
        long positives = 0;
        for (var i = 0; i < order.Length;)
        {
            var (tiedPositives, _) = Tie(order, scores, positive, ref i);
            positives += tiedPositives;
            sum += tiedPositives * ((double)positives / i);
        }
        return positives == 0 ? null : sum / positives;
    }

    private static int[] Descending(ReadOnlySpan<float> scores)
    {
        var keys = new float[scores.Length];
        var order = new int[scores.Length];
        for (var i = 0; i < keys.Length; i++)
        {
            keys[i] = -scores[i];
            order[i] = i;
        }
        Array.Sort(keys, order);
        return order;
    }

    private static (long Positives, long Negatives) Tie(
        int[] order, ReadOnlySpan<float> scores, ReadOnlySpan<bool> positive, ref int next)
    {
        var score = scores[order[next]];
        long positives = 0, negatives = 0;
        do
        {
            if (positive[order[next]]) positives++;
            else negatives++;
            next++;
        }
        while (next < order.Length && scores[order[next]].Equals(score));
        return (positives, negatives);
    }
}
