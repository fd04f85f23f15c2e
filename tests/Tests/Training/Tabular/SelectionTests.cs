using Atoll.Contracts;
using Atoll.Training;
using Atoll.Training.Tabular;
using Xunit;

namespace Atoll.Tests.Training.Tabular;

/// <summary>Folds, the mean of candidates, and intervals.</summary>
public sealed class SelectionTests
{
    [Theory]
    [InlineData(5)]
    [InlineData(3)]
    public void Every_row_is_held_out_once_and_labels_are_spread_evenly(int wanted)
    {
        var target = Target([.. Enumerable.Range(0, 200).Select(row => row % 10 == 0 ? "rare" : "common")]);

        var folds = Folds.Split(target, wanted, 1);

        Assert.Equal(wanted, folds.Count);
        Assert.Equal(Enumerable.Range(0, 200), folds.AllHeld);
        for (var fold = 0; fold < wanted; fold++)
        {
            Assert.Empty(folds.Held[fold].Intersect(folds.Rows[fold]));
            Assert.Equal(200, folds.Held[fold].Length + folds.Rows[fold].Length);
            Assert.InRange(folds.Held[fold].Count(row => target.Values[row] == 1), 20 / wanted, (20 / wanted) + 1);
        }
    }

    [Fact]
    public void The_mean_is_chosen_only_when_it_is_better()
    {
        var truth = new double[] { 1, 2, 3, 4 };
        double Score(double[] outputs) => Math.Sqrt(outputs.Zip(truth, (a, b) => (a - b) * (a - b)).Average());
        CandidateResult Candidate(params double[] outputs) => new("", outputs, Score(outputs), _ => throw new InvalidOperationException());

        // Opposite errors cancel.
        Assert.Equal([0.5, 0.5], Blend.Choose([Candidate(2, 3, 4, 5), Candidate(0, 1, 2, 3)], Score));
        Assert.Equal([0, 1], Blend.Choose([Candidate(3, 4, 5, 6), Candidate(2, 3, 4, 5)], Score));
        Assert.Equal([1], Blend.Choose([Candidate(3, 4, 5, 6)], Score));
    }

    [Fact]
    public void Intervals_widen_where_errors_are_larger()
    {
        var random = new SplitMix64(1);
        var predicted = new double[4000];
        var actual = new float[4000];
        for (var i = 0; i < predicted.Length; i++)
        {
            predicted[i] = random.NextDouble() * 10;
            actual[i] = (float)(predicted[i] + ((random.NextDouble() - 0.5) * predicted[i]));
        }

        var interval = PredictionInterval.Fit(predicted, actual);

        double Width(float value) => interval.Upper[interval.GroupOf(value)] - interval.Lower[interval.GroupOf(value)];
        Assert.InRange(Width(9.9f), 8, 10);
        Assert.InRange(Width(1f), 0.7, 1.3);
        var inside = Enumerable.Range(0, 4000).Count(i =>
            actual[i] >= predicted[i] + interval.Lower[interval.GroupOf((float)predicted[i])] && actual[i] <= predicted[i] + interval.Upper[interval.GroupOf((float)predicted[i])]);
        Assert.InRange(inside / 4000.0, 0.89, 0.92);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(30)]
    [InlineData(250)]
    public void Equal_predictions_share_a_group(int rows)
    {
        var interval = PredictionInterval.Fit(Enumerable.Repeat(2.0, rows).ToArray(), [.. Enumerable.Range(0, rows).Select(row => (float)row)]);

        Assert.Empty(interval.Limits);
        Assert.Single(interval.Lower);
        Assert.True(interval.Lower[0] <= 0 && interval.Upper[0] >= 0);
    }

    private static TargetValues Target(string[] labels) =>
        TargetValues.Read(new ColumnValues { Name = "target", Type = ColumnTypes.Category, Texts = labels }, labels.Length, null);
}
