using Atoll.Platform.Audio;

namespace Atoll.Tests.Platform.Audio;

/// <summary>What both rates can carry comes through as it was, and what the lower one cannot carry is gone.</summary>
public sealed class ResamplerTests
{
    [Theory]
    [InlineData(44_100, 16_000, 1_000)]
    [InlineData(44_100, 16_000, 6_500)]
    [InlineData(48_000, 8_000, 3_000)]
    [InlineData(8_000, 16_000, 3_300)]
    [InlineData(11_025, 8_000, 440)]
    [InlineData(192_000, 16_000, 5_000)]
    [InlineData(44_099, 16_001, 2_500)]
    public void A_tone_stays_the_same_tone(int from, int to, double hertz)
    {
        var heard = Resampler.Resample(TestWav.Sine(hertz, from, 0.5), from, to);
        var expected = TestWav.Sine(hertz, to, 0.5);

        Assert.InRange(heard.Length, expected.Length, expected.Length + 1);
        // The ends are cut off in both.
        for (var i = to / 20; i < expected.Length - to / 20; i++) Assert.InRange(heard[i], expected[i] - 5e-4f, expected[i] + 5e-4f);
    }

    [Theory]
    [InlineData(44_100, 16_000, 8_100)]
    [InlineData(48_000, 8_000, 5_000)]
    [InlineData(192_000, 16_000, 60_000)]
    [InlineData(11_025, 8_000, 4_500)]
    public void A_tone_that_the_rate_cannot_carry_is_gone_and_no_other_comes(int from, int to, double hertz)
    {
        var heard = Resampler.Resample(TestWav.Sine(hertz, from, 0.5), from, to);

        var loudest = heard[(to / 20)..^(to / 20)].Max(Math.Abs);
        Assert.True(loudest < 5e-4, $"{loudest} of 0.5 is left");
    }

    [Fact]
    public void The_same_rate_changes_nothing_and_a_level_stays_a_level()
    {
        float[] samples = [.. Enumerable.Repeat(0.25f, 4_000)];

        Assert.Same(samples, Resampler.Resample(samples, 8_000, 8_000));
        foreach (var to in (int[])[8_000, 12_345, 96_000])
        {
            var heard = Resampler.Resample(samples, 16_000, to);
            Assert.Equal(Resampler.LengthOf(samples.Length, 16_000, to), heard.Length);
            Assert.InRange(heard[heard.Length / 2], 0.2495f, 0.2505f);
        }
        Assert.Single(Resampler.Resample([0.5f], 192_000, 8_000));
    }
}
