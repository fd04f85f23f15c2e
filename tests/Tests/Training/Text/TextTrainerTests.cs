using Atoll.Contracts;
using Atoll.Serving.Onnx;
using Atoll.Training;
using Atoll.Training.Evaluation;
using Atoll.Training.Text;
using Xunit;

namespace Atoll.Tests.Training.Text;

/// <summary>Text training from raw texts to a served model.</summary>
public sealed class TextTrainerTests
{
    private static readonly string[] Topics = ["card", "transfer", "weather"];

    private static readonly string[][] Words =
    [
        ["card", "pin", "visa", "atm", "blocked"], ["transfer", "iban", "payee", "sent", "refund"], ["rain", "sun", "wind", "storm", "cloudy"],
    ];

    private static readonly string[] FillerWords = ["please", "I", "the", "why", "is", "my", "tell"];

    [Fact]
    public void A_model_labels_unseen_texts_and_says_how_sure_it_is()
    {
        var model = Train(Generate(150, 1));
        var metrics = Evaluate(model, Generate(60, 2));
        Assert.True(metrics[MetricNames.Accuracy] > 0.95, $"accuracy {metrics[MetricNames.Accuracy]}");
        Assert.True(metrics[MetricNames.LogLoss] < 0.3, $"log loss {metrics[MetricNames.LogLoss]}");
        Assert.Equal(TaskKinds.Classification, model.Signature.Task);
        Assert.Equal(["label", "probabilities"], model.Signature.Outputs.Select(output => output.Name));
        Assert.NotEmpty(model.Candidates);
    }

    [Fact]
    public void The_validation_split_of_the_customer_decides()
    {
        var validation = Generate(60, 2);

        // Every label is the next one: by these texts everything is wrong.
        var turned = validation with { Labels = [.. validation.Labels.Select(labels => (int[])[(labels[0] + 1) % Topics.Length])] };
        Assert.All(Train(Generate(150, 1).WithValidation(turned)).Candidates, candidate => Assert.InRange(candidate.Score, 0, 0.2));
        Assert.Contains(Train(Generate(150, 1).WithValidation(validation)).Candidates, candidate => candidate.Score > 0.9);
    }

    [Fact]
    public void Several_labels_are_selected_by_thresholds_of_their_own()
    {
        var model = Train(GenerateMultiLabel(200, 1), multiLabel: true);
        var metrics = Evaluate(model, GenerateMultiLabel(80, 2));
        Assert.True(metrics[MetricNames.MacroF1] > 0.9, $"macro F1 {metrics[MetricNames.MacroF1]}");
        Assert.Equal(TaskKinds.MultiLabelClassification, model.Signature.Task);
        Assert.Equal(["probabilities", "selected"], model.Signature.Outputs.Select(output => output.Name));
    }

    [Fact]
    public void The_same_seed_gives_the_same_bytes_and_another_seed_does_not()
    {
        var first = Train(Generate(60, 1), new TrainingSettings { Seed = 5 }).Onnx;
        Assert.True(first.AsSpan().SequenceEqual(Train(Generate(60, 1), new TrainingSettings { Seed = 5 }).Onnx));
        Assert.False(first.AsSpan().SequenceEqual(Train(Generate(60, 1), new TrainingSettings { Seed = 6 }).Onnx));
    }

    [Fact]
    public void A_learning_curve_is_reported()
    {
        var report = new Recorder();
        TextTrainer.Train(Generate(60, 1), false, new TrainingSettings(), report, CancellationToken.None);
        var curve = report.Metrics.Where(metric => metric.Name.StartsWith("train/", StringComparison.Ordinal)).Select(metric => metric.Step).ToList();
        Assert.True(curve.Count > 5);
        Assert.Equal(curve.Distinct().Order(), curve);
        Assert.Contains(report.Metrics, metric => metric.Name == "validation/accuracy");
        Assert.All(report.Fractions, fraction => Assert.InRange(fraction, 0, 1));
    }

    [Fact]
    public void Five_texts_a_label_are_enough_to_train()
    {
        var metrics = Evaluate(Train(Generate(15, 1)), Generate(60, 2));
        Assert.True(metrics[MetricNames.Accuracy] > 0.6, $"accuracy {metrics[MetricNames.Accuracy]}");
    }

    [Fact]
    public void Empty_texts_and_labels_without_texts_are_no_obstacle()
    {
        var examples = new TextExamples(["", "something"], [[0], [2]], ["nothing", "unused", "something"]);
        Assert.Equal(1.0, Evaluate(Train(examples), examples)[MetricNames.Accuracy]);
    }

    [Fact]
    public void Languages_without_spaces_can_be_learned()
    {
        string[] card =
        [
            "\u94F6\u884C\u5361\u4E22\u4E86", "\u6211\u7684\u94F6\u884C\u5361\u574F\u4E86", "\u94F6\u884C\u5361\u88AB\u9501", "\u627E\u56DE\u94F6\u884C\u5361",
        ];
        string[] weather =
        [
            "\u4ECA\u5929\u4E0B\u96E8", "\u660E\u5929\u4F1A\u4E0B\u96E8\u5417", "\u5929\u6C14\u5F88\u597D", "\u4ECA\u5929\u5929\u6C14",
        ];
        var examples = new TextExamples(
            [.. card, .. weather], [.. card.Select(_ => new[] { 0 }), .. weather.Select(_ => new[] { 1 })], ["card", "weather"]);
        var unseen = new TextExamples(["\u94F6\u884C\u5361", "\u4E0B\u96E8\u4E86"], [[0], [1]], ["card", "weather"]);
        Assert.Equal(1.0, Evaluate(Train(examples), unseen)[MetricNames.Accuracy]);
    }

    [Fact]
    public void A_time_limit_that_is_over_at_once_still_gives_a_model()
    {
        var model = Train(Generate(60, 1), new TrainingSettings { TimeLimit = TimeSpan.Zero });
        var metrics = Evaluate(model, Generate(30, 2));
        Assert.True(metrics[MetricNames.Accuracy] > 0.6, $"accuracy {metrics[MetricNames.Accuracy]}");
        Assert.Single(model.Candidates);
    }

    [Fact]
    public void Cancelling_stops_the_training()
    {
        using var source = new CancellationTokenSource();
        source.Cancel();
        Assert.Throws<OperationCanceledException>(
            () => TextTrainer.Train(Generate(30, 1), false, new TrainingSettings(), new SilentTrainingReport(), source.Token));
    }

    [Fact]
    public void What_cannot_be_learned_from_is_refused_with_the_reason()
    {
        Refused(new TextExamples([], [], ["a", "b"]), false, "no texts");
        Refused(new TextExamples(["x", "y"], [[0], [0]], ["a", "b"]), false, "same label");
        Refused(new TextExamples(["x", "y"], [[0], [0, 1]], ["a", "b"]), false, "2 labels", sample: 1);
        Refused(new TextExamples(["x", "y"], [[0], []], ["a", "b"]), false, "0 labels", sample: 1);
        Refused(new TextExamples(["x", "y"], [[0], [0]], ["a", "b"]), true, "nothing to tell apart");
    }

    [Theory]
    [InlineData("colour", "red", "no parameter 'colour'")]
    [InlineData("strength", "much", "'strength' is 'much'")]
    [InlineData("longest-run", "9", "from 2 to 5")]
    [InlineData("loss", "zero-one", "hinge, logistic or softmax")]
    public void A_wrong_parameter_is_refused_with_what_is_right(string name, string value, string expected)
    {
        var settings = new TrainingSettings { Parameters = new Dictionary<string, string> { [name] = value } };
        var error = Assert.Throws<TrainingRefusedException>(() => Train(Generate(15, 1), settings));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hinge")]
    [InlineData("softmax")]
    [InlineData("logistic")]
    public void Every_loss_can_be_asked_for(string loss)
    {
        var settings = new TrainingSettings { Parameters = new Dictionary<string, string> { ["loss"] = loss } };
        var metrics = Evaluate(Train(Generate(90, 1), settings), Generate(60, 2));
        Assert.True(metrics[MetricNames.Accuracy] > 0.9, $"accuracy {metrics[MetricNames.Accuracy]}");
    }

    private static TrainedModel Train(TextExamples examples, TrainingSettings? settings = null, bool multiLabel = false) =>
        TextTrainer.Train(examples, multiLabel, settings ?? new TrainingSettings(), new SilentTrainingReport(), CancellationToken.None);

    private static IReadOnlyDictionary<string, double> Evaluate(TrainedModel model, TextExamples examples)
    {
        using var session = OnnxSession.Load(model.Onnx);
        return ModelEvaluator.Evaluate(session, model.Signature, examples, CancellationToken.None).Metrics;
    }

    private static void Refused(TextExamples examples, bool multiLabel, string reason, int? sample = null)
    {
        var error = Assert.Throws<TrainingRefusedException>(() => Train(examples, multiLabel: multiLabel));
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.Equal(sample, error.Sample);
    }

    private static TextExamples Generate(int count, int seed)
    {
        var random = new Random(seed);
        var texts = new string[count];
        var labels = new int[count][];
        for (var i = 0; i < count; i++)
        {
            var topic = i % Topics.Length;
            texts[i] = $"{Filler(random)} {Pick(random, topic)} {Filler(random)} {Pick(random, topic)}?";
            labels[i] = [topic];
        }
        return new TextExamples(texts, labels, Topics);
    }

    private static TextExamples GenerateMultiLabel(int count, int seed)
    {
        var random = new Random(seed);
        var texts = new string[count];
        var labels = new int[count][];
        for (var i = 0; i < count; i++)
        {
            labels[i] = [.. Enumerable.Range(0, Topics.Length).Where(_ => random.Next(3) == 0)];
            texts[i] = string.Join(' ', labels[i].Select(topic => Pick(random, topic)).Prepend(Filler(random)).Append(Filler(random)));
        }
        return new TextExamples(texts, labels, Topics);
    }

    private static string Pick(Random random, int topic) => Words[topic][random.Next(Words[topic].Length)];

    private static string Filler(Random random) =>
        string.Join(' ', Enumerable.Range(0, random.Next(1, 4)).Select(_ => FillerWords[random.Next(FillerWords.Length)]));

    private sealed class Recorder : ITrainingReport
    {
        public List<(string Name, double Value, int Step)> Metrics { get; } = [];

        public List<double> Fractions { get; } = [];

        public void Progress(string stage, double fraction) => Fractions.Add(fraction);

        public void Metric(string name, double value, int step) => Metrics.Add((name, value, step));

        public void Log(string message)
        {
        }
    }
}
