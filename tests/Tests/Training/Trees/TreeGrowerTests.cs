using Atoll.Training;
using Atoll.Training.Trees;
using Xunit;

namespace Atoll.Tests.Training.Trees;

/// <summary>Single trees against arithmetic that tries everything.</summary>
public sealed class TreeGrowerTests
{
    private const float L2 = 1;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void First_split_gains_as_much_as_the_best_of_all_possible_splits(int seed)
    {
        var (columns, gradient, hessian) = Data((ulong)seed, rows: 70, features: 3);
        var data = BinnedFeatures.Fit(columns, 70);
        var grower = new TreeGrower(data, new TreeSettings { Leaves = 2, LeafRowsMin = 5, L2 = L2 });

        var tree = grower.Grow(gradient, hessian, Rows(70));

        var best = 0.0;
        foreach (var column in columns)
        {
            foreach (var limit in column.Where(value => !float.IsNaN(value)).Append(float.PositiveInfinity))
            {
                foreach (var missingLeft in (bool[])[true, false])
                {
                    var left = Rows(70).Where(row => float.IsNaN(column[row]) ? missingLeft : column[row] <= limit).ToArray();
                    if (left.Length < 5 || left.Length > 65) continue;
                    best = Math.Max(best, Gain(Rows(70), left, gradient, hessian));
                }
            }
        }
        Assert.Equal(best, Gain(Rows(70), grower.RowsOf(0).ToArray(), gradient, hessian), best * 1e-3);
        Assert.Equal(best, tree.Gain[0], best * 1e-3);
    }

    [Fact]
    public void Gains_of_deep_splits_are_those_of_their_rows_so_subtracted_histograms_are_exact()
    {
        var (columns, gradient, hessian) = Data(9, rows: 600, features: 5);
        var data = BinnedFeatures.Fit(columns, 600);
        var grower = new TreeGrower(data, new TreeSettings { Leaves = 31, LeafRowsMin = 4, L2 = L2 });

        var tree = grower.Grow(gradient, hessian, Rows(600));

        Assert.Equal(31, tree.Values.Length);
        var rowsOf = new Dictionary<int, int[]> { [0] = Rows(600) };
        for (var node = 0; node < tree.Feature.Length; node++)
        {
            var rows = rowsOf[node];
            bool GoesLeft(int row)
            {
                var value = columns[tree.Feature[node]][row];
                return float.IsNaN(value) ? tree.MissingGoesLeft[node] : value <= tree.Threshold[node];
            }
            var left = rows.Where(GoesLeft).ToArray();
            var right = rows.Except(left).ToArray();
            Assert.Equal(Gain(rows, left, gradient, hessian), tree.Gain[node], 1e-3 * Math.Max(1, tree.Gain[node]));
            foreach (var (child, part) in new[] { (tree.Left[node], left), (tree.Right[node], right) })
            {
                Assert.True(part.Length >= 4, $"a part has {part.Length} rows");
                if (child >= 0) rowsOf[child] = part;
                else Assert.Equal(part.Order(), grower.RowsOf(~child).ToArray().Order());
            }
        }
    }

    [Fact]
    public void Leaves_are_split_in_the_order_of_their_gain()
    {
        var (columns, gradient, hessian) = Data(4, rows: 500, features: 4);
        var small = new TreeGrower(BinnedFeatures.Fit(columns, 500), new TreeSettings { Leaves = 8 }).Grow(gradient, hessian, Rows(500));
        var large = new TreeGrower(BinnedFeatures.Fit(columns, 500), new TreeSettings { Leaves = 16 }).Grow(gradient, hessian, Rows(500));

        Assert.Equal(small.Feature, large.Feature[..7]);
        Assert.Equal(small.Threshold, large.Threshold[..7]);
    }

    [Theory]
    [InlineData(5f, true)]
    [InlineData(-5f, false)]
    public void Missing_values_go_where_their_rows_belong(float missingGradient, bool withSmall)
    {
        // Small values have gradient 5, large ones -5.
        float[] column = [.. Enumerable.Range(0, 90).Select(row => row < 30 ? 1f + row : row < 60 ? 100f + row : float.NaN)];
        float[] gradient = [.. Enumerable.Range(0, 90).Select(row => row < 30 ? 5f : row < 60 ? -5f : missingGradient)];
        var tree = Grow(column, gradient, leaves: 2);

        Assert.Equal(withSmall, tree.MissingGoesLeft[0]);
        Assert.Equal(tree.Predict([withSmall ? 3f : 150f]), tree.Predict([float.NaN]));
        Assert.NotEqual(tree.Predict([3f]), tree.Predict([150f]));
    }

    [Fact]
    public void Missing_values_can_be_parted_from_all_others()
    {
        float[] column = [.. Enumerable.Range(0, 80).Select(row => row < 40 ? row : float.NaN)];
        float[] gradient = [.. Enumerable.Range(0, 80).Select(row => row < 40 ? 1f : -1f)];
        var tree = Grow(column, gradient, leaves: 2);

        Assert.True(tree.Predict([float.NaN]) > 0);
        Assert.True(tree.Predict([0f]) < 0);
        Assert.Equal(tree.Predict([0f]), tree.Predict([float.MaxValue]));
    }

    [Fact]
    public void A_value_missing_for_the_first_time_goes_with_the_larger_part()
    {
        float[] column = [.. Enumerable.Range(0, 100).Select(row => (float)row)];
        float[] gradient = [.. Enumerable.Range(0, 100).Select(row => row < 70 ? 1f : -1f)];
        var tree = Grow(column, gradient, leaves: 2);

        Assert.Equal(tree.Predict([10f]), tree.Predict([float.NaN]));
    }

    [Fact]
    public void Nothing_to_gain_leaves_one_leaf()
    {
        float[] column = [.. Enumerable.Range(0, 100).Select(row => (float)row)];
        var tree = Grow(column, Enumerable.Repeat(1f, 100).ToArray(), leaves: 31);

        Assert.Empty(tree.Feature);
        Assert.Equal(-0.05f * 100 / 101, Assert.Single(tree.Values), 1e-6f);
    }

    [Fact]
    public void Bins_and_values_lead_to_the_same_leaf()
    {
        var (columns, gradient, hessian) = Data(6, rows: 400, features: 4);
        var data = BinnedFeatures.Fit(columns, 400, mostBins: 20);
        var tree = new TreeGrower(data, new TreeSettings { Leaves = 20 }).Grow(gradient, hessian, Rows(400));

        for (var row = 0; row < 400; row++)
        {
            var leaf = tree.LeafOf(data.Bins.AsSpan(row * 4, 4), data.Features);
            Assert.Equal(tree.Values[leaf], tree.Predict([.. columns.Select(column => column[row])]));
        }
    }

    private static Tree Grow(float[] column, float[] gradient, int leaves) =>
        new TreeGrower(BinnedFeatures.Fit([column], column.Length), new TreeSettings { Leaves = leaves, LeafRowsMin = 5, L2 = L2 })
            .Grow(gradient, Enumerable.Repeat(1f, column.Length).ToArray(), Rows(column.Length));

    private static double Gain(int[] rows, int[] left, float[] gradient, float[] hessian)
    {
        double Score(IEnumerable<int> part)
        {
            double g = 0, h = 0;
            foreach (var row in part)
            {
                g += gradient[row];
                h += hessian[row];
            }
            return g * g / (h + L2);
        }
        return Score(left) + Score(rows.Except(left)) - Score(rows);
    }

    private static (float[][] Columns, float[] Gradient, float[] Hessian) Data(ulong seed, int rows, int features)
    {
        var random = new SplitMix64(seed);
        var columns = new float[features][];
        for (var f = 0; f < features; f++)
        {
            columns[f] = new float[rows];
            for (var row = 0; row < rows; row++)
                columns[f][row] = random.NextDouble() < 0.15 ? float.NaN : f == 0 ? random.Next(6) : (float)random.NextDouble();
        }
        var gradient = new float[rows];
        var hessian = new float[rows];
        for (var row = 0; row < rows; row++)
        {
            gradient[row] = (float)(random.NextDouble() - 0.5) + (float.IsNaN(columns[1][row]) ? 0.3f : columns[1][row] > 0.6f ? 0.5f : -0.2f);
            hessian[row] = 0.05f + (float)random.NextDouble();
        }
        return (columns, gradient, hessian);
    }

    private static int[] Rows(int count) => [.. Enumerable.Range(0, count)];
}
