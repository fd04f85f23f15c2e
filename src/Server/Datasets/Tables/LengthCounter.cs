using Atoll.Contracts;

namespace Atoll.Datasets;

/// <summary>Distribution of the lengths of values: short ones, which nearly all are, are counted one by one; a sketch takes the others.</summary>
internal sealed class LengthCounter
{
    private const int ShortMax = 63;

    private readonly long[] _counts = new long[ShortMax + 1];
    private NumberSketch? _long;
    private long _total;
    private double _squares;

    public long Count { get; private set; }

    public int Max { get; private set; }

    public double Mean => (double)_total / Count;

    public void Add(int length)
    {
        Count++;
        _total += length;
        _squares += (double)length * length;
        if (length > Max) Max = length;
        if (length <= ShortMax) _counts[length]++;
        else (_long ??= new NumberSketch()).Add(length);
    }

    /// <summary>Null when there were no values.</summary>
    public NumberStatistics? ToStatistics() => Count == 0 ? null : new NumberStatistics
    {
        Min = Array.FindIndex(_counts, count => count > 0) is >= 0 and var shortest ? shortest : _long!.Min,
        Max = Max,
        Mean = Mean,
        StandardDeviation = Count > 1 ? Math.Sqrt(Math.Max(0, _squares - (Mean * _total)) / (Count - 1)) : 0,
        Quantiles = [.. NumberSketch.Fractions.Select(fraction => new Quantile(fraction, QuantileAt(fraction)))],
        QuantilesApproximate = _long is { IsApproximate: true },
    };

    private double QuantileAt(double fraction)
    {
        long seen = 0;
        for (int length = 0; length <= ShortMax; length++)
        {
            seen += _counts[length];
            if (seen > 0 && seen >= fraction * Count) return length;
        }

        return _long!.Quantile(((fraction * Count) - seen) / _long.Count);
    }
}
