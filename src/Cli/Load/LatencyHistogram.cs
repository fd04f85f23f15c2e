using System.Numerics;

namespace Atoll.Cli.Load;

/// <summary>Counts times in buckets whose width is at most a 128th of the time, so that a percentile is right to 1 %.</summary>
internal sealed class LatencyHistogram
{
    private const int Bits = 7;

    // The last bucket begins at about a week.
    private readonly long[] _counts = new long[(44 - Bits) << Bits];

    public long Count { get; private set; }

    /// <summary>The largest time, exactly.</summary>
    public TimeSpan Max { get; private set; }

    /// <summary>Counts a time.</summary>
    public void Record(TimeSpan time)
    {
        var value = Math.Max(0, time.Ticks);
        _counts[Math.Min(BucketOf(value), _counts.Length - 1)]++;
        Count++;
        if (time > Max) Max = time;
    }

    /// <summary>Adds what another one counted.</summary>
    public void Add(LatencyHistogram other)
    {
        for (var i = 0; i < _counts.Length; i++) _counts[i] += other._counts[i];
        Count += other.Count;
        if (other.Max > Max) Max = other.Max;
    }

    /// <summary>The time that this share of all did not exceed; zero when nothing was counted.</summary>
    /// <param name="share">From 0 to 1.</param>
    public TimeSpan Percentile(double share)
    {
        var wanted = (long)Math.Ceiling(share * Count);
        var seen = 0L;
        for (var i = 0; i < _counts.Length; i++)
        {
            seen += _counts[i];
            if (seen >= wanted && seen > 0) return Min(TimeSpan.FromTicks(EndOf(i)), Max);
        }
        return Max;
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    // Values below 128 have a bucket each; above, each doubling of the value has 128 buckets.
    private static int BucketOf(long value)
    {
        if (value < 1 << Bits) return (int)value;
        var shift = BitOperations.Log2((ulong)value) - Bits;
        return ((shift + 1) << Bits) + (int)((value >> shift) - (1 << Bits));
    }

    private static long EndOf(int bucket)
    {
        if (bucket < 1 << Bits) return bucket;
        var shift = (bucket >> Bits) - 1;
        return (((long)(bucket & ((1 << Bits) - 1)) + (1 << Bits) + 1) << shift) - 1;
    }
}
