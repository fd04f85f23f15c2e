using System.Globalization;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Deployments;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Security;
using Atoll.Registry;
using Atoll.Training;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Einstein;

/// <summary>A model: how its training goes, how good it is, and its end.</summary>
internal static class DescribeModel
{
    private const int ModelsMax = 100;
    private const int EpochsMax = 25;

    // The trainer's own, where nobody chose.
    private const double LearningRateOfImages = 0.004;

    public static async Task<Results<Ok<EinsteinTrainingResponse>, EinsteinRefusal>> HandleTrainingAsync(string modelId, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken) =>
        await FindAsync(modelId, db, cancellationToken) is { } model
            ? TypedResults.Ok(await TrainingOfAsync(model, db, blobs, cancellationToken))
            : (EinsteinRefusal)EinsteinProblems.NotFound("model", modelId);

    public static async Task<Results<Ok<EinsteinList<EinsteinModelResponse>>, EinsteinRefusal>> HandleListAsync(
        string datasetId, string? offset, string? count, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        if (await DescribeDataset.FindAsync(datasetId, db, blobs, cancellationToken) is not { } dataset) return (EinsteinRefusal)EinsteinProblems.NotFound("dataset", datasetId);
        var (skip, take) = EinsteinText.Page(offset, count, ModelsMax);
        var models = await db.EinsteinModels().AsNoTracking().Where(model => model.DatasetNumber == dataset.Row.Number)
            .OrderBy(model => model.CreatedUtc).ThenBy(model => model.Id).Skip(skip).Take(take).ToListAsync(cancellationToken);
        var listed = new List<EinsteinModelResponse>();
        foreach (var model in models)
        {
            var run = await RunOfAsync(model.Id, db, cancellationToken);
            listed.Add(new EinsteinModelResponse
            {
                DatasetId = model.DatasetNumber,
                DatasetVersionId = run?.DatasetVersion ?? 0,
                Name = model.Name,
                Status = StatusOf(run),
                Progress = ProgressOf(run),
                CreatedAt = EinsteinText.Date(model.CreatedUtc),
                UpdatedAt = EinsteinText.Date(UpdatedOf(model, run)),
                ModelId = model.Id,
                ModelType = model.Type,
                Algorithm = model.Algorithm,
                Language = model.Language,
                FailureMsg = run?.Error,
            });
        }
        return TypedResults.Ok(new EinsteinList<EinsteinModelResponse>(listed));
    }

    public static async Task<Results<Ok<EinsteinMetricsResponse>, EinsteinRefusal>> HandleMetricsAsync(string modelId, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        if (await FindAsync(modelId, db, cancellationToken) is not { } model) return (EinsteinRefusal)EinsteinProblems.NotFound("model", modelId);
        if (await EvaluationOfAsync(model, db, blobs, cancellationToken) is not { } evaluation)
            return (EinsteinRefusal)EinsteinProblems.NotTrained(StatusOf(await RunOfAsync(model.Id, db, cancellationToken)));
        var run = await RunOfAsync(model.Id, db, cancellationToken);
        var loss = run is null ? null : await db.RunMetrics().AsNoTracking().Where(metric => metric.RunId == run.Id && metric.Name == "train/loss")
            .OrderByDescending(metric => metric.Step).FirstOrDefaultAsync(cancellationToken);
        return TypedResults.Ok(new EinsteinMetricsResponse
        {
            Id = model.Id,
            CreatedAt = EinsteinText.Date(model.CreatedUtc),
            Algorithm = model.Algorithm,
            Language = model.Language,
            MetricsData = new EinsteinMetrics
            {
                Labels = evaluation.Labels,
                F1 = [.. (evaluation.PerLabel ?? []).Select(label => label.F1)],
                MacroF1 = Score(MetricNames.MacroF1),
                Precision = [.. (evaluation.PerLabel ?? []).Select(label => label.Precision)],
                Recall = [.. (evaluation.PerLabel ?? []).Select(label => label.Recall)],
                ConfusionMatrix = evaluation.ConfusionMatrix,
                TestAccuracy = Score(MetricNames.Accuracy) ?? Score(MetricNames.SubsetAccuracy),
                TestLoss = Score(MetricNames.LogLoss),
                TrainingLoss = loss?.Value,
            },
        });

        double? Score(string name) => evaluation.Metrics.TryGetValue(name, out var value) ? value : null;
    }

    public static async Task<Results<Ok<EinsteinList<EinsteinLearningCurveResponse>>, EinsteinRefusal>> HandleCurveAsync(
        string modelId, string? offset, string? count, PlatformDb db, CancellationToken cancellationToken)
    {
        if (await FindAsync(modelId, db, cancellationToken) is not { } model) return (EinsteinRefusal)EinsteinProblems.NotFound("model", modelId);
        var (skip, take) = EinsteinText.Page(offset, count, EpochsMax);
        var run = await RunOfAsync(model.Id, db, cancellationToken);
        var points = run is null ? [] : await db.RunMetrics().AsNoTracking().Where(metric => metric.RunId == run.Id).ToListAsync(cancellationToken);
        return TypedResults.Ok(new EinsteinList<EinsteinLearningCurveResponse>(
        [
            .. points.GroupBy(point => point.Step).OrderBy(step => step.Key).Skip(skip).Take(take).Select(step => new EinsteinLearningCurveResponse
            {
                Epoch = step.Key,
                MetricsData = new EinsteinMetrics
                {
                    // Measured on examples that were kept aside, as the test ones are only looked at once.
                    TestAccuracy = step.FirstOrDefault(point => point.Name == "validation/accuracy")?.Value,
                    TestLoss = step.FirstOrDefault(point => point.Name == "validation/loss")?.Value,
                    TrainingLoss = step.FirstOrDefault(point => point.Name.StartsWith("train/", StringComparison.Ordinal) && point.Name.EndsWith("loss", StringComparison.Ordinal))?.Value,
                },
            }),
        ]));
    }

    public static async Task<Results<Ok<EinsteinDeletionResponse>, EinsteinRefusal>> HandleDeleteAsync(
        string modelId, Caller caller, PlatformDb db, RegistryChanges changes, ServedModels served, TimeProvider clock, ILogger<Model> logger, CancellationToken cancellationToken)
    {
        if (await FindAsync(modelId, db, cancellationToken) is not { } model) return (EinsteinRefusal)EinsteinProblems.NotFound("model", modelId);
        if (await RunOfAsync(model.Id, db, cancellationToken) is { IsEnded: false }) return (EinsteinRefusal)EinsteinProblems.Invalid("The model is being trained. Try again when the training has ended.");
        var deletion = DeleteDataset.Record(db, "MODEL", model.Id, clock);
        db.EinsteinModels().Remove(model);
        await DeleteModel.HandleAsync(EinsteinModel.ModelOf(model.Id), caller, db, changes, served, logger, cancellationToken);

        // A training that failed made no model of the platform; then nothing was saved yet.
        await db.SaveChangesAsync(cancellationToken);
        return TypedResults.Ok(DeleteDataset.ToWire(deletion, caller));
    }

    public static async Task<EinsteinTrainingResponse> TrainingOfAsync(EinsteinModel model, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        var run = await RunOfAsync(model.Id, db, cancellationToken);
        return new EinsteinTrainingResponse
        {
            DatasetId = model.DatasetNumber,
            DatasetVersionId = run?.DatasetVersion ?? 0,
            Name = model.Name,
            Status = StatusOf(run),
            Progress = ProgressOf(run),
            CreatedAt = EinsteinText.Date(model.CreatedUtc),
            UpdatedAt = EinsteinText.Date(UpdatedOf(model, run)),
            LearningRate = model.LearningRate ?? (EinsteinTypes.IsVision(model.Type) ? LearningRateOfImages : 0),
            Epochs = model.Epochs ?? 0,
            QueuePosition = run?.State == RunStates.Queued
                ? await db.Runs().CountAsync(other => other.State == RunStates.Queued && string.Compare(other.Id, run.Id) <= 0, cancellationToken)
                : null,
            ModelId = model.Id,
            TrainParams = model.TrainParams,
            TrainStats = run?.State == RunStates.Succeeded ? await StatsOfAsync(run, db, blobs, cancellationToken) : null,
            ModelType = model.Type,
            Language = model.Language,
            Algorithm = model.Algorithm,
            FailureMsg = run?.Error,
        };
    }

    public static async Task<EinsteinModel?> FindAsync(string? modelId, PlatformDb db, CancellationToken cancellationToken) =>
        await db.EinsteinModels().SingleOrDefaultAsync(model => model.Id == modelId, cancellationToken);

    /// <summary>The newest training of a model.</summary>
    private static Task<Run?> RunOfAsync(string modelId, PlatformDb db, CancellationToken cancellationToken)
    {
        var model = EinsteinModel.ModelOf(modelId);
        return db.Runs().AsNoTracking().Where(run => run.Model == model).OrderByDescending(run => run.Id).FirstOrDefaultAsync(cancellationToken);
    }

    private static async Task<EvaluationReport?> EvaluationOfAsync(EinsteinModel model, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        var report = await GetModelVersion.HandleReportAsync(EinsteinModel.ModelOf(model.Id), Aliases.Latest, db, blobs, cancellationToken);
        return (report.Result as Ok<ModelReportResponse>)?.Value?.Evaluation;
    }

    private static async Task<EinsteinTrainStats?> StatsOfAsync(Run run, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        // Its dataset may be deleted; then nobody knows any more.
        var (_, version) = await db.FindDatasetVersionAsync(run.Dataset, run.DatasetVersion.ToString(CultureInfo.InvariantCulture), cancellationToken);
        if (version is null) return null;
        var manifest = await ListDatasetVersions.ReadManifestAsync(version, blobs, cancellationToken);
        var took = (run.EndedUtc ?? run.CreatedUtc) - (run.StartedUtc ?? run.CreatedUtc);
        return new EinsteinTrainStats
        {
            Labels = manifest.Labels.Count,
            Examples = manifest.Statistics.Samples,
            TotalTime = string.Create(CultureInfo.InvariantCulture, $"{(int)took.TotalHours:00}:{took.Minutes:00}:{took.Seconds:00}:{took.Milliseconds:000}"),
            LastEpochDone = await db.RunMetrics().Where(metric => metric.RunId == run.Id).MaxAsync(metric => (int?)metric.Step, cancellationToken),
            TrainSplitSize = SizeOf(SplitNames.Train) + SizeOf(SplitNames.Validation),
            TestSplitSize = SizeOf(SplitNames.Test),
        };

        long SizeOf(string split) => manifest.Statistics.Splits.FirstOrDefault(one => one.Split == split)?.Count ?? 0;
    }

    private static string StatusOf(Run? run) => run?.State switch
    {
        RunStates.Queued => "QUEUED",
        RunStates.Running => "RUNNING",
        RunStates.Succeeded => "SUCCEEDED",
        RunStates.Cancelled => "KILLED",
        _ => "FAILED",
    };

    private static double ProgressOf(Run? run) => run?.State == RunStates.Succeeded ? 1 : run?.Progress ?? 0;

    private static DateTime UpdatedOf(EinsteinModel model, Run? run) => run?.EndedUtc ?? run?.StartedUtc ?? run?.CreatedUtc ?? model.CreatedUtc;
}
