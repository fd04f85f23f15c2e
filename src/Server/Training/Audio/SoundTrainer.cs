using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.Training.Networks;

namespace Atoll.Training.Audio;

/// <summary>Learns to label sounds: a convolutional network over pictures of them, from random weights.</summary>
internal static class SoundTrainer
{
    // About as many sounds are heard in a training of any size, between these bounds.
    private const int SoundsHeard = 60_000;
    private const int EpochsLeast = 6;
    private const int EpochsMost = 80;
    private const int BatchLeast = 8;
    private const int BatchMost = 64;

    // Parts of a batch that are computed at the same time. The model depends on it, so the number of cores has no say.
    private const int Shards = 2;

    // Below, labels are taken as equally frequent.
    private const double UnbalancedFrom = 1.5;

    /// <summary>Trains a model.</summary>
    /// <exception cref="TrainingRefusedException">The sounds or the settings cannot be learned from.</exception>
    public static TrainedModel Train(SoundExamples examples, TrainingSettings settings, ITrainingReport report, CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        var parameters = SoundParameters.Parse(settings.Parameters);
        CheckLabels(examples);
        var sounds = PreparedSounds.Read(examples, parameters, report, cancellationToken);
        var preparation = sounds.Preparation;
        var (train, validation) = examples.ValidationCount > 0
            ? ([.. Enumerable.Range(0, examples.Count - examples.ValidationCount)], [.. Enumerable.Range(examples.Count - examples.ValidationCount, examples.ValidationCount)])
            : StratifiedSplit.Make(examples.Labels, parameters.Validation, settings.Seed);
        report.Log(string.Create(
            CultureInfo.InvariantCulture,
            $"{train.Length} sounds to learn from, {validation.Length} to measure by, {preparation.Rate} samples a second, {preparation.Seconds:F2} seconds of each as {preparation.Frames} moments."));

        var labelWeights = WeighLabels(examples, train, parameters.Balance);
        var (mean, deviation) = sounds.Statistics(train);
        var network = new SoundNetwork(preparation, examples.LabelNames.Count, mean, deviation);
        var batch = parameters.Batch ?? ChooseBatch(train.Length);
        var shards = Math.Min(Shards, batch);
        var augmentation = parameters.Augment ? new SoundAugmentation(SoundPreparation.Bands, preparation.Frames, mean) : null;
        var batches = new SoundBatches(sounds, examples.Labels, labelWeights, train, augmentation, batch, shards, settings.Seed);
        var fitting = new NetworkFitting
        {
            Loss = tape => batches.Loss(tape, network),
            Batches = batches,
            Measure = validation.Length == 0
                ? null
                : weights => SoundMeasurement.Take(network, weights, sounds, examples.Labels, validation, Environment.ProcessorCount),
            ScoreName = MetricNames.Accuracy,
            Noun = "sounds",
            Epochs = parameters.Epochs ?? Math.Clamp(SoundsHeard / train.Length, EpochsLeast, EpochsMost),
            LearningRate = parameters.LearningRate,
            Shards = shards,
            Seed = settings.Seed,
            TimeLimit = settings.TimeLimit,
        };
        var fitted = fitting.Run(clock, report, cancellationToken);
        return new TrainedModel
        {
            Onnx = SoundModel.Write(network, fitted.Weights, examples.LabelNames),
            Signature = SoundModel.Describe(network, examples.LabelNames),
            Algorithm = "convolutional network",
            Candidates = fitted.Measurement is null
                ? []
                :
                [
                    new CandidateScore(
                        string.Create(CultureInfo.InvariantCulture, $"convolutional network, {preparation.Seconds:F2} s at {preparation.Rate} Hz, epoch {fitted.Epoch}"),
                        fitting.ScoreName, fitted.Measurement.Score),
                ],
            Preparation = new JsonObject
            {
                ["rate"] = preparation.Rate,
                ["seconds"] = Math.Round(preparation.Seconds, 3),
                ["moments"] = preparation.Frames,
                ["bands"] = SoundPreparation.Bands,
                ["scale"] = "mel, logarithm of power, 80 dB below the loudest",
                ["mean"] = mean,
                ["deviation"] = deviation,
                ["augmented"] = parameters.Augment,
                ["labelWeights"] = new JsonArray([.. labelWeights.Select(weight => JsonValue.Create(Math.Round(weight, 3)))]),
                ["trainSounds"] = train.Length,
                ["validationSounds"] = validation.Length,
                ["batch"] = batches.Batch,
                ["epochs"] = fitting.Epochs,
                ["bestEpoch"] = fitted.Epoch,
            },
        };
    }

    /// <summary>What a sound of each label counts: more for rare labels, and 1 in the mean over all sounds.</summary>
    public static float[] WeighLabels(SoundExamples examples, int[] train, bool balance)
    {
        var counts = new int[examples.LabelNames.Count];
        foreach (var index in train) counts[examples.Labels[index][0]]++;
        var weights = new float[counts.Length];
        Array.Fill(weights, 1);
        var used = counts.Where(count => count > 0).ToArray();
        if (!balance || used.Max() < UnbalancedFrom * used.Min()) return weights;

        var mean = counts.Sum(count => Math.Sqrt(count)) / train.Length;
        for (var i = 0; i < weights.Length; i++) weights[i] = counts[i] == 0 ? 1 : (float)(1 / Math.Sqrt(counts[i]) / mean);
        return weights;
    }

    /// <summary>Enough steps for small datasets.</summary>
    private static int ChooseBatch(int count)
    {
        var batch = BatchLeast;
        while (batch < BatchMost && batch * 16 <= count) batch *= 2;
        return batch;
    }

    private static void CheckLabels(SoundExamples examples)
    {
        if (examples.Count == 0) throw new TrainingRefusedException("There are no sounds to learn from.");
        for (var i = 0; i < examples.Count; i++)
        {
            if (examples.Labels[i].Length != 1) throw new TrainingRefusedException($"Sound {i} has {examples.Labels[i].Length} labels; it needs one.", i);
        }
        if (examples.Labels.Select(labels => labels[0]).Distinct().Count() < 2)
            throw new TrainingRefusedException("All sounds have the same label; a model needs at least two labels to tell apart.");
    }
}
