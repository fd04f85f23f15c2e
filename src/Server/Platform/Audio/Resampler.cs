using System.Numerics;
using System.Numerics.Tensors;

namespace Atoll.Platform.Audio;

/// <summary>Brings samples to another rate, by interpolation with a windowed sinc that lets pass only what both rates can carry.</summary>
/// <remarks>
/// Source: J. O. Smith, Digital Audio Resampling (2002). One table of the filter serves all pairs of rates: between its steps it is read
/// linearly, which costs less than a bit of 16. What is above 0.42 of the lower rate fades, what is above its half is gone by 80 dB.
/// </remarks>
internal static class Resampler
{
    // Zero crossings of the sinc to either side, steps between two of them, and the shape of the Kaiser window.
    private const int Crossings = 32;
    private const int Steps = 512;
    private const double Beta = 8;

    // The middle of the slope, as a share of the lower rate's half: the slope ends where its images begin.
    private const double Cutoff = 0.92;

    // A megabyte; pairs of odd rates do without.
    private const int RowsMax = 1 << 18;

    private static readonly float[] Filter = MakeFilter();

    /// <summary>How many samples come out.</summary>
    public static int LengthOf(int count, int from, int to) => (int)(((long)count * to + from - 1) / from);

    /// <summary>The samples at the other rate; the same ones when it is the same.</summary>
    public static float[] Resample(float[] samples, int from, int to)
    {
        if (from == to) return samples;
        var result = new float[LengthOf(samples.Length, from, to)];

        // To a lower rate the filter is stretched, so that it stops what the lower rate cannot carry.
        var scale = Cutoff * Math.Min(1, (double)to / from);
        var reach = Crossings / scale;
        var stride = scale * Steps;

        // Between the usual rates few places between two samples come again and again: what the filter is there is worked out once.
        var phases = to / (int)BigInteger.GreatestCommonDivisor(from, to);
        var half = (int)Math.Ceiling(reach);
        var width = 2 * half + 2;
        var rows = phases <= result.Length / 4 && (long)phases * width <= RowsMax ? new float[phases * width] : [];
        for (var i = 0; i < rows.Length; i++)
        {
            var at = Math.Abs(i % width - half - (double)((long)(i / width) * from % to) / to) * stride;
            if (at < Crossings * Steps) rows[i] = (float)(scale * Read(at));
        }

        for (var i = 0; i < result.Length; i++)
        {
            // Whole and fraction apart: a product of doubles would lose the fraction late in long sounds.
            var (whole, rest) = Math.DivRem((long)i * from, to);
            if (rows.Length > 0 && whole >= half && whole + half + 1 < samples.Length)
            {
                result[i] = TensorPrimitives.Dot<float>(samples.AsSpan((int)whole - half, width), rows.AsSpan(i % phases * width, width));
                continue;
            }
            var place = (double)rest / to;
            var first = (int)Math.Max(0, whole + (long)Math.Ceiling(place - reach));
            var last = (int)Math.Min(samples.Length - 1, whole + (long)Math.Floor(place + reach));
            double sum = 0;
            for (var j = first; j <= last; j++) sum += samples[j] * Read(Math.Abs(j - whole - place) * stride);
            result[i] = (float)(sum * scale);
        }
        return result;
    }

    private static double Read(double at)
    {
        var step = (int)at;
        var low = Filter[step];
        return low + (at - step) * (Filter[step + 1] - low);
    }

    private static float[] MakeFilter()
    {
        // Two more, because the last step is read with the one behind it.
        var filter = new float[Crossings * Steps + 2];
        for (var i = 0; i < Crossings * Steps; i++)
        {
            var x = (double)i / Steps;
            var edge = x / Crossings;
            var sinc = i == 0 ? 1 : Math.Sin(Math.PI * x) / (Math.PI * x);
            filter[i] = (float)(sinc * Bessel(Beta * Math.Sqrt(1 - edge * edge)) / Bessel(Beta));
        }
        return filter;
    }

    /// <summary>The modified Bessel function of the first kind and order 0, by its series.</summary>
    private static double Bessel(double x)
    {
        double sum = 1, term = 1;
        for (var k = 1; term > 1e-12 * sum; k++)
        {
            term *= x / 2 / k * (x / 2 / k);
            sum += term;
        }
        return sum;
    }
}
