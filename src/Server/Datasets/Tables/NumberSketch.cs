using Atoll.Contracts;

namespace Atoll.Datasets;

/// <summary>Distribution of numbers seen once: moments exactly; quantiles exactly for few numbers, else within about one percent of rank.</summary>
/// <remarks>
/// Quantiles are kept as a tower of buffers: a full buffer is sorted and every second number, the odd or the even ones by a coin,
/// goes up a floor where it counts twice as much. The coin is seeded, so that the same numbers in the same order give the same answer.
/// </remarks>
internal sealed class NumberSketch
{
    private const int BufferMax = 1024;

    /// <summary>Quantiles that statistics show.</summary>
    public static readonly double[] Fractions = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99];

    private List<List<double>> _floors = [[]];
    private ulong _coin = 0x2545F4914F6CDD1D;
    private double _mean;
    private double _squares;

    public long Count { get; private set; }

    public double Min { get; private set; } = double.PositiveInfinity;

    public double Max { get; private set; } = double.NegativeInfinity;

    public double Mean => _mean;

    /// <summary>Quantiles are near, not exact.</summary>
    public bool IsApproximate => _floors.Count > 1;

    public void Add(double value)
    {
        Count++;
        double before = value - _mean;
        _mean += before / Count;
        _squares += before * (value - _mean);
        if (value < Min) Min = value;
        if (value > Max) Max = value;

        _floors[0].Add(value);
        if (_floors[0].Count >= BufferMax) Compact(0);
    }

    /// <summary>A sketch of the same numbers that goes its own way from here.</summary>
    public NumberSketch Copy()
    {
        var copy = (NumberSketch)MemberwiseClone();
        copy._floors = [.. _floors.Select(floor => new List<double>(floor))];
        return copy;
    }

    /// <summary>The value below which the fraction lies.</summary>
    public double Quantile(double fraction) => QuantileOf(Sorted(), fraction);

    /// <summary>Null when there were no numbers.</summary>
    public NumberStatistics? ToStatistics()
    {
        if (Count == 0) return null;

        var sorted = Sorted();
        return new NumberStatistics
        {
            Min = Min,
            Max = Max,
            Mean = _mean,
            StandardDeviation = Count > 1 ? Math.Sqrt(_squares / (Count - 1)) : 0,
            Quantiles = [.. Fractions.Select(fraction => new Quantile(fraction, QuantileOf(sorted, fraction)))],
            QuantilesApproximate = IsApproximate,
        };
    }

    private double QuantileOf(List<(double Value, long Weight)> sorted, double fraction)
    {
        long total = sorted.Sum(item => item.Weight), seen = 0;
        foreach (var (value, weight) in sorted)
        {
            seen += weight;
            if (seen >= fraction * total) return value;
        }

        return Max;
    }

    private List<(double Value, long Weight)> Sorted()
    {
        var weighted = new List<(double Value, long Weight)>();
        for (int floor = 0; floor < _floors.Count; floor++)
        {
            foreach (double value in _floors[floor]) weighted.Add((value, 1L << floor));
        }

        weighted.Sort(static (left, right) => left.Value.CompareTo(right.Value));
        return weighted;
    }

    private void Compact(int floor)
    {
        var full = _floors[floor];
        full.Sort();
        if (floor + 1 == _floors.Count) _floors.Add([]);

        _coin ^= _coin << 13;
        _coin ^= _coin >> 7;
        _coin ^= _coin << 17;
        var above = _floors[floor + 1];
        for (int i = (int)(_coin >> 40) & 1; i < full.Count; i += 2) above.Add(full[i]);
        full.Clear();
        if (above.Count >= BufferMax) Compact(floor + 1);
    }
}
