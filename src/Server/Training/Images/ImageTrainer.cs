using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Atoll.Training.Autodiff;

namespace Atoll.Training.Images;

/// <summary>Learns to label images: a convolutional network, from random weights.</summary>
internal static class ImageTrainer
{
    // About as many images are seen in a training of any size, between these bounds.
    private const int ImagesSeenDefault = 150_000;
    private const int EpochsLeast = 4;
    private const int EpochsMost = 60;

    // Left of a time limit for measuring, choosing and writing the model.
    private const double LimitShare = 0.95;

    /// <summary>Trains a model.</summary>
    /// <exception cref="TrainingRefusedException">The images or the settings cannot be learned from.</exception>
    public static TrainedModel Train(
        ImageExamples examples, bool multiLabel, TrainingSettings settings, ITrainingReport report, CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        var parameters = ImageTrainerParameters.Parse(settings.Parameters);
        CheckLabels(examples, multiLabel);
        var images = PreparedImages.Read(examples, parameters.Size, report, cancellationToken);
        var (train, validation) = StratifiedSplit.Make(examples.Labels, parameters.Validation, settings.Seed);
        report.Log(string.Create(
            CultureInfo.InvariantCulture,
            $"{train.Length} images to learn from, {validation.Length} to measure by, {images.Width} x {images.Height} {(images.Channels == 1 ? "grey" : "colour")}."));

        var flip = parameters.Flip ?? MayFlip(images, train, examples.Labels, settings.Seed, report);
        var (means, deviations) = images.Statistics(train);
        var network = new ConvolutionalNetwork(images.Preparation, examples.LabelNames.Count, means, deviations);
        var batch = parameters.Batch ?? ChooseBatch(train.Length);
        var batches = new ImageBatches(
            images, examples.Labels, examples.LabelNames.Count, multiLabel, train,
            new ImageAugmentation(images, flip, parameters.Augment), batch, Math.Min(parameters.Shards, batch), settings.Seed);
        var epochs = parameters.Epochs ?? Math.Clamp(ImagesSeenDefault / train.Length, EpochsLeast, EpochsMost);

        var (weights, measurement, epoch) = Fit(
            network, batches, images, examples.Labels, validation, multiLabel, parameters, epochs, settings, clock, report, cancellationToken);

        var thresholds = multiLabel
            ? LabelThresholds.Choose(measurement?.Probabilities ?? [], [.. validation.Select(i => examples.Labels[i])], examples.LabelNames.Count)
            : null;
        var size = string.Create(CultureInfo.InvariantCulture, $"{images.Width} x {images.Height}");
        return new TrainedModel
        {
            Onnx = ImageModel.Write(network, weights, examples.LabelNames, thresholds),
            Signature = ImageModel.Describe(examples.LabelNames, multiLabel),
            Algorithm = "convolutional network",
            Candidates = measurement is null
                ? []
                :
                [
                    new CandidateScore(
                        string.Create(CultureInfo.InvariantCulture, $"convolutional network, {size}, epoch {epoch}"),
                        multiLabel ? "f1-micro" : "accuracy", measurement.Score),
                ],
            Preparation = new JsonObject
            {
                ["width"] = images.Width,
                ["height"] = images.Height,
                ["colour"] = images.Channels == 1 ? "grey" : "rgb",
                ["resize"] = "stretched, linear, antialiased",
                ["means"] = new JsonArray([.. means.Select(value => JsonValue.Create(value))]),
                ["deviations"] = new JsonArray([.. deviations.Select(value => JsonValue.Create(value))]),
                ["mirrored"] = flip,
                ["augmented"] = parameters.Augment,
                ["trainImages"] = train.Length,
                ["validationImages"] = validation.Length,
                ["batch"] = batches.Batch,
                ["epochs"] = epochs,
                ["bestEpoch"] = epoch,
                ["thresholds"] = thresholds is null ? null : new JsonArray([.. thresholds.Select(value => JsonValue.Create(value))]),
            },
        };
    }

    private static (NetworkWeights Weights, ImageMeasurement? Measurement, int Epoch) Fit(
        ConvolutionalNetwork network, ImageBatches batches, PreparedImages images, IReadOnlyList<int[]> labels, int[] validation,
        bool multiLabel, ImageTrainerParameters parameters, int epochs, TrainingSettings settings, Stopwatch clock,
        ITrainingReport report, CancellationToken cancellationToken)
    {
        var shards = Math.Min(parameters.Shards, batches.Batch);
        using var training = new NetworkTraining(tape => batches.Loss(tape, network), new AdamSettings(), shards, settings.Seed);
        report.Log(string.Create(CultureInfo.InvariantCulture, $"{training.WeightCount} weights, {batches.Batch} images a step, {epochs} epochs."));

        var begun = clock.Elapsed;
        var stepsTotal = (double)epochs * batches.StepsPerEpoch;
        var scoreName = multiLabel ? "validation/f1-micro" : "validation/accuracy";
        (NetworkWeights Weights, ImageMeasurement? Measurement, int Epoch)? best = null;
        var done = 0.0;
        var steps = 0;
        for (var epoch = 1; epoch <= epochs && done < 1; epoch++)
        {
            batches.BeginEpoch(epoch);
            double loss = 0;
            var epochSteps = 0;
            for (; epochSteps < batches.StepsPerEpoch && done < 1; epochSteps++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var step = epochSteps;
                loss += training.Step(LearningRateTriangle.At(parameters.LearningRate, done), shard => batches.Fill(training, shard, step));
                done = Math.Max(++steps / stepsTotal, TimeSpent());
                if ((steps & 7) == 0) report.Progress("train", Math.Min(1, done));
            }
            if (!double.IsFinite(loss)) throw new TrainingRefusedException("The training diverged; choose a lower learning-rate.");
            report.Metric("train/loss", loss / epochSteps, epoch);
            if (validation.Length == 0) continue;

            var weights = training.Snapshot();
            var measurement = ImageMeasurement.Take(network, weights, images, validation, labels, multiLabel, shards);
            report.Metric("validation/loss", measurement.Loss, epoch);
            report.Metric(scoreName, measurement.Score, epoch);
            // Of equal scores the later one: its learning rate was lower.
            if (best is null || measurement.Score >= best.Value.Measurement!.Score) best = (weights, measurement, epoch);
            else if (epoch - best.Value.Epoch >= Math.Max(15, epochs / 3) && done > 0.5)
            {
                report.Log(string.Create(CultureInfo.InvariantCulture, $"Stopped after epoch {epoch}: none was better since epoch {best.Value.Epoch}."));
                break;
            }
        }
        report.Progress("train", 1);
        return best ?? (training.Snapshot(), null, epochs);

        double TimeSpent() => settings.TimeLimit is { } limit
            ? Math.Max(0, (clock.Elapsed - begun).TotalSeconds) / Math.Max(0.001, limit.TotalSeconds * LimitShare - begun.TotalSeconds)
            : 0;
    }

    private static int ChooseBatch(int count)
    {
        var batch = 8;
        while (batch < 64 && batch * 16 <= count) batch *= 2;
        return batch;
    }

    private static bool MayFlip(PreparedImages images, int[] train, IReadOnlyList<int[]> labels, int seed, ITrainingReport report)
    {
        var finding = MirrorCheck.Examine(images, train, labels, seed);
        report.Log(string.Create(
            CultureInfo.InvariantCulture,
            $"Mirrored images are {(finding.MayFlip ? "" : "not ")}used: {finding.RecognisedMirrored:P0} of them look like their label, {finding.Recognised:P0} of the originals do."));
        return finding.MayFlip;
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
