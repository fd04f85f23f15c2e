using Atoll.Contracts;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;
using Atoll.Training;
using Atoll.Training.Audio;
using Atoll.Training.Evaluation;

namespace Atoll.Tests.Training.Audio;

/// <summary>What a training on sounds has to be able to learn, and what it refuses.</summary>
public sealed class SoundTrainerTests
{
    private const int Seed = 23;

    private static readonly Dictionary<string, string> Short = new() { ["epochs"] = "12", ["batch"] = "16" };

    [Fact]
    public void Tones_that_rise_fall_and_stay_are_told_apart_by_the_form_that_is_served()
    {
        var model = Train(GeneratedSounds.Examples(Seed, 120), Short);

        Assert.Equal((TaskKinds.Classification, DatasetTypes.Audio, 8_000), (model.Signature.Task, model.Signature.SampleType, model.Signature.SampleRate!.Value));
        var serving = ServingForm.Make(model.Onnx, CancellationToken.None);
        Assert.True(serving.GraphDigest is not null, serving.Reason);
        using var graph = SharedGraph.Load(serving.Graph);
        using var session = graph.Bind(serving);
        var report = ModelEvaluator.Evaluate(session, model.Signature, GeneratedSounds.Examples(Seed + 1, 60), CancellationToken.None);
        Assert.True(report.Metrics[MetricNames.Accuracy] >= 0.9, $"seed {Seed}: {report.Metrics[MetricNames.Accuracy]}");
        Assert.Equal(60, report.SampleCount);
        Assert.Equal(3, report.PerLabel!.Count);
    }

    [Fact]
    public void Models_of_the_same_labels_and_length_share_a_graph()
    {
        var quick = new Dictionary<string, string> { ["epochs"] = "1", ["batch"] = "8", ["seconds"] = "0.3", ["rate"] = "8000" };

        var one = ServingForm.Make(Train(GeneratedSounds.Examples(1, 24), quick).Onnx, CancellationToken.None);
        var two = ServingForm.Make(Train(GeneratedSounds.Examples(2, 24), quick).Onnx, CancellationToken.None);

        Assert.NotNull(one.GraphDigest);
        Assert.Equal(one.GraphDigest, two.GraphDigest);
    }

    [Fact]
    public void The_same_seed_gives_the_same_model_byte_for_byte()
    {
        var quick = new Dictionary<string, string> { ["epochs"] = "2", ["batch"] = "8" };

        var once = Train(GeneratedSounds.Examples(Seed, 30), quick).Onnx;

        Assert.Equal(once, Train(GeneratedSounds.Examples(Seed, 30), quick).Onnx);
        Assert.NotEqual(once, Train(GeneratedSounds.Examples(Seed, 30), quick, seed: 2).Onnx);
    }

    [Fact]
    public void What_is_measured_while_learning_is_what_the_model_gives()
    {
        var examples = GeneratedSounds.Examples(Seed, 24);
        var sounds = PreparedSounds.Read(examples, new SoundParameters(), new SilentTrainingReport(), CancellationToken.None);
        int[] all = [.. Enumerable.Range(0, 24)];
        var (mean, deviation) = sounds.Statistics(all);
        var network = new SoundNetwork(sounds.Preparation, 3, mean, deviation);
        var batches = new SoundBatches(sounds, examples.Labels, [1, 1, 1], all, new SoundAugmentation(SoundPreparation.Bands, sounds.Preparation.Frames, mean), 8, 2, Seed);
        using var training = new Atoll.Training.Autodiff.NetworkTraining(tape => batches.Loss(tape, network), new Atoll.Training.Autodiff.AdamSettings(), 2, Seed);
        batches.BeginEpoch(1);
        for (var step = 0; step < batches.StepsPerEpoch; step++) training.Step(0.003f, shard => batches.Fill(training, shard, step));

        var measured = SoundMeasurement.Take(network, training.Snapshot(), sounds, examples.Labels, all, threads: 2);

        using var session = OnnxSession.Load(SoundModel.Write(network, training.Snapshot(), GeneratedSounds.Names));
        for (var i = 0; i < all.Length; i++)
        {
            var samples = Atoll.Platform.Audio.Resampler.Resample(examples.Decode(i).Samples, examples.Decode(i).Rate, sounds.Preparation.Rate);
            using var input = OnnxTensor.Create<float>(samples, 1, samples.Length);
            var outputs = session.Run(input);
            for (var label = 0; label < 3; label++) Assert.Equal(measured.Probabilities[i * 3 + label], outputs[1].Span<float>()[label], 5e-3f);
            foreach (var output in outputs) output.Dispose();
        }
    }

    [Fact]
    public void Variants_stay_within_bounds_differ_and_depend_on_their_seed_alone()
    {
        var sounds = PreparedSounds.Read(GeneratedSounds.Examples(Seed, 3), new SoundParameters(), new SilentTrainingReport(), CancellationToken.None);
        var source = Array.ConvertAll(sounds.Pictures[0], value => (float)value);
        var augmentation = new SoundAugmentation(SoundPreparation.Bands, sounds.Preparation.Frames, -9);
        float[] Vary(ulong seed)
        {
            var target = new float[source.Length];
            augmentation.Vary(source, target, new SplitMix64(seed));
            return target;
        }

        for (ulong seed = 0; seed < 200; seed++) Assert.All(Vary(seed), value => Assert.InRange(value, SoundPreparation.Floor - 1e-3f, 0));
        Assert.Equal(Vary(7), Vary(7));
        Assert.NotEqual(Vary(7), Vary(8));
    }

    [Fact]
    public void Rare_labels_weigh_more_and_the_mean_stays_one()
    {
        var labels = Enumerable.Range(0, 100).Select(i => (int[])[i < 81 ? 0 : i < 97 ? 1 : 2]).ToArray();
        var examples = new SoundExamples(100, _ => throw new InvalidOperationException(), labels, ["often", "seldom", "rare"]);
        int[] all = [.. Enumerable.Range(0, 100)];

        var weights = SoundTrainer.WeighLabels(examples, all, balance: true);

        Assert.Equal(9.0 / 4, weights[1] / weights[0], 1e-4);
        Assert.True(weights[2] > weights[1]);
        Assert.Equal(1, all.Average(i => weights[labels[i][0]]), 1e-4);
        Assert.Equal([1f, 1, 1], SoundTrainer.WeighLabels(examples, all, balance: false));
        Assert.Equal([1f, 1, 1], SoundTrainer.WeighLabels(examples, [0, 1, 90, 91, 97, 98], balance: true));
    }

    [Fact]
    public void Rate_and_length_come_from_the_sounds_unless_they_are_given()
    {
        SoundPreparation Read(int rate, double seconds, SoundParameters parameters)
        {
            var examples = new SoundExamples(20, _ => new(rate, new float[(int)(rate * seconds)]), [.. Enumerable.Repeat((int[])[0], 20)], ["a"]);
            return PreparedSounds.Read(examples, parameters, new SilentTrainingReport(), CancellationToken.None).Preparation;
        }

        Assert.Equal(8_000, Read(11_025, 0.5, new()).Rate);
        Assert.Equal(16_000, Read(44_100, 0.5, new()).Rate);
        Assert.Equal(32_000, Read(8_000, 0.5, new() { Rate = 32_000 }).Rate);
        Assert.InRange(Read(8_000, 0.7, new()).Seconds, 0.7, 0.9);
        Assert.InRange(Read(8_000, 0.7, new() { Seconds = 2 }).Seconds, 2, 2.3);
        Assert.InRange(Read(4_000, 20, new()).Seconds, 10, 11.5);
    }

    [Fact]
    public void What_cannot_be_learned_from_is_refused()
    {
        var one = GeneratedSounds.Examples(Seed, 9);
        Assert.Throws<TrainingRefusedException>(() => Train(one with { Labels = [.. Enumerable.Repeat((int[])[1], 9)] }, []));
        Assert.Throws<TrainingRefusedException>(() => Train(one with { Count = 0 }, []));
        Assert.Contains("Did you mean 'epochs'", Assert.Throws<TrainingRefusedException>(() => Train(one, new() { ["epoch"] = "3" })).Message);
        Assert.Contains("Sound 4", Assert.Throws<TrainingRefusedException>(() => Train(
            one with { Decode = i => i == 4 ? throw new Atoll.Platform.Audio.AudioFormatException(Atoll.Platform.Audio.AudioFault.Damaged, "It is damaged.") : one.Decode(i) }, [])).Message);
    }

    private static TrainedModel Train(SoundExamples examples, Dictionary<string, string> parameters, int seed = Seed) =>
        SoundTrainer.Train(examples, new TrainingSettings { Seed = seed, Parameters = parameters }, new SilentTrainingReport(), CancellationToken.None);
}
