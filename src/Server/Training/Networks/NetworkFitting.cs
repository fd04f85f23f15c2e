using System.Diagnostics;
using System.Globalization;
using Atoll.Training.Autodiff;

namespace Atoll.Training.Networks;

/// <summary>Trains a network epoch by epoch, measures each and keeps the best.</summary>
internal sealed class NetworkFitting
{
    // Left of a time limit for measuring, choosing and writing the model.
    private const double LimitShare = 0.95;

    // Before, the learning rate is high and measurements jump: a lucky epoch there is not better than what the falling rate leads to.
    private const double ChooseFrom = 0.6;

    // Fewer epochs without a better one say nothing.
    private const int PatienceLeast = 10;

    /// <summary>Describes the network with its loss, for one shard of a batch.</summary>
    public required Func<Tape, Tensor> Loss { get; init; }

    public required ITrainingBatches Batches { get; init; }

    /// <summary>Measures what was learned so far on samples kept aside; null when there are none.</summary>
    public required Func<NetworkWeights, LabelMeasurement>? Measure { get; init; }

    /// <summary>How the score of a measurement is called.</summary>
    public required string ScoreName { get; init; }

    /// <summary>What is learned from, for the log: <c>images</c>.</summary>
    public required string Noun { get; init; }

    public required int Epochs { get; init; }

    public required float LearningRate { get; init; }

    public required int Shards { get; init; }

    public required int Seed { get; init; }

    public TimeSpan? TimeLimit { get; init; }

    /// <summary>Trains until the epochs or the time are over.</summary>
    /// <param name="clock">Has been running since the time that is limited began.</param>
    /// <param name="report">Gets the learning curve.</param>
    /// <param name="cancellationToken">Looked at before every step.</param>
    public FittedNetwork Run(Stopwatch clock, ITrainingReport report, CancellationToken cancellationToken)
    {
        using var training = new NetworkTraining(Loss, new AdamSettings(), Shards, Seed);
        report.Log(string.Create(CultureInfo.InvariantCulture, $"{training.WeightCount} weights, {Batches.Batch} {Noun} a step, {Epochs} epochs."));

        var begun = clock.Elapsed;
        var stepsTotal = (double)Epochs * Batches.StepsPerEpoch;
        FittedNetwork? best = null;
        var (done, steps, epoch) = (0.0, 0, 0);
        while (epoch < Epochs && done < 1)
        {
            Batches.BeginEpoch(++epoch);
            var (loss, epochSteps) = (0.0, 0);
            for (; epochSteps < Batches.StepsPerEpoch && done < 1; epochSteps++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var step = epochSteps;
                loss += training.Step(LearningRateTriangle.At(LearningRate, done), shard => Batches.Fill(training, shard, step));
                // Short of time the triangle becomes narrower: the rate reaches zero when the time is over.
                done = Math.Max(++steps / stepsTotal, TimeSpent());
                if ((steps & 7) == 0) report.Progress("train", Math.Min(1, done));
            }
            if (!double.IsFinite(loss)) throw new TrainingRefusedException("The training diverged; choose a lower learning-rate.");
            report.Metric("train/loss", loss / epochSteps, epoch);
            if (Measure is null) continue;

            var weights = training.Snapshot();
            var measurement = Measure(weights);
            report.Metric("validation/loss", measurement.Loss, epoch);
            report.Metric($"validation/{ScoreName}", measurement.Score, epoch);
            if (done < ChooseFrom) continue;

            // By the loss: with few images to measure by, the score is too coarse to tell epochs apart.
            if (best is null || measurement.Loss <= best.Measurement!.Loss)
            {
                best = new FittedNetwork(weights, measurement, epoch);
            }
            else if (epoch - best.Epoch >= PatienceLeast)
            {
                report.Log(string.Create(CultureInfo.InvariantCulture, $"Stopped after epoch {epoch}: none was better since epoch {best.Epoch}."));
                break;
            }
        }
        report.Progress("train", 1);
        return best ?? new FittedNetwork(training.Snapshot(), null, epoch);

        double TimeSpent() => TimeLimit is { } limit
            ? (clock.Elapsed - begun).TotalSeconds / Math.Max(0.001, limit.TotalSeconds * LimitShare - begun.TotalSeconds)
            : 0;
    }
}

/// <summary>What came out of a training.</summary>
/// <param name="Weights">Of the best epoch.</param>
/// <param name="Measurement">Of the best epoch; null if there was nothing to measure by.</param>
/// <param name="Epoch">The best epoch, from 1.</param>
internal sealed record FittedNetwork(NetworkWeights Weights, LabelMeasurement? Measurement, int Epoch);
