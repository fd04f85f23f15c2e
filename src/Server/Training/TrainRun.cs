using System.Globalization;
using System.Runtime.Intrinsics.X86;
using System.Runtime.InteropServices;
using System.Text.Json;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Deployments;
using Atoll.Platform;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Jobs;
using Atoll.Platform.Limits;
using Atoll.Registry;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace Atoll.Training;

/// <summary>The job that trains: gives a child process its order, records what it reports, and registers what it made.</summary>
internal sealed class TrainRun(
    PlatformDb db, DataFolder folder, BlobStore blobs, IServiceScopeFactory scopes, RunSignals signals, RegistryChanges changes,
    ServedModels served, TenantLimitsDirectory limits, IOptions<TrainingOptions> options, TimeProvider clock, ILogger<RunRecorder> recorderLog) : IJobHandler
{
    public const string Kind = "training.run";
    public const string Lane = "training";

    // The rest of the time is for reading the data and for evaluating.
    private const double TrainerShare = 0.8;

    public async Task RunAsync(JobAttempt attempt, CancellationToken cancellationToken)
    {
        var run = await db.Runs().SingleAsync(r => r.Id == attempt.Subject, cancellationToken);

        // A former attempt was done but could not say so any more.
        if (run.ModelVersion is not null) return;
        var dataset = await FindDatasetAsync(run, cancellationToken);
        run.State = RunStates.Running;
        run.Attempt = attempt.Number;
        run.Error = null;
        run.StartedUtc ??= clock.GetUtcNow().UtcDateTime;
        await db.SaveChangesAsync(cancellationToken);
        signals.Notify(run.Id);

        var work = folder.NewTemporaryFolder();
        try
        {
            await WriteOrderAsync(run, dataset, work, cancellationToken);
            await RunProcessAsync(run, work, cancellationToken);
            await RegisterAsync(run, dataset, work, cancellationToken);
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    public async Task RequeueAsync(JobAttempt attempt, string? error, CancellationToken cancellationToken)
    {
        var isOpen = await db.Runs().AnyAsync(run => run.Id == attempt.Subject && run.State == RunStates.Running && run.ModelVersion == null, cancellationToken);
        if (isOpen && error is not null)
            await LogAsync(attempt, $"Attempt {attempt.Number} of {attempt.AttemptsMax} failed and is repeated: {error}", cancellationToken);

        // Cancelled or failed rows have ended, and one with a version is done: the next attempt only says so.
        await db.Runs().Where(run => run.Id == attempt.Subject && run.State == RunStates.Running && run.ModelVersion == null).ExecuteUpdateAsync(
            set => set.SetProperty(run => run.State, RunStates.Queued).SetProperty(run => run.Stage, (string?)null)
                .SetProperty(run => run.Progress, 0).SetProperty(run => run.Error, error)
                .SetProperty(run => run.Revision, run => run.Revision + 1),
            cancellationToken);
        signals.Notify(attempt.Subject);
    }

    public async Task EndAsync(JobAttempt attempt, JobState state, string? error, CancellationToken cancellationToken)
    {
        // A run that succeeded was brought to its end together with its model version.
        if (state != JobState.Succeeded)
        {
            var now = clock.GetUtcNow().UtcDateTime;
            var ended = state == JobState.Cancelled ? RunStates.Cancelled : RunStates.Failed;
            await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);

            // An end that is repeated, because its first time was cut short, does not log again.
            var open = await db.Runs().AnyAsync(run => run.Id == attempt.Subject && run.ModelVersion == null && run.EndedUtc == null, cancellationToken);
            if (open) await LogAsync(attempt, ended == RunStates.Cancelled ? "Cancelled." : $"Failed: {error}", cancellationToken);
            await db.Runs().Where(run => run.Id == attempt.Subject && run.ModelVersion == null).ExecuteUpdateAsync(
                set => set.SetProperty(run => run.State, ended).SetProperty(run => run.Error, error).SetProperty(run => run.EndedUtc, now)
                    .SetProperty(run => run.Revision, run => run.Revision + 1),
                cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }
        signals.Notify(attempt.Subject);
    }

    // Who reads only the log of a run learns there how it ended.
    private async Task LogAsync(JobAttempt attempt, string message, CancellationToken cancellationToken)
    {
        var last = await db.RunLogs().Where(log => log.RunId == attempt.Subject).MaxAsync(log => (long?)log.Number, cancellationToken) ?? 0;
        db.RunLogs().Add(new RunLog { RunId = attempt.Subject, Number = last + 1, AtUtc = clock.GetUtcNow().UtcDateTime, Message = message });
        await db.SaveChangesAsync(cancellationToken);
    }

    private async Task<DatasetVersion> FindDatasetAsync(Run run, CancellationToken cancellationToken)
    {
        var version = await db.Datasets().Where(dataset => dataset.Name == run.Dataset)
            .Join(db.DatasetVersions(), dataset => dataset.Id, version => version.DatasetId, (_, version) => version)
            .SingleOrDefaultAsync(version => version.Number == run.DatasetVersion, cancellationToken);
        return version ?? throw new JobRefusedException($"Version {run.DatasetVersion} of the dataset '{run.Dataset}' was deleted.");
    }

    private async Task WriteOrderAsync(Run run, DatasetVersion dataset, string work, CancellationToken cancellationToken)
    {
        var order = new TrainingOrder
        {
            ManifestPath = await blobs.VerifiedPathAsync(run.TenantId, dataset.ManifestDigest, cancellationToken),
            DataPath = await blobs.VerifiedPathAsync(run.TenantId, dataset.DataDigest, cancellationToken),
            IndexPath = await blobs.VerifiedPathAsync(run.TenantId, dataset.IndexDigest, cancellationToken),
            Target = run.Target,
            Seed = run.Seed,
            MinutesMax = Math.Min(run.MinutesMax ?? double.PositiveInfinity, TrainerShare * options.Value.MinutesMax),
            RowsMax = options.Value.RowsMax,
            Parameters = run.Parameters,
        };
        await File.WriteAllBytesAsync(
            Path.Combine(work, TrainingFiles.Order), JsonSerializer.SerializeToUtf8Bytes(order, TrainingJson.Default.TrainingOrder), cancellationToken);
    }

    private async Task RunProcessAsync(Run run, string work, CancellationToken cancellationToken)
    {
        var recorder = new RunRecorder(run.TenantId, run.Id, scopes, signals, clock, recorderLog);
        var recording = recorder.WriteAsync(CancellationToken.None);
        ChildProcess.Exit exit;
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(options.Value.MinutesMax), clock);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            exit = await ChildProcess.RunAsync(
                TrainingProcess.Verb, work, new(options.Value.MemoryMegabytesMax, options.Value.Threads), recorder.AddAsync, clock, stop.Token);
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new JobRefusedException(string.Create(
                CultureInfo.InvariantCulture,
                $"The training took more than {options.Value.MinutesMax} minutes. Use fewer samples, give 'minutesMax', or ask the operator to raise Training:MinutesMax."));
        }
        finally
        {
            recorder.Complete();
            await recording;
        }
        if (recorder.Refusal is { } refusal) throw new JobRefusedException(refusal);
        if (exit.OverMemory || exit.ErrorOutput.Contains(nameof(OutOfMemoryException), StringComparison.Ordinal))
        {
            throw new JobRefusedException(
                $"The training needed more than {options.Value.MemoryMegabytesMax} MiB of memory. Use fewer samples, or ask the operator to raise Training:MemoryMegabytesMax.");
        }
        if (exit.Code != 0) throw new TrainingCrashedException(exit.Code, exit.ErrorOutput);
    }

    private async Task RegisterAsync(Run run, DatasetVersion dataset, string work, CancellationToken cancellationToken)
    {
        var result = JsonSerializer.Deserialize(
            await File.ReadAllBytesAsync(Path.Combine(work, TrainingFiles.Result), cancellationToken), TrainingJson.Default.TrainingResult)!;
        async Task<BlobReference> KeepAsync(string file)
        {
            await using var stream = File.OpenRead(Path.Combine(work, file));
            return await blobs.WriteAsync(run.TenantId, stream, cancellationToken);
        }
        var artifact = await KeepAsync(TrainingFiles.Model);
        var serving = await KeepAsync(TrainingFiles.Serving);
        var report = await blobs.WriteAsync(
            run.TenantId, JsonSerializer.SerializeToUtf8Bytes(result.Report, AtollJson.Default.ModelReportResponse), cancellationToken);

        // In memory before anybody can know of it: the first prediction is as fast as any other.
        await served.WarmAsync(run.TenantId, serving.Digest, result.Signature, cancellationToken);

        // From here on the run is done; a stop of the server must not tear version and run apart.
        await using var transaction = await db.Database.BeginTransactionAsync(CancellationToken.None);

        // Meanwhile another attempt may have registered its result, or the run was ended or deleted with its tenant.
        await db.Entry(run).ReloadAsync(CancellationToken.None);
        if (db.Entry(run).State == EntityState.Detached || run.ModelVersion is not null || RunStates.IsEnded(run.State)) return;

        // Another run may have made the model meanwhile, and what a table is for is only known now.
        if (await db.FindSignatureAsync(run.Model, CancellationToken.None) is { } has
            && TrainingProblems.ModelOfOtherKind(run.Model, has, result.Signature.SampleType, result.Signature.Task, result.Signature.Target) is { } other)
            throw new JobRefusedException($"{other.Detail} {other.Remedy}");
        var registration = new RegisterModelVersion.Registration(
            run.Model, artifact, serving, result.GraphDigest, report, result.Algorithm, result.Signature, result.Report.Evaluation!.Metrics, LineageOf(run, dataset, result), result.OwnSessionReason);
        var (registered, version) = await RegisterModelVersion.RunAsync(registration, limits.Of(run.TenantId), db, clock, CancellationToken.None);
        await db.SaveChangesAsync(CancellationToken.None);
        await EnsureEndpoint.RunAsync(registered, db, clock, CancellationToken.None);
        run.State = RunStates.Succeeded;
        run.Stage = null;
        run.Progress = 1;
        run.ModelVersion = version.Number;
        run.Metrics = version.Metrics;
        run.EndedUtc = clock.GetUtcNow().UtcDateTime;
        await db.SaveChangesAsync(CancellationToken.None);
        await transaction.CommitAsync(CancellationToken.None);
        changes.Publish(run.TenantId, run.Model);
        signals.Notify(run.Id);
    }

    private static ModelLineage LineageOf(Run run, DatasetVersion dataset, TrainingResult result) => new()
    {
        Run = run.Id,
        By = run.By,
        Dataset = run.Dataset,
        DatasetVersion = run.DatasetVersion,
        DatasetDigest = dataset.ManifestDigest,
        Recipe = $"built-in/{result.Signature.SampleType}-{result.Signature.Task}",
        Seed = run.Seed,
        Parameters = run.Parameters.Count > 0 ? run.Parameters : null,
        CodeVersion = AtollVersion.Current,
        Machine = $"{RuntimeInformation.RuntimeIdentifier}{(Avx512F.IsSupported ? "/avx512" : Avx2.IsSupported ? "/avx2" : "")}",
    };
}

/// <summary>A training process died; another attempt may succeed.</summary>
internal sealed class TrainingCrashedException(int code, string errorOutput)
    : Exception($"The training process ended with code {code}. Its last words: {(errorOutput.Length > 0 ? errorOutput : "none")}");
