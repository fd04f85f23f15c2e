namespace Atoll.Training.Evaluation;

/// <summary>Where the true share of something lies, as far as a number of samples can tell, with 95 % confidence.</summary>
internal static class Confidence
{
    private const double Normal975 = 1.959963984540054;

    /// <summary>Wilson's interval of a share: unlike the usual one it holds for few samples and for shares near 0 and 1.</summary>
    /// <returns>The whole range when there are no samples.</returns>
    public static (double Lower, double Upper) Wilson(double hits, double count)
    {
        if (count <= 0) return (0, 1);
        var share = hits / count;
        const double square = Normal975 * Normal975;
        var middle = (share + (square / (2 * count))) / (1 + (square / count));
        var half = Normal975 / (1 + (square / count)) * Math.Sqrt((share * (1 - share) / count) + (square / (4 * count * count)));
        return (Math.Max(0, middle - half), Math.Min(1, middle + half));
    }

    /// <summary>Newcombe's interval of the difference of two shares, the first minus the second: made of their Wilson intervals.</summary>
    public static (double Lower, double Upper) Newcombe(double hits, double count, double otherHits, double otherCount)
    {
        if (count <= 0 || otherCount <= 0) return (-1, 1);
        var (share, other) = (hits / count, otherHits / otherCount);
        var (lower, upper) = Wilson(hits, count);
        var (otherLower, otherUpper) = Wilson(otherHits, otherCount);
        return (
            share - other - Math.Sqrt(Math.Pow(share - lower, 2) + Math.Pow(otherUpper - other, 2)),
            share - other + Math.Sqrt(Math.Pow(upper - share, 2) + Math.Pow(other - otherLower, 2)));
    }
}
