using System.Globalization;
using System.Text.Json;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Platform;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Jobs;
using Atoll.Platform.Limits;
using Atoll.Platform.Security;
using Atoll.Registry;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace Atoll.Training;

/// <summary>Puts a training in line.</summary>
internal static partial class CreateRun
{
    public static async Task<Results<Accepted<RunResponse>, ProblemHttpResult>> HandleAsync(
        CreateRunRequest request, Caller caller, HttpResponse response, PlatformDb db, BlobStore blobs, JobQueue jobs, TenantLimitsDirectory limits, IOptions<TrainingOptions> options, TimeProvider clock, ILogger<Run> logger, CancellationToken cancellationToken)
    {
        var model = request.Model ?? request.Dataset;
        var experiment = request.Experiment ?? "default";
        if (Names.Check(model, "model") is { } badModel) return badModel.ToResult();
        if (Names.Check(experiment, "experiment") is { } badExperiment) return badExperiment.ToResult();
        var minutes = options.Value.MinutesMax;
        if (request.MinutesMax is { } asked && !(asked > 0 && asked <= minutes))
        {
            return HttpProblems.InvalidField("minutesMax", $"is {asked}", string.Create(
                CultureInfo.InvariantCulture, $"Give more than 0 and at most {minutes} minutes, the operator's Training:MinutesMax.")).ToResult();
        }

        if (await RegisterModelVersion.CheckRoomAsync(model, limits.Of(caller.TenantId), db, cancellationToken) is { } noRoom) return noRoom.ToResult();

        var dataset = await db.Datasets().AsNoTracking().SingleOrDefaultAsync(d => d.Name == request.Dataset, cancellationToken);
        if (dataset is null) return TrainingProblems.DatasetNotFound(request.Dataset).ToResult();
        if (dataset.LatestVersion == 0) return TrainingProblems.DatasetNotReady(request.Dataset).ToResult();
        var number = request.DatasetVersion ?? dataset.LatestVersion;
        var version = await db.DatasetVersions().AsNoTracking()
            .SingleOrDefaultAsync(v => v.DatasetId == dataset.Id && v.Number == number, cancellationToken);
        if (version is null)
        {
            return HttpProblems.NotFound($"version of dataset {dataset.Name}", $"{number}", $"List them with: atoll datasets versions {dataset.Name}.")
                .ToResult();
        }

        var manifest = JsonSerializer.Deserialize(
            await blobs.ReadAllAsync(version.TenantId, version.ManifestDigest, cancellationToken), AtollJson.Default.DatasetManifest)!;
        if (MissingSplit(manifest) is { } split) return TrainingProblems.SplitMissing(dataset.Name, number, split).ToResult();
        var kind = TrainingKinds.Of(manifest.Type);
        var (target, badTarget) = FindTarget(request, dataset, manifest);
        if (badTarget is not null) return badTarget.ToResult();
        var parameters = request.Parameters ?? new Dictionary<string, string>();
        if (TrainingProblems.WrongParameter(parameters, kind.ParametersOf(manifest.Schema), manifest, target) is { } wrong) return wrong.ToResult();
        if (await db.FindSignatureAsync(model, cancellationToken) is { } has
            && TrainingProblems.ModelOfOtherKind(model, has, kind.SampleType, kind.TaskOf(parameters, manifest.Schema), target) is { } other) return other.ToResult();

        var run = new Run
        {
            Id = Ids.New("run", clock),
            Experiment = experiment,
            State = RunStates.Queued,
            Dataset = dataset.Name,
            DatasetVersion = number,
            Model = model,
            Target = target,
            By = caller.PrincipalName,
            Seed = request.Seed,
            MinutesMax = request.MinutesMax,
            Parameters = new Dictionary<string, string>(parameters),
            CreatedUtc = clock.GetUtcNow().UtcDateTime,
        };
        db.Runs().Add(run);
        if (await jobs.SaveWithJobAsync(db, caller.TenantId, TrainingModule.RunJob, run.Id, request.Priority, cancellationToken) is { } full)
            return full.ToResult(response);
        Log.Queued(logger, run.Id, model);
        return TypedResults.Accepted($"/api/v1/runs/{run.Id}", ListRuns.ToWire(run));
    }

    // Without held-out samples nobody could say how good the model is.
    private static string? MissingSplit(DatasetManifest manifest) => new[] { SplitNames.Train, SplitNames.Test }
        .FirstOrDefault(name => !manifest.Statistics.Splits.Any(split => split.Split == name && split.Count > 0));

    private static (string? Target, Problem? Problem) FindTarget(CreateRunRequest request, Dataset dataset, DatasetManifest manifest)
    {
        if (manifest.Type != DatasetTypes.Tabular)
            return (null, request.Target is null ? null : TrainingProblems.TargetNotForTables(manifest.Type));
        var columns = manifest.Schema.Columns.Select(column => column.Name).ToList();
        var target = request.Target ?? manifest.Schema.LabelColumn;
        if (target is null) return (null, TrainingProblems.TargetMissing(dataset.Name, columns));
        return columns.Contains(target) ? (target, null) : (null, TrainingProblems.TargetUnknown(target, columns));
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Queued run {Run} for model {Model}.")]
        public static partial void Queued(ILogger logger, string run, string model);
    }
}
