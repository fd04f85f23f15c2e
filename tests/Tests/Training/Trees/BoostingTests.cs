using Atoll.Training;
using Atoll.Training.Trees;
using Xunit;

namespace Atoll.Tests.Training.Trees;

/// <summary>Many trees together.</summary>
public sealed class BoostingTests
{
    private static readonly TreeSettings Settings = new() { Leaves = 8, LeafRowsMin = 5, LearningRate = 0.2f };

    [Theory]
    [InlineData(nameof(LossKind.Squared), 1)]
    [InlineData(nameof(LossKind.Logistic), 1)]
    [InlineData(nameof(LossKind.Softmax), 3)]
    public void What_linear_models_cannot_see_is_learned(string lossName, int outputs)
    {
        var loss = Enum.Parse<LossKind>(lossName);
        var problem = Problem(loss, outputs, seed: 3);

        var result = Boosting.Train(problem, Settings, 60, int.MaxValue, 1, null, null, CancellationToken.None);

        Assert.Equal(60, result.Model.Iterations);
        Assert.True(result.ValidationLosses[^1] < 0.4 * result.ValidationLosses[0], $"{result.ValidationLosses[0]} to {result.ValidationLosses[^1]}");
    }

    [Theory]
    [InlineData(nameof(LossKind.Squared), 1)]
    [InlineData(nameof(LossKind.Logistic), 1)]
    [InlineData(nameof(LossKind.Softmax), 3)]
    public void Each_iteration_lowers_the_training_loss(string lossName, int outputs)
    {
        var loss = Enum.Parse<LossKind>(lossName);
        var losses = new List<double>();

        Boosting.Train(Problem(loss, outputs, seed: 5), Settings, 20, int.MaxValue, 1, (_, train, _) => losses.Add(train), null, CancellationToken.None);

        Assert.Equal(losses.OrderDescending(), losses);
    }

    [Fact]
    public void Training_stops_when_the_validation_loss_no_longer_falls()
    {
        // Labels by chance: there is nothing to learn.
        var problem = Problem(LossKind.Logistic, 1, seed: 8);
        var random = new SplitMix64(4);
        for (var i = 0; i < problem.Target.Length; i++) problem.Target[i] = random.Next(2);

        var result = Boosting.Train(problem, Settings, 1000, 10, 1, null, null, CancellationToken.None);

        var best = result.ValidationLosses.Min();
        Assert.InRange(result.Model.Iterations, 11, 100);
        Assert.True(result.ValidationLosses[^11] <= best + 1e-12);
    }

    [Fact]
    public void Same_seed_gives_the_same_trees_and_another_seed_does_not()
    {
        var settings = Settings with { RowFraction = 0.7, FeatureFraction = 0.5 };
        float[] Values(ulong seed) =>
        [
            .. Boosting.Train(Problem(LossKind.Logistic, 1, seed: 2), settings, 10, int.MaxValue, seed, null, null, CancellationToken.None)
                .Model.Trees.SelectMany(tree => tree.Values),
        ];

        Assert.Equal(Values(1), Values(1));
        Assert.NotEqual(Values(1), Values(2));
    }

    [Fact]
    public void A_weight_of_two_is_a_row_that_comes_twice()
    {
        var once = Problem(LossKind.Logistic, 1, seed: 6);
        var rows = once.TrainRows;
        var weights = Enumerable.Repeat(1f, once.Target.Length).ToArray();
        foreach (var row in rows.Where(row => row % 3 == 0)) weights[row] = 2;
        var settings = Settings with { LeafRowsMin = 1, Leaves = 4 };

        var weighted = Boosting.Train(once with { Weights = weights }, settings, 5, int.MaxValue, 1, null, null, CancellationToken.None);
        var repeated = Boosting.Train(
            once with { TrainRows = [.. rows.Concat(rows.Where(row => row % 3 == 0)).Order()] }, settings, 5, int.MaxValue, 1, null, null, CancellationToken.None);

        Assert.Equal(weighted.Model.Base[0], repeated.Model.Base[0], 1e-9);
        Assert.Equal(weighted.Model.Trees[0].Feature, repeated.Model.Trees[0].Feature);
        Assert.Equal(weighted.Model.Trees[0].Values[0], repeated.Model.Trees[0].Values[0], 1e-5f);
    }

    [Fact]
    public void The_mean_of_models_predicts_the_mean()
    {
        var problem = Problem(LossKind.Softmax, 3, seed: 7);
        BoostedTrees Train(ulong seed) =>
            Boosting.Train(problem, Settings with { RowFraction = 0.5 }, 4, int.MaxValue, seed, null, null, CancellationToken.None).Model;
        BoostedTrees[] members = [Train(1), Train(2)];
        var mean = BoostedTrees.Average(members);

        var scores = new double[3];
        var expected = new double[3];
        foreach (var member in members)
        {
            member.Predict([0.2f, 0.8f], scores);
            for (var k = 0; k < 3; k++) expected[k] += scores[k] / 2;
        }
        mean.Predict([0.2f, 0.8f], scores);
        for (var k = 0; k < 3; k++) Assert.Equal(expected[k], scores[k], 1e-6);
    }

    /// <summary>Two features of which only the combination matters.</summary>
    private static BoostingProblem Problem(LossKind loss, int outputs, ulong seed)
    {
        const int Count = 600;
        var random = new SplitMix64(seed);
        var columns = new[] { new float[Count], new float[Count] };
        var target = new float[Count];
        for (var i = 0; i < Count; i++)
        {
            columns[0][i] = (float)random.NextDouble();
            columns[1][i] = (float)random.NextDouble();
            var differs = (columns[0][i] > 0.5f) != (columns[1][i] > 0.5f);
            target[i] = loss == LossKind.Softmax && columns[0][i] > 0.8f ? 2 : differs ? 1 : 0;
        }
        int[] rows = [.. Enumerable.Range(0, Count)];
        return new BoostingProblem(BinnedFeatures.Fit(columns, Count), target, loss, outputs, rows[..400], rows[400..]);
    }
}
