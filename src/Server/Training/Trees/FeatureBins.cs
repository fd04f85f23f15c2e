namespace Atoll.Training.Trees;

/// <summary>How the values of one feature fall into bins: bin b holds what is at most <c>Limits[b]</c> and above the limit before.</summary>
/// <remarks>The last bin has no limit, and missing values have a bin of their own behind it.</remarks>
internal sealed class FeatureBins
{
    public const int MostBins = 255;

    private FeatureBins(float[] limits) => Limits = limits;

    /// <summary>Upper limits, ascending; one less than there are bins of values.</summary>
    public float[] Limits { get; }

    public int MissingBin => Limits.Length + 1;

    /// <summary>Bins of values and the one of missing values.</summary>
    public int Count => Limits.Length + 2;

    /// <summary>Cuts the values into bins of about equal numbers of rows; equal values share a bin.</summary>
    /// <param name="values">The values of the training rows; NaN is missing. The contents are reordered.</param>
    /// <param name="mostBins">Bins of values at most, without the one of missing values.</param>
    public static FeatureBins Fit(Span<float> values, int mostBins)
    {
        var present = 0;
        foreach (var value in values)
        {
            if (!float.IsNaN(value)) values[present++] = value;
        }
        if (present == 0) return new FeatureBins([]);
        var sorted = values[..present];
        sorted.Sort();

        // Bins of a handful of rows cost time in every split search and are noise.
        var least = Math.Clamp(present / 128, 1, 8);
        var limits = new List<float>(mostBins);
        var distinct = 1;
        for (var i = 1; i < present; i++)
        {
            if (sorted[i] != sorted[i - 1]) distinct++;
        }
        var fewValues = distinct <= Math.Min(mostBins, 64);
        var inBin = 0;
        var left = present;
        for (var i = 0; i < present - 1; i++)
        {
            inBin++;
            if (sorted[i] == sorted[i + 1]) continue;
            var binsLeft = mostBins - limits.Count;
            if (binsLeft == 1) break;
            if (!fewValues && inBin < Math.Max(least, left / (double)binsLeft)) continue;
            limits.Add(Between(sorted[i], sorted[i + 1]));
            left -= inBin;
            inBin = 0;
        }
        return new FeatureBins([.. limits]);
    }

    /// <summary>The limit of a bin as a value; behind the last limit only missing values are left.</summary>
    public float LimitOf(int bin) => bin < Limits.Length ? Limits[bin] : float.PositiveInfinity;

    public int BinOf(float value)
    {
        if (float.IsNaN(value)) return MissingBin;
        var low = 0;
        var high = Limits.Length;
        while (low < high)
        {
            var middle = (low + high) >> 1;
            if (value <= Limits[middle]) high = middle;
            else low = middle + 1;
        }
        return low;
    }

    // A limit L must hold below <= L < above in single precision, which is what the exported model compares in.
    private static float Between(float below, float above)
    {
        var middle = (float)(((double)below + above) / 2);
        return middle >= below && middle < above ? middle : below;
    }
}
