using Atoll.Contracts;
using Atoll.Platform.Imaging;
using Atoll.Serving.Onnx;
using Atoll.Training;
using Atoll.Training.Evaluation;
using Xunit;

namespace Atoll.Tests.Training.Evaluation;

/// <summary>Evaluation through ONNX Runtime, on small models whose answers are known.</summary>
public sealed class ModelEvaluatorTests
{
    private static readonly string[] NoYes = ["no", "yes"];

    [Fact]
    public void Texts_are_compared_by_label_name_whatever_their_order()
    {
        using var session = OnnxSession.Load(SaysYesTo("good"));
        var examples = new TextExamples(
            ["good", "a much longer text that is not", "good", "bad", ""], [[0], [1], [1], [1], [2]], ["yes", "no", "maybe"]);

        var report = ModelEvaluator.Evaluate(session, Classifier(DatasetTypes.Text), examples, CancellationToken.None);

        Assert.Equal(["no", "yes", "maybe"], report.Labels!);
        Assert.Equal([[2, 1, 0], [0, 1, 0], [1, 0, 0]], report.ConfusionMatrix!);
        Assert.Equal(3.0 / 5, report.Metrics[MetricNames.Accuracy], 12);
    }

    [Fact]
    public void A_label_that_no_sample_has_is_left_out_of_the_report()
    {
        using var session = OnnxSession.Load(SaysYesTo("good"));
        var examples = new TextExamples(["good", "bad"], [[0], [1]], ["yes", "no", "maybe"]);
        var report = ModelEvaluator.Evaluate(session, Classifier(DatasetTypes.Text), examples, CancellationToken.None);
        Assert.Equal(NoYes, report.Labels!);
        Assert.Equal(1.0, report.Metrics[MetricNames.Auc]);
    }

    [Fact]
    public void Images_of_different_sizes_keep_their_labels()
    {
        using var session = OnnxSession.Load(SaysYesToBright());
        var random = new Random(11);
        var images = new List<RgbImage>();
        var labels = new List<int[]>();
        for (var i = 0; i < 60; i++)
        {
            var bright = random.Next(2);
            var (width, height) = (random.Next(1, 4), random.Next(1, 4));
            var pixels = new byte[width * height * 3];
            Array.Fill(pixels, (byte)(bright == 1 ? 250 : 5));
            images.Add(new RgbImage(width, height, pixels));
            labels.Add([bright]);
        }
        var examples = new ImageExamples(images.Count, i => images[i], labels, NoYes);
        var report = ModelEvaluator.Evaluate(session, Classifier(DatasetTypes.Image), examples, CancellationToken.None);
        Assert.Equal(60, report.SampleCount);
        Assert.Equal(1.0, report.Metrics[MetricNames.Accuracy]);
    }

    [Fact]
    public void Numbers_are_compared_and_rows_without_a_target_are_left_out()
    {
        var graph = new OnnxGraphBuilder("identity");
        var x = graph.Input("x", TensorElementType.Float, "N", 1);
        var value = graph.Node("Reshape", [x, graph.Constant("shape", [-1L])]);
        graph.Output("value", value, TensorElementType.Float, "N");
        graph.Output("lower", graph.Node("Sub", [value, graph.Scalar("one", 1f)]), TensorElementType.Float, "N");
        graph.Output("upper", graph.Node("Add", [value, graph.Scalar("one", 1f)]), TensorElementType.Float, "N");
        using var session = OnnxSession.Load(graph.ToBytes());
        var signature = new ModelSignature { Task = TaskKinds.Regression, SampleType = DatasetTypes.Tabular, Inputs = [], Outputs = [] };
        var examples = new TabularExamples(
            [Numbers("unused", 9, 9, 9, 9), Numbers("x", 1, 2, 3, 4), Numbers("y", 1, float.NaN, 5, 4.5f)], 4, "y");

        var report = ModelEvaluator.Evaluate(session, signature, examples, CancellationToken.None);

        Assert.Equal(3, report.SampleCount);
        Assert.Equal((0 + 2 + 0.5) / 3, report.Metrics[MetricNames.Mae], 6);
        Assert.Equal(2.0 / 3, report.Metrics[MetricNames.IntervalCoverage], 6);
    }

    [Fact]
    public void A_missing_column_is_named()
    {
        var graph = new OnnxGraphBuilder("identity");
        var x = graph.Input("age", TensorElementType.Float, "N", 1);
        graph.Output("value", graph.Node("Reshape", [x, graph.Constant("shape", [-1L])]), TensorElementType.Float, "N");
        using var session = OnnxSession.Load(graph.ToBytes());
        var signature = new ModelSignature { Task = TaskKinds.Regression, SampleType = DatasetTypes.Tabular, Inputs = [], Outputs = [] };
        var examples = new TabularExamples([Numbers("y", 1)], 1, "y");
        var error = Assert.Throws<ArgumentException>(() => ModelEvaluator.Evaluate(session, signature, examples, CancellationToken.None));
        Assert.Contains("'age'", error.Message, StringComparison.Ordinal);
    }

    private static ColumnValues Numbers(string name, params float[] values) =>
        new() { Name = name, Type = ColumnTypes.Number, Numbers = values };

    private static ModelSignature Classifier(string sampleType) =>
        new() { Task = TaskKinds.Classification, SampleType = sampleType, Inputs = [], Outputs = [], Labels = NoYes };

    private static byte[] SaysYesTo(string word)
    {
        var graph = new OnnxGraphBuilder("word");
        var text = graph.Input("text", TensorElementType.String, "N");
        return Finish(graph, graph.Node("Equal", [text, graph.Constant("word", [word])]));
    }

    private static byte[] SaysYesToBright()
    {
        var graph = new OnnxGraphBuilder("bright");
        var image = graph.Input("image", TensorElementType.UInt8, "N", "height", "width", 3);
        var pixels = graph.Node("Cast", [image], OnnxGraphBuilder.Attribute("to", (long)TensorElementType.Float));
        var mean = graph.Node("ReduceMean", [pixels, graph.Constant("axes", [1L, 2L, 3L])], OnnxGraphBuilder.Attribute("keepdims", 0L));
        return Finish(graph, graph.Node("Greater", [mean, graph.Scalar("half", 128f)]));
    }

    private static byte[] Finish(OnnxGraphBuilder graph, string isYes)
    {
        var yes = graph.Node("Cast", [isYes], OnnxGraphBuilder.Attribute("to", (long)TensorElementType.Float));
        var no = graph.Node("Sub", [graph.Scalar("one", 1f), yes]);
        var axis = graph.Constant("axis", [1L]);
        var both = graph.Node("Concat", [graph.Node("Unsqueeze", [no, axis]), graph.Node("Unsqueeze", [yes, axis])],
            OnnxGraphBuilder.Attribute("axis", 1L));
        graph.Output("probabilities", both, TensorElementType.Float, "N", 2);
        var label = graph.Node("Where", [isYes, graph.Constant("yes", ["yes"]), graph.Constant("no", ["no"])]);
        graph.Output("label", label, TensorElementType.String, "N");
        return graph.ToBytes();
    }
}
