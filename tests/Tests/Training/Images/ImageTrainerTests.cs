using Atoll.Contracts;
using Atoll.Platform.Imaging;
using Atoll.Serving.Onnx;
using Atoll.Training;
using Atoll.Training.Images;

namespace Atoll.Tests.Training.Images;

/// <summary>Whole image trainings on small drawn images.</summary>
public class ImageTrainerTests
{
    private const int Seed = 3;

    [Fact]
    public void Model_labels_raw_images_of_another_size_than_it_learned_from()
    {
        var model = Train(GeneratedImages.Stripes(Seed, 80), ("epochs", "12"));
        using var session = OnnxSession.Load(model.Onnx);
        var random = new Random(Seed + 1);
        var right = 0;
        for (var i = 0; i < 20; i++)
        {
            var image = GeneratedImages.Stripes(random, i % 2 == 1, 40, 40);
            var outputs = Run(session, image);
            if (outputs[0].ToStrings()[0] == GeneratedImages.Directions[i % 2]) right++;
            Assert.Equal([1, 2], outputs[1].Shape);
            Assert.Equal(1, outputs[1].Span<float>()[0] + outputs[1].Span<float>()[1], 1e-5f);
            foreach (var output in outputs) output.Dispose();
        }
        Assert.InRange(right, 18, 20);
    }

    [Fact]
    public void Signature_names_what_the_model_takes_and_gives()
    {
        var model = Train(GeneratedImages.Stripes(Seed, 16), ("epochs", "1"));
        using var session = OnnxSession.Load(model.Onnx);

        Assert.Equal(TaskKinds.Classification, model.Signature.Task);
        Assert.Equal(GeneratedImages.Directions, model.Signature.Labels);
        Assert.Equal(session.Inputs.Select(input => input.Name), model.Signature.Inputs.Select(input => input.Name));
        Assert.Equal(session.Inputs[0].Shape, model.Signature.Inputs[0].Shape);
        Assert.Equal(session.Outputs.Select(output => output.Name), model.Signature.Outputs.Select(output => output.Name));
        Assert.Equal(session.Outputs.Select(output => output.Shape), model.Signature.Outputs.Select(output => output.Shape.ToArray()));
    }

    [Fact]
    public void The_validation_split_of_the_customer_decides()
    {
        var validation = GeneratedImages.Stripes(Seed + 1, 30);
        var turned = validation with { Labels = [.. validation.Labels.Select(labels => (int[])[1 - labels[0]])] };
        var model = Train(GeneratedImages.Stripes(Seed, 80).WithValidation(turned), ("epochs", "12"));

        Assert.Equal(30, (int)model.Preparation!["validationImages"]!);
        Assert.Equal(80, (int)model.Preparation!["trainImages"]!);
        Assert.InRange(Assert.Single(model.Candidates).Score, 0, 0.3);
    }

    [Fact]
    public void Same_seed_gives_the_same_bytes_and_another_seed_others()
    {
        var examples = GeneratedImages.Stripes(Seed, 40, 48, 36);
        var first = Train(examples, Seed, ("epochs", "2"), ("size", "24")).Onnx;
        var second = Train(examples, Seed, ("epochs", "2"), ("size", "24")).Onnx;
        var other = Train(examples, Seed + 1, ("epochs", "2"), ("size", "24")).Onnx;

        Assert.True(first.AsSpan().SequenceEqual(second), $"Two trainings with seed {Seed} differ.");
        Assert.False(first.AsSpan().SequenceEqual(other), "The seed has no effect.");
    }

    [Fact]
    public void Model_with_several_labels_selects_each_on_its_own()
    {
        var model = Train(GeneratedImages.Squares(Seed, 160), multiLabel: true, ("epochs", "15"));
        var unseen = GeneratedImages.Squares(Seed + 1, 24);
        using var session = OnnxSession.Load(model.Onnx);
        var right = 0;
        for (var i = 0; i < unseen.Count; i++)
        {
            var outputs = Run(session, unseen.Decode(i));
            var selected = outputs[1].Span<bool>();
            for (var label = 0; label < 2; label++)
                if (selected[label] == unseen.Labels[i].Contains(label)) right++;
            foreach (var output in outputs) output.Dispose();
        }

        Assert.Equal(TaskKinds.MultiLabelClassification, model.Signature.Task);
        Assert.Equal(["probabilities", "selected"], session.Outputs.Select(output => output.Name));
        Assert.InRange(right, 43, 48);
    }

    [Fact]
    public void Five_images_a_label_are_enough_for_a_model()
    {
        var model = Train(GeneratedImages.Stripes(Seed, 10), ("epochs", "3"));
        Assert.Equal("accuracy", Assert.Single(model.Candidates).Metric);
        using var session = OnnxSession.Load(model.Onnx);
        var outputs = Run(session, GeneratedImages.Stripes(new Random(Seed), true, 16, 16));
        Assert.Contains(outputs[0].ToStrings()[0], GeneratedImages.Directions);
        foreach (var output in outputs) output.Dispose();
    }

    [Fact]
    public void Learning_curve_has_a_point_of_each_metric_per_epoch()
    {
        var report = new ListReport();
        ImageTrainer.Train(
            GeneratedImages.Stripes(Seed, 40), false, Settings(Seed, [("epochs", "3")]), report, CancellationToken.None);
        foreach (var name in (string[])["train/loss", "validation/loss", "validation/accuracy"])
            Assert.Equal([1, 2, 3], report.Metrics.Where(metric => metric.Name == name).Select(metric => metric.Step));
        Assert.Equal(1, report.Fractions[^1]);
    }

    [Fact]
    public void Time_limit_ends_a_training_with_a_model()
    {
        var report = new ListReport();
        var settings = Settings(Seed, [("epochs", "10000")]) with { TimeLimit = TimeSpan.FromSeconds(1) };
        var model = ImageTrainer.Train(GeneratedImages.Stripes(Seed, 40), false, settings, report, CancellationToken.None);
        Assert.NotEmpty(model.Onnx);
        Assert.InRange(report.Metrics.Max(metric => metric.Step), 1, 9_999);
    }

    [Fact]
    public void Cancelled_training_ends_at_once()
    {
        using var source = new CancellationTokenSource();
        source.Cancel();
        Assert.Throws<OperationCanceledException>(() => ImageTrainer.Train(
            GeneratedImages.Stripes(Seed, 10), false, Settings(Seed, []), new SilentTrainingReport(), source.Token));
    }

    [Fact]
    public void Image_that_cannot_be_read_is_named()
    {
        var good = GeneratedImages.Stripes(Seed, 10);
        var examples = good with { Decode = i => i == 7 ? throw new InvalidDataException("Not a PNG file.") : good.Decode(i) };
        var refusal = Assert.Throws<TrainingRefusedException>(() => Train(examples));
        Assert.Equal(7, refusal.Sample);
        Assert.Equal("Image 7 cannot be read: Not a PNG file.", refusal.Message);
    }

    [Fact]
    public void Image_whose_pixels_do_not_fit_its_size_is_named()
    {
        var good = GeneratedImages.Stripes(Seed, 10);
        var examples = good with { Decode = i => i == 2 ? new RgbImage(5, 5, new byte[74]) : good.Decode(i) };
        Assert.Equal(2, Assert.Throws<TrainingRefusedException>(() => Train(examples)).Sample);
    }

    [Fact]
    public void Images_of_one_label_are_refused()
    {
        var examples = GeneratedImages.Stripes(Seed, 10);
        examples = examples with { Labels = [.. examples.Labels.Select(_ => (int[])[0])] };
        Assert.Contains("at least two labels", Assert.Throws<TrainingRefusedException>(() => Train(examples)).Message);
    }

    [Fact]
    public void Image_with_two_labels_is_refused_unless_the_model_is_to_have_several()
    {
        var examples = GeneratedImages.Squares(Seed, 8);
        Assert.Equal(0, Assert.Throws<TrainingRefusedException>(() => Train(examples)).Sample);
    }

    [Theory]
    [InlineData("epoch", "3", "no parameter 'epoch'")]
    [InlineData("epochs", "0", "whole number from 1")]
    [InlineData("epochs", "1.5", "whole number")]
    [InlineData("learning-rate", "fast", "a number from")]
    [InlineData("flip", "maybe", "true or false, or auto")]
    public void Parameter_that_makes_no_sense_is_refused(string name, string value, string expected) =>
        Assert.Contains(expected, Assert.Throws<TrainingRefusedException>(() => Train(GeneratedImages.Stripes(Seed, 10), (name, value))).Message);

    private static TrainedModel Train(ImageExamples examples, params (string, string)[] parameters) =>
        Train(examples, Seed, parameters);

    private static TrainedModel Train(ImageExamples examples, int seed, params (string, string)[] parameters) => ImageTrainer.Train(
        examples, false, Settings(seed, parameters), new SilentTrainingReport(), CancellationToken.None);

    private static TrainedModel Train(ImageExamples examples, bool multiLabel, params (string, string)[] parameters) => ImageTrainer.Train(
        examples, multiLabel, Settings(Seed, parameters), new SilentTrainingReport(), CancellationToken.None);

    private static TrainingSettings Settings(int seed, (string Name, string Value)[] parameters) =>
        new() { Seed = seed, Parameters = parameters.ToDictionary(parameter => parameter.Name, parameter => parameter.Value) };

    private static OnnxTensor[] Run(OnnxSession session, RgbImage image)
    {
        using var input = OnnxTensor.Create<byte>(image.Pixels, 1, image.Height, image.Width, 3);
        return session.Run(input);
    }

    /// <summary>Keeps what a trainer tells.</summary>
    private sealed class ListReport : ITrainingReport
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
