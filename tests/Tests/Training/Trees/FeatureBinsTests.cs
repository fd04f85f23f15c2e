using Atoll.Training;
using Atoll.Training.Trees;
using Xunit;

namespace Atoll.Tests.Training.Trees;

/// <summary>How values fall into bins.</summary>
public sealed class FeatureBinsTests
{
    [Theory]
    [InlineData(10)]
    [InlineData(500)]
    [InlineData(20_000)]
    public void Every_value_lies_between_the_limits_of_its_bin(int rows)
    {
        var random = new SplitMix64(1);
        var values = new float[rows];
        for (var i = 0; i < rows; i++) values[i] = (float)Math.Exp((random.NextDouble() - 0.5) * 40);
        var bins = FeatureBins.Fit([.. values], FeatureBins.MostBins);

        Assert.InRange(bins.Limits.Length, 1, FeatureBins.MostBins - 1);
        foreach (var value in values)
        {
            var bin = bins.BinOf(value);
            Assert.True(value <= bins.LimitOf(bin));
            Assert.True(bin == 0 || value > bins.Limits[bin - 1]);
        }
    }

    [Fact]
    public void Limits_ascend_and_bins_hold_like_numbers_of_rows()
    {
        var random = new SplitMix64(2);
        var values = new float[10_000];
        for (var i = 0; i < values.Length; i++) values[i] = (float)(random.NextDouble() * random.NextDouble());
        var bins = FeatureBins.Fit([.. values], 50);

        Assert.Equal(bins.Limits.Order(), bins.Limits);
        var counts = values.CountBy(bins.BinOf).Select(pair => pair.Value).ToArray();
        Assert.Equal(50, counts.Length);
        Assert.All(counts, count => Assert.InRange(count, 100, 400));
    }

    [Fact]
    public void Few_values_have_a_bin_each()
    {
        var bins = FeatureBins.Fit([3, 1, 1, 2, 3, 3, 3, 3, float.NaN, 7], FeatureBins.MostBins);

        Assert.Equal([0, 1, 2, 3], ((float[])[1, 2, 3, 7]).Select(bins.BinOf));
        Assert.Equal(4, bins.MissingBin);
        Assert.Equal(bins.MissingBin, bins.BinOf(float.NaN));
    }

    [Fact]
    public void Neighbouring_floats_are_told_apart()
    {
        var next = MathF.BitIncrement(1f);
        var bins = FeatureBins.Fit([1f, 1f, next, next], FeatureBins.MostBins);

        Assert.Equal(0, bins.BinOf(1f));
        Assert.Equal(1, bins.BinOf(next));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(4f)]
    public void A_column_without_difference_has_no_limit(float value)
    {
        var bins = FeatureBins.Fit([value, value, value], FeatureBins.MostBins);

        Assert.Empty(bins.Limits);
        Assert.Equal(2, bins.Count);
    }
}
