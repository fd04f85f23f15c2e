using Atoll.Contracts;
using Atoll.Serving.Onnx;
using Atoll.Training;
using Atoll.Training.Evaluation;
using Xunit;

namespace Atoll.Tests.Training.Evaluation;

/// <summary>Confidence, calibration, effects of columns and fairness, against values worked out by hand or published.</summary>
public sealed class TrustTests
{
    [Theory]
    [InlineData(5, 10, 0.2366, 0.7634)]
    [InlineData(0, 10, 0, 0.2775)]
    [InlineData(10, 10, 0.7225, 1)]
    [InlineData(0, 0, 0, 1)]
    public void Wilsons_interval_of_a_share_is_the_published_one(int hits, int count, double lower, double upper)
    {
        var found = Confidence.Wilson(hits, count);
        Assert.Equal((lower, upper), (Math.Round(found.Lower, 4), Math.Round(found.Upper, 4)));
    }

    [Theory]
    [InlineData(56, 70, 48, 80, 0.0524, 0.3339)]
    [InlineData(9, 10, 3, 10, 0.1705, 0.8090)]
    [InlineData(10, 10, 0, 20, 0.6791, 1.0000)]
    public void Newcombes_interval_of_a_difference_is_the_published_one(int hits, int count, int otherHits, int otherCount, double lower, double upper)
    {
        var found = Confidence.Newcombe(hits, count, otherHits, otherCount);
        Assert.Equal((lower, upper), (Math.Round(found.Lower, 4), Math.Round(found.Upper, 4)));
    }

    [Fact]
    public void Calibration_compares_what_is_stated_with_what_is_right_bin_by_bin()
    {
        // Four samples said to be 0.9 sure of which two are right, one said 0.6 that is right.
        var report = ClassificationMetrics.Compute(
            [0, 0, 1, 1, 0], [0, 0, 0, 0, 0], [0.9f, 0.1f, 0.9f, 0.1f, 0.9f, 0.1f, 0.9f, 0.1f, 0.6f, 0.4f], ["a", "b"], 2);
        Assert.Equal([(0.6, 1, 1.0), (0.9, 4, 0.5)], report.Calibration!.Select(bin => (Math.Round(bin.Stated, 6), bin.Count, bin.Observed)));
        Assert.Equal((Math.Abs(3.6 - 2) + Math.Abs(0.6 - 1)) / 5, report.Metrics[MetricNames.CalibrationError], 6);
        var accuracy = Assert.Single(report.Intervals!);
        Assert.Equal(MetricNames.Accuracy, accuracy.Metric);
        Assert.True(accuracy.Lower < 0.6 && accuracy.Upper > 0.6);
    }

    [Fact]
    public void Labels_of_a_multi_label_model_are_calibrated_together()
    {
        var report = MultiLabelMetrics.Compute([[0], [1]], [true, false, false, false], [0.8f, 0.2f, 0.2f, 0.2f], ["a", "b"], 2);
        Assert.Equal([(3, 1.0 / 3), (1, 1.0)], report.Calibration!.Select(bin => (bin.Count, bin.Observed)));
    }

    [Fact]
    public void A_column_that_the_model_goes_by_costs_much_when_it_is_dealt_anew_and_one_that_it_ignores_nothing()
    {
        var random = new Random(3);
        var (x, noise) = (new float[400], new float[400]);
        for (var i = 0; i < x.Length; i++) (x[i], noise[i]) = (random.Next(100), random.Next(100));
        using var session = OnnxSession.Load(Doubling());
        var table = new HeldOutTable(session, new TabularExamples([Numbers("x", x), Numbers("noise", noise), Numbers("y", [.. x.Select(value => 2 * value)])], x.Length, "y"));
        var signature = new ModelSignature
        {
            Task = TaskKinds.Regression, SampleType = DatasetTypes.Tabular, Outputs = [],
            Inputs = [Input("x") with { Importance = 0.9 }, Input("noise") with { Importance = 0.1 }],
        };

        var effects = ColumnEffectsMeasurement.Measure(table, signature, 1, new SilentTrainingReport(), CancellationToken.None)!;

        Assert.Equal((MetricNames.Rmse, 0.0, 400, 0), (effects.Metric, effects.Untouched, effects.Rows, effects.NotMeasured));
        Assert.Equal(["x", "noise"], effects.Columns.Select(column => column.Name));
        // Two independent draws from 0 to 99 differ by 40.8 in the root of the mean square; the model doubles that.
        Assert.InRange(effects.Columns[0].Shuffled, 75, 90);
        // Missing counts as nothing in this model: then it is off by 2x, whose root mean square is 114.6.
        Assert.InRange(effects.Columns[0].LeftOut, 105, 125);
        Assert.Equal((0.0, 0.0), (effects.Columns[1].Shuffled, effects.Columns[1].LeftOut));
        Assert.Equivalent(effects, ColumnEffectsMeasurement.Measure(table, signature, 1, new SilentTrainingReport(), CancellationToken.None));
    }

    [Fact]
    public void Groups_are_compared_with_the_largest_by_selection_and_by_errors()
    {
        // a: 60 rows, 30 have the label; given to 30 of them and 6 others. b: 40 rows, 20 have it; given to 5 of them and none other.
        var groups = Enumerable.Repeat("a", 60).Concat(Enumerable.Repeat("b", 40)).ToArray();
        var actual = groups.Select((group, i) => group == "a" ? i < 30 : i < 80).ToArray();
        var given = groups.Select((group, i) => group == "a" ? i < 36 : i < 65).ToArray();

        var compared = FairnessMeasurement.Compare("sex", groups, given, actual, "yes");

        Assert.Equal("a", compared.Reference);
        Assert.Equal([("a", 60, 30), ("b", 40, 20)], compared.Groups.Select(group => (group.Group, group.Count, group.Positives)));
        var (a, b) = (compared.Groups[0], compared.Groups[1]);
        Assert.Equal((0.6, 1.0, 0.2), (a.SelectionRate.Value, a.TruePositiveRate!.Value, a.FalsePositiveRate!.Value));
        Assert.Equal((0.125, 0.25, 0.0), (b.SelectionRate.Value, b.TruePositiveRate!.Value, b.FalsePositiveRate!.Value));
        Assert.Null(a.SelectionDifference);
        Assert.Equal(-0.475, b.SelectionDifference!.Value, 12);
        Assert.True(b.SelectionDifference.Upper < 0 && b.TruePositiveDifference!.Upper < 0);
        Assert.Contains("'yes' is predicted for 12.5 % of 'b' and 60.0 % of 'a': 47.5 points less", compared.Finding);
        Assert.Contains("it finds 25.0 % of 'b' and 100.0 % of 'a'", compared.Finding);
    }

    [Fact]
    public void A_difference_that_chance_explains_is_not_called_one()
    {
        string[] groups = ["a", "a", "a", "b", "b"];
        var compared = FairnessMeasurement.Compare("sex", groups, [true, false, true, false, false], [true, false, true, true, false], "yes");
        Assert.Contains("no group differs", compared.Finding);
    }

    [Fact]
    public void Groups_of_a_column_of_numbers_are_quarters_and_missing_values_a_group_of_their_own()
    {
        var graph = new OnnxGraphBuilder("labels");
        var x = graph.Input("x", TensorElementType.Float, "N", 1);
        var high = graph.Node("Cast", [graph.Node("Reshape", [graph.Node("GreaterOrEqual", [x, graph.Scalar("limit", 4f)]), graph.Constant("flat", [-1L])])], OnnxGraphBuilder.Attribute("to", (long)TensorElementType.Int64));
        graph.Output("label", graph.Node("Gather", [graph.Constant("labels", ["no", "yes"]), high]), TensorElementType.String, "N");
        using var session = OnnxSession.Load(graph.ToBytes());
        float[] values = [.. Enumerable.Range(0, 8).Select(i => (float)i), float.NaN];
        var table = new HeldOutTable(session, new TabularExamples(
            [Numbers("x", values), new ColumnValues { Name = "y", Type = ColumnTypes.Category, Texts = [.. values.Select(value => value >= 4 ? "yes" : "no")] }], values.Length, "y"));
        var signature = new ModelSignature { Task = TaskKinds.Classification, SampleType = DatasetTypes.Tabular, Inputs = [Input("x")], Outputs = [], Labels = ["no", "yes"] };

        var report = FairnessMeasurement.Measure(table, signature, ["x"], positive: null, CancellationToken.None);

        Assert.Equal("yes", report.Positive);
        Assert.Equal(
            [("(missing)", 1, 0.0), ("2 to below 4", 2, 0), ("4 to below 6", 2, 1), ("6 and more", 2, 1), ("below 2", 2, 0)],
            Assert.Single(report.Columns).Groups.Select(group => (group.Group, group.Count, group.SelectionRate.Value)).OrderBy(group => group.Group, StringComparer.Ordinal));
    }

    [Fact]
    public void Held_out_rows_that_were_learned_are_counted_by_what_the_model_reads_and_the_target()
    {
        TabularExamples Rows(params (float X, string? Plan, string Y, float Id)[] rows) => new(
            [
                Numbers("id", [.. rows.Select(row => row.Id)]), Numbers("x", [.. rows.Select(row => row.X)]),
                new ColumnValues { Name = "plan", Type = ColumnTypes.Category, Texts = [.. rows.Select(row => row.Plan)] },
                new ColumnValues { Name = "y", Type = ColumnTypes.Category, Texts = [.. rows.Select(row => row.Y)] },
            ], rows.Length, "y");
        var signature = new ModelSignature { Task = TaskKinds.Classification, SampleType = DatasetTypes.Tabular, Inputs = [Input("x"), Input("plan")], Outputs = [] };
        var learned = LearnedSamples.Of(Rows((1, "a", "no", 1), (float.NaN, null, "no", 2), (3, "b", "yes", 3)), signature);
        Assert.Equal(2, learned.CountIn(Rows((1, "a", "no", 9), (float.NaN, null, "no", 8), (3, "b", "no", 3), (3, "a", "yes", 3)), signature));

        var texts = LearnedSamples.Of(new TextExamples(["one", "two"], [[0], [0]], ["a"]));
        Assert.Equal(1, texts.CountIn(new TextExamples(["two", "Two"], [[0], [0]], ["a"])));
    }

    /// <summary>Twice x; nothing when it is missing. Also reads noise, which counts for nothing.</summary>
    private static byte[] Doubling()
    {
        var graph = new OnnxGraphBuilder("doubling");
        var x = graph.Input("x", TensorElementType.Float, "N", 1);
        var noise = graph.Input("noise", TensorElementType.Float, "N", 1);
        string Known(string value) => graph.Node("Where", [graph.Node("IsNaN", [value]), graph.Scalar("zero", 0f), value]);
        var sum = graph.Node("Add", [graph.Node("Mul", [Known(x), graph.Scalar("two", 2f)]), graph.Node("Mul", [Known(noise), graph.Scalar("nothing", 0f)])]);
        graph.Output("value", graph.Node("Reshape", [sum, graph.Constant("flat", [-1L])]), TensorElementType.Float, "N");
        return graph.ToBytes();
    }

    private static TensorSpec Input(string name) => new() { Name = name, Datatype = "FP32", Shape = [-1, 1], ColumnType = ColumnTypes.Number };

    private static ColumnValues Numbers(string name, float[] values) => new() { Name = name, Type = ColumnTypes.Number, Numbers = values };
}
