using Atoll.Contracts;
using Atoll.Training.Evaluation;
using Xunit;

namespace Atoll.Tests.Training.Evaluation;

/// <summary>Scores against values worked out by hand.</summary>
public sealed class MetricsTests
{
    [Fact]
    public void Auc_counts_a_tie_as_half()
    {
        // Pairs (positive, negative): (.9,.5) 1, (.9,.1) 1, (.5,.5) one half, (.5,.1) 1: 3.5 of 4.
        float[] scores = [0.9f, 0.5f, 0.5f, 0.1f];
        Assert.Equal(0.875, RankingMetrics.Auc(scores, [true, true, false, false])!.Value, 12);
    }

    [Theory]
    [InlineData(new[] { 0.1f, 0.2f, 0.3f, 0.4f }, 1.0)]
    [InlineData(new[] { 0.4f, 0.3f, 0.2f, 0.1f }, 0.0)]
    [InlineData(new[] { 0.3f, 0.3f, 0.3f, 0.3f }, 0.5)]
    public void Auc_is_one_for_the_right_order_zero_for_the_reverse_and_half_for_none(float[] scores, double expected) =>
        Assert.Equal(expected, RankingMetrics.Auc(scores, [false, false, true, true])!.Value, 12);

    [Fact]
    public void Auc_equals_the_count_over_all_pairs()
    {
        var random = new Random(7);
        var scores = new float[300];
        var positive = new bool[300];
        for (var i = 0; i < scores.Length; i++)
        {
            positive[i] = random.Next(3) == 0;
            scores[i] = random.Next(20) + (positive[i] ? 3 : 0);
        }
        double won = 0;
        long pairs = 0;
        for (var i = 0; i < scores.Length; i++)
        {
            for (var j = 0; j < scores.Length; j++)
            {
                if (!positive[i] || positive[j]) continue;
                pairs++;
                won += scores[i] > scores[j] ? 1 : scores[i].Equals(scores[j]) ? 0.5 : 0;
            }
        }
        Assert.Equal(won / pairs, RankingMetrics.Auc(scores, positive)!.Value, 12);
    }

    [Fact]
    public void Average_precision_takes_ties_together()
    {
        // First .9 (positive): 1/1. Then the tie of .5 (one of each): 2/3. Mean over two positives.
        float[] scores = [0.9f, 0.5f, 0.5f, 0.1f];
        Assert.Equal((1.0 + 2.0 / 3) / 2, RankingMetrics.AveragePrecision(scores, [true, true, false, false])!.Value, 12);
    }

    [Fact]
    public void Areas_are_absent_when_only_one_kind_of_sample_exists()
    {
        var report = ClassificationMetrics.Compute([0, 0], [0, 1], [0.9f, 0.1f, 0.4f, 0.6f], ["no", "yes"], 2);
        Assert.DoesNotContain(MetricNames.Auc, report.Metrics.Keys);
        Assert.DoesNotContain(MetricNames.AucPr, report.Metrics.Keys);
        Assert.Equal(0.5, report.Metrics[MetricNames.Accuracy]);
        Assert.Equal((0.1 * 0.1 + 0.6 * 0.6) / 2, report.Metrics[MetricNames.Brier], 6);
    }

    [Fact]
    public void Classification_scores_match_a_table_worked_by_hand()
    {
        // actual a a a b b c, predicted a a b b c c; d never occurs and is never predicted.
        string[] labels = ["a", "b", "c", "d"];
        int[] actual = [0, 0, 0, 1, 1, 2];
        int[] predicted = [0, 0, 1, 1, 2, 2];
        var probabilities = new float[24];
        for (var i = 0; i < 6; i++) probabilities[4 * i + predicted[i]] = 1;

        var report = ClassificationMetrics.Compute(actual, predicted, probabilities, labels, 4);

        Assert.Equal(6, report.SampleCount);
        Assert.Equal([[2, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]], report.ConfusionMatrix!);
        double f1A = 0.8, f1B = 0.5, f1C = 2.0 / 3;
        Assert.Equal(4.0 / 6, report.Metrics[MetricNames.Accuracy], 12);
        Assert.Equal((f1A + f1B + f1C) / 3, report.Metrics[MetricNames.MacroF1], 12);
        Assert.Equal((1 + 0.5 + 0.5) / 3, report.Metrics[MetricNames.MacroPrecision], 12);
        Assert.Equal((2.0 / 3 + 0.5 + 1) / 3, report.Metrics[MetricNames.MacroRecall], 12);
        Assert.Equal((3 * f1A + 2 * f1B + f1C) / 6, report.Metrics[MetricNames.WeightedF1], 12);
        Assert.Equal(2 * -Math.Log(1e-7) / 6, report.Metrics[MetricNames.LogLoss], 9);
        Assert.Equal(2.0 / 6, report.Metrics[MetricNames.CalibrationError], 12);
        Assert.Equal([3, 2, 1, 0], report.PerLabel!.Select(l => l.Support));
        Assert.Equal(0, report.PerLabel![3].F1);
    }

    [Fact]
    public void A_label_that_only_the_samples_have_counts_as_a_miss()
    {
        var report = ClassificationMetrics.Compute([0, 2], [0, 1], [0.8f, 0.2f, 0.3f, 0.7f], ["a", "b", "new"], 2);
        Assert.Equal(0.5, report.Metrics[MetricNames.Accuracy]);
        Assert.Equal(1, report.ConfusionMatrix![2][1]);
        // a: 1, b: predicted once and never right, new: never found.
        Assert.Equal(1.0 / 3, report.Metrics[MetricNames.MacroF1], 12);
        Assert.DoesNotContain(MetricNames.Auc, report.Metrics.Keys);
    }

    [Fact]
    public void Multi_label_scores_match_a_table_worked_by_hand()
    {
        // x: truth 1 1 0, said 1 0 1. y: truth 0 1 0, said 0 1 0. z: never either.
        int[][] actual = [[0], [0, 1], []];
        bool[] selected = [true, false, false, false, true, false, true, false, false];
        float[] probabilities = [0.8f, 0.1f, 0.1f, 0.4f, 0.9f, 0.1f, 0.6f, 0.2f, 0.1f];

        var report = MultiLabelMetrics.Compute(actual, selected, probabilities, ["x", "y", "z"], 3);

        Assert.Equal(1.0 / 3, report.Metrics[MetricNames.SubsetAccuracy], 12);
        Assert.Equal(2.0 * 2 / (3 + 3), report.Metrics[MetricNames.MicroF1], 12);
        Assert.Equal((0.5 + 1) / 2, report.Metrics[MetricNames.MacroF1], 12);
        double[] truths = [0.8, 0.9, 0.9, 0.4, 0.9, 0.9, 0.4, 0.8, 0.9];
        Assert.Equal(truths.Average(p => -Math.Log(p)), report.Metrics[MetricNames.LogLoss], 6);
        Assert.Null(report.ConfusionMatrix);
    }

    [Fact]
    public void Regression_scores_match_values_worked_by_hand()
    {
        float[] actual = [1, 2, 3, 6];
        float[] predicted = [2, 2, 1, 7];
        var report = RegressionMetrics.Compute(actual, predicted, [0, 0, 0, 7], [1, 4, 2, 8]);
        Assert.Equal(Math.Sqrt(6.0 / 4), report.Metrics[MetricNames.Rmse], 12);
        Assert.Equal(1.0, report.Metrics[MetricNames.Mae], 12);
        Assert.Equal(1.0, report.Metrics[MetricNames.MedianAbsoluteError], 12);
        Assert.Equal(1 - 6.0 / 14, report.Metrics[MetricNames.R2], 12);
        Assert.Equal(0.5, report.Metrics[MetricNames.IntervalCoverage], 12);
        Assert.Equal((1 + 4 + 2 + 1) / 4.0, report.Metrics[MetricNames.IntervalWidth], 12);
    }

    [Fact]
    public void R2_is_absent_when_the_target_does_not_vary()
    {
        var report = RegressionMetrics.Compute([5f, 5f], [5f, 6f]);
        Assert.DoesNotContain(MetricNames.R2, report.Metrics.Keys);
        Assert.DoesNotContain(MetricNames.IntervalCoverage, report.Metrics.Keys);
    }

    [Fact]
    public void Every_score_knows_its_better_direction()
    {
        Assert.True(MetricNames.HigherIsBetter(MetricNames.MacroF1));
        Assert.False(MetricNames.HigherIsBetter(MetricNames.LogLoss));
        Assert.Null(MetricNames.HigherIsBetter(MetricNames.IntervalCoverage));
        Assert.Null(MetricNames.HigherIsBetter("no-such-score"));
        foreach (var task in (string[])[TaskKinds.Classification, TaskKinds.MultiLabelClassification, TaskKinds.Regression])
            Assert.NotNull(MetricNames.HigherIsBetter(MetricNames.Primary(task)));
    }

    [Fact]
    public void Nothing_to_evaluate_on_is_an_error()
    {
        Assert.Throws<ArgumentException>(() => ClassificationMetrics.Compute([], [], [], ["a", "b"], 2));
        Assert.Throws<ArgumentException>(() => MultiLabelMetrics.Compute([], [], [], ["a", "b"], 2));
        Assert.Throws<ArgumentException>(() => RegressionMetrics.Compute([], []));
        Assert.Throws<ArgumentException>(() => ClassificationMetrics.Compute([0], [0], [0.5f], ["a", "b"], 2));
    }
}
