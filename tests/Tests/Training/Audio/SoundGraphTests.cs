using Atoll.Serving.Onnx;
using Atoll.Tests.Platform.Audio;
using Atoll.Training.Audio;

namespace Atoll.Tests.Training.Audio;

/// <summary>The picture of a sound that the graph makes is that of the formulas, worked out here the slow way.</summary>
public sealed class SoundGraphTests
{
    [Theory]
    [InlineData(8_000, 16, 1, 3_000)]
    [InlineData(8_000, 16, 1, 12_000)]
    [InlineData(16_000, 24, 2, 5_000)]
    [InlineData(16_000, 16, 2, 20_001)]
    [InlineData(8_000, 16, 1, 1)]
    [InlineData(32_000, 16, 1, 9_000)]
    public void Pictures_are_what_the_formulas_say(int rate, int frames, int pool, int count)
    {
        const int Seed = 5;
        var random = new Random(Seed);
        var samples = Enumerable.Range(0, count).Select(i =>
            (float)(0.4 * Math.Sin(i * 0.1 * (1 + i / 6_000.0)) * Math.Exp(-Math.Pow((i - 0.6 * count) / (0.2 * count), 2)) + 0.01 * (random.NextDouble() - 0.5))).ToArray();
        var preparation = new SoundPreparation(rate, frames, pool);

        var picture = Run(preparation, samples);

        var expected = Expect(preparation, samples);
        Assert.Equal(expected.Length, picture.Length);
        for (var i = 0; i < expected.Length; i++) Assert.True(Math.Abs(expected[i] - picture[i]) < 2e-3, $"seed {Seed}, {i}: {picture[i]} and not {expected[i]}");
        Assert.Equal(0, picture.Max(), 1e-4f);
    }

    [Fact]
    public void Silence_is_the_floor_and_loudness_does_not_matter()
    {
        var preparation = new SoundPreparation(8_000, 16, 1);
        Assert.All(Run(preparation, new float[4_000]), value => Assert.Equal(SoundPreparation.Floor, value, 1e-4f));

        var loud = Run(preparation, TestWav.Sine(700, 8_000, 0.4, loudness: 0.9));
        var quiet = Run(preparation, TestWav.Sine(700, 8_000, 0.4, loudness: 0.009));
        for (var i = 0; i < loud.Length; i++) Assert.Equal(loud[i], quiet[i], 0.2f);
    }

    [Fact]
    public void A_batch_gives_what_its_sounds_give_alone()
    {
        var preparation = new SoundPreparation(8_000, 16, 2);
        var (one, two) = (TestWav.Sine(300, 8_000, 0.8), TestWav.Sine(2_000, 8_000, 0.8));
        two.AsSpan(0, 3_000).Clear();
        using var session = preparation.Load();
        using var input = OnnxTensor.Create<float>([.. one, .. two], 2, one.Length);
        using var output = session.Run(input)[0];

        var both = output.Span<float>().ToArray();

        Assert.Equal([2L, 1, SoundPreparation.Bands, 16], output.Shape);
        float[] apart = [.. Run(preparation, one), .. Run(preparation, two)];
        for (var i = 0; i < both.Length; i++) Assert.Equal(apart[i], both[i], 1e-4f);
    }

    [Theory]
    [InlineData(8_000, 0.25)]
    [InlineData(8_000, 1)]
    [InlineData(16_000, 5)]
    [InlineData(32_000, 60)]
    public void A_picture_shows_at_least_the_seconds_that_were_asked_for(int rate, double seconds)
    {
        var preparation = SoundPreparation.For(rate, seconds, 96);

        Assert.InRange(preparation.Seconds, seconds, seconds * 1.2 + 0.2);
        Assert.InRange(preparation.Frames, 16, 104);
        Assert.Equal(0, preparation.Frames % 8);
        Assert.True((preparation.Window & (preparation.Window - 1)) == 0, "a power of two");
    }

    [Fact]
    public void Every_band_hears_something()
    {
        foreach (var rate in (int[])[8_000, 16_000, 32_000])
        {
            var bands = new SoundPreparation(rate, 16, 1).MakeBands();
            for (var band = 0; band < SoundPreparation.Bands; band++)
                Assert.True(bands.Where((_, i) => i % SoundPreparation.Bands == band).Sum() > 0.1, $"band {band} at {rate}");
        }
    }

    private static float[] Run(SoundPreparation preparation, float[] samples)
    {
        using var session = preparation.Load();
        using var input = OnnxTensor.Create<float>(samples, 1, samples.Length);
        using var output = session.Run(input)[0];
        return output.Span<float>().ToArray();
    }

    /// <summary>[bands, frames].</summary>
    private static double[] Expect(SoundPreparation preparation, float[] samples)
    {
        var (hop, window, bins) = (preparation.Hop, preparation.Window, preparation.Window / 2 + 1);
        var missing = Math.Max(0, preparation.SamplesSeen - samples.Length);
        double[] padded = [.. new double[missing / 2], .. samples.Select(sample => (double)sample), .. new double[missing - missing / 2]];
        var (shape, bands) = (SoundPreparation.MakeWindow(window), preparation.MakeBands());
        var spectra = (padded.Length - window) / hop + 1;
        var moments = spectra / preparation.Pool;
        var power = new double[moments, SoundPreparation.Bands];
        var (cosines, sines) = (Enumerable.Range(0, window).Select(i => Math.Cos(2 * Math.PI * i / window)).ToArray(), Enumerable.Range(0, window).Select(i => Math.Sin(2 * Math.PI * i / window)).ToArray());
        for (var spectrum = 0; spectrum < moments * preparation.Pool; spectrum++)
        for (var bin = 0; bin < bins; bin++)
        {
            double real = 0, imaginary = 0;
            for (var i = 0; i < window; i++)
            {
                var value = padded[spectrum * hop + i] * shape[i];
                real += value * cosines[i * bin % window];
                imaginary += value * sines[i * bin % window];
            }
            for (var band = 0; band < SoundPreparation.Bands; band++)
                power[spectrum / preparation.Pool, band] += (real * real + imaginary * imaginary) * bands[bin * SoundPreparation.Bands + band] / preparation.Pool;
        }

        double Energy(int moment) => Enumerable.Range(0, SoundPreparation.Bands).Sum(band => power[moment, band]);
        var first = Enumerable.Range(0, moments - preparation.Frames + 1).MaxBy(start => Enumerable.Range(start, preparation.Frames).Sum(Energy));
        var picture = new double[SoundPreparation.Bands * preparation.Frames];
        for (var i = 0; i < picture.Length; i++) picture[i] = Math.Log(Math.Max(1e-15, power[first + i % preparation.Frames, i / preparation.Frames]));
        var peak = Math.Max(-13.8, picture.Max());
        return [.. picture.Select(value => Math.Max(SoundPreparation.Floor, value - peak))];
    }
}
