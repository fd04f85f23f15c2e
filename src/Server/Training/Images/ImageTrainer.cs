using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.Training.Networks;

namespace Atoll.Training.Images;

/// <summary>Learns to label images: a convolutional network, from random weights.</summary>
internal static class ImageTrainer
{
    // About as many images are seen in a training of any size, between these bounds; fewer if they are large, as each costs more.
    private const int ImagesSeenSmall = 150_000;
    private const int ImagesSeenLarge = 90_000;
    private const int EpochsLeast = 4;
    private const int EpochsMost = 60;
    private const int BatchLeast = 8;
    private const int BatchMost = 64;

    // Parts of a batch that are computed at the same time. The model depends on it, so the number of cores has no say.
    private const int Shards = 2;

    // Leaves a training under 2 GiB, with the program and the images.
    private const long BatchBytesMax = 1_500_000_000;

    /// <summary>Trains a model.</summary>
    /// <exception cref="TrainingRefusedException">The images or the settings cannot be learned from.</exception>
    public static TrainedModel Train(
        ImageExamples examples, bool multiLabel, TrainingSettings settings, ITrainingReport report, CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        var parameters = ImageTrainerParameters.Parse(settings.Parameters);
        CheckLabels(examples, multiLabel);
        var prepared = PreparedImages.Read(examples, parameters.Size, report, cancellationToken);
        var (train, validation) = examples.ValidationCount > 0
            ? ([.. Enumerable.Range(0, examples.Count - examples.ValidationCount)], [.. Enumerable.Range(examples.Count - examples.ValidationCount, examples.ValidationCount)])
            : StratifiedSplit.Make(examples.Labels, parameters.Validation, settings.Seed);
        report.Log(string.Create(
            CultureInfo.InvariantCulture,
            $"{train.Length} images to learn from, {validation.Length} to measure by, {prepared.Width} x {prepared.Height} {(prepared.Channels == 1 ? "grey" : "colour")}."));

        var images = new LabelledImages(prepared, examples.Labels, examples.LabelNames, multiLabel);
        var mayMirror = parameters.Flip is { } flip
            ? [.. Enumerable.Repeat(flip, images.LabelCount)]
            : MirrorCheck.Examine(images, train, settings.Seed);
        var mirrored = images.LabelNames.Where((_, label) => mayMirror[label]).ToArray();
        report.Log($"Mirrored images are used of {mirrored.Length} of {mayMirror.Length} labels.");
        var (means, deviations) = prepared.Statistics(train);
        var network = new ConvolutionalNetwork(prepared.Preparation, images.LabelCount, means, deviations);
        var batch = parameters.Batch ?? ChooseBatch(train.Length, network);
        var shards = Math.Min(Shards, batch);
        var batches = new ImageBatches(images, train, new ImageAugmentation(prepared, parameters.Augment), mayMirror, batch, shards, settings.Seed);
        var fitting = new NetworkFitting
        {
            Loss = tape => batches.Loss(tape, network),
            Batches = batches,
            Measure = validation.Length == 0 ? null : weights => ImageMeasurement.Take(network, weights, images, validation, Environment.ProcessorCount),
            ScoreName = multiLabel ? MetricNames.MicroF1 : MetricNames.Accuracy,
            Noun = "images",
            Epochs = parameters.Epochs ?? Math.Clamp((network.IsSmall ? ImagesSeenSmall : ImagesSeenLarge) / train.Length, EpochsLeast, EpochsMost),
            LearningRate = parameters.LearningRate,
            Shards = shards,
            Seed = settings.Seed,
            TimeLimit = settings.TimeLimit,
        };
        var fitted = fitting.Run(clock, report, cancellationToken);

        var thresholds = multiLabel
            ? LabelThresholds.Choose(
                fitted.Measurement?.Probabilities ?? [], [.. validation.Select(i => examples.Labels[i])], images.LabelCount)
            : null;
        return new TrainedModel
        {
            Onnx = ImageModel.Write(network, fitted.Weights, examples.LabelNames, thresholds),
            Signature = ImageModel.Describe(examples.LabelNames, multiLabel),
            Algorithm = "convolutional network",
            Candidates = fitted.Measurement is null
                ? []
                :
                [
                    new CandidateScore(
                        string.Create(CultureInfo.InvariantCulture, $"convolutional network, {prepared.Width} x {prepared.Height}, epoch {fitted.Epoch}"),
                        fitting.ScoreName, fitted.Measurement.Score),
                ],
            Preparation = new JsonObject
            {
                ["width"] = prepared.Width,
                ["height"] = prepared.Height,
                ["colour"] = prepared.Channels == 1 ? "grey" : "rgb",
                ["resize"] = "stretched, linear, antialiased",
                ["means"] = ToJson(means),
                ["deviations"] = ToJson(deviations),
                ["mirrored"] = new JsonArray([.. mirrored.Select(label => JsonValue.Create(label))]),
                ["augmented"] = parameters.Augment,
                ["trainImages"] = train.Length,
                ["validationImages"] = validation.Length,
                ["batch"] = fitting.Batches.Batch,
                ["epochs"] = fitting.Epochs,
                ["bestEpoch"] = fitted.Epoch,
                ["thresholds"] = thresholds is null ? null : ToJson(thresholds),
            },
        };
    }

    private static JsonArray ToJson(float[] values) => [.. values.Select(value => JsonValue.Create(value))];

    /// <summary>Images per step: enough steps for small datasets, not too much memory for large images.</summary>
    public static int ChooseBatch(int count, ConvolutionalNetwork network)
    {
        var batch = BatchLeast;
        while (batch < BatchMost && batch * 16 <= count && 2 * batch * network.TrainingBytesPerImage <= BatchBytesMax) batch *= 2;
        return batch;
    }

    private static void CheckLabels(ImageExamples examples, bool multiLabel)
    {
        if (examples.Count == 0) throw new TrainingRefusedException("There are no images to learn from.");
        if (examples.Labels.Count != examples.Count)
            throw new ArgumentException($"{examples.Labels.Count} sets of labels were given for {examples.Count} images.");
        for (var i = 0; i < examples.Count; i++)
        {
            if (!multiLabel && examples.Labels[i].Length != 1)
                throw new TrainingRefusedException($"Image {i} has {examples.Labels[i].Length} labels; train a multi-label model for that.", i);
        }
        var used = examples.Labels.SelectMany(labels => labels).Distinct().Count();
        if (used < 2 && !(multiLabel && used == 1 && examples.Labels.Any(labels => labels.Length == 0)))
            throw new TrainingRefusedException("All images have the same label; a model needs at least two labels to tell apart.");
    }
}
