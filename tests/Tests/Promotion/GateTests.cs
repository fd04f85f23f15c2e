using Atoll.Contracts;
using Atoll.Promotion;
using Xunit;

namespace Atoll.Tests.Promotion;

public sealed class GateTests
{
    private static readonly Dictionary<string, double> Scores = new() { [MetricNames.Accuracy] = 0.9, [MetricNames.Rmse] = 12.5 };

    [Theory]
    [InlineData(MetricNames.Accuracy, 0.9, null, true, "accuracy 0.9 is at least 0.9.")]
    [InlineData(MetricNames.Accuracy, 0.91, null, false, "accuracy 0.9 is below 0.91.")]
    [InlineData(MetricNames.Rmse, null, 12.5, true, "rmse 12.5 is at most 12.5.")]
    [InlineData(MetricNames.Rmse, null, 12.0, false, "rmse 12.5 is above 12.")]
    [InlineData(MetricNames.Rmse, 10.0, 13.0, true, "rmse 12.5 is between 10 and 13.")]
    [InlineData(MetricNames.Auc, 0.5, null, false, "The version has no score 'auc'. It has accuracy, rmse.")]
    public void A_gate_says_what_it_found(string metric, double? atLeast, double? atMost, bool held, string explanation)
    {
        var result = Gate.Judge(new GateRequest { Metric = metric, AtLeast = atLeast, AtMost = atMost }, Scores);
        Assert.Equal((held, explanation), (result.Held, result.Explanation));
    }

    [Fact]
    public void An_imported_version_without_scores_passes_no_gate_and_is_told_why()
    {
        var result = Gate.Judge(new GateRequest { Metric = MetricNames.Accuracy, AtLeast = 0.1 }, new Dictionary<string, double>());
        Assert.False(result.Held);
        Assert.Contains("has no scores", result.Explanation);
        Assert.Empty(Gate.NotWorseThan(TaskKinds.Tensors, Scores));
    }

    [Fact]
    public void Without_gates_a_version_must_not_be_worse_than_the_one_it_replaces()
    {
        Assert.Equal([new GateRequest { Metric = MetricNames.Accuracy, AtLeast = 0.9 }], Gate.NotWorseThan(TaskKinds.Classification, Scores));
        Assert.Equal([new GateRequest { Metric = MetricNames.Rmse, AtMost = 12.5 }], Gate.NotWorseThan(TaskKinds.Regression, Scores));
        Assert.Empty(Gate.NotWorseThan(TaskKinds.MultiLabelClassification, Scores));
    }
}
