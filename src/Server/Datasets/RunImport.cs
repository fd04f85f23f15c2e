using System.Text.Json;
using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Jobs;
using Atoll.Platform.Limits;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Datasets;

/// <summary>The job that turns uploaded files into a dataset version. Rows are written at its very end, all at once; what a crash leaves are blobs that nothing names.</summary>
internal sealed partial class RunImport(
    PlatformDb db, DataFolder folder, BlobStore blobs, UrlDownload download, TenantLimitsDirectory limits, IServiceScopeFactory scopes, TimeProvider clock, ILogger<RunImport> logger) : IJobHandler
{
    public const string Kind = "datasets.import";
    public const string Lane = "imports";

    private const int CommitAttempts = 5;

    private static readonly TimeSpan ProgressStep = TimeSpan.FromSeconds(1);

    private double _progress;

    public async Task RunAsync(JobAttempt attempt, CancellationToken cancellationToken)
    {
        var import = await db.Imports().SingleAsync(row => row.Id == attempt.Subject, cancellationToken);

        // A crash between our last write and the job's own end: all is done.
        if (import.State == ImportStates.Succeeded) return;

        var previous = await InheritAsync(import, cancellationToken);
        import.State = ImportStates.Running;
        import.Error = null;
        if (import.Files.Count == 0) import.Files = [await download.LoadAsync(attempt.TenantId, import.Request.Url!, import.Request.Split, cancellationToken)];
        await db.SaveChangesAsync(cancellationToken);

        var files = new List<SourceFile>();
        foreach (var file in import.Files)
            files.Add(new SourceFile(file.Name, await blobs.VerifiedPathAsync(attempt.TenantId, file.Digest, cancellationToken), file.Split));

        var temporary = folder.NewTemporaryFile();
        try
        {
            await ImportAsync(import, files, previous, temporary, cancellationToken);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    public Task RequeueAsync(JobAttempt attempt, string? error, CancellationToken cancellationToken) =>
        db.Imports().Where(import => import.Id == attempt.Subject && import.State == ImportStates.Running).ExecuteUpdateAsync(
            set => set.SetProperty(import => import.State, ImportStates.Queued).SetProperty(import => import.Progress, 0).SetProperty(import => import.Error, error)
                .SetProperty(import => import.Revision, import => import.Revision + 1),
            cancellationToken);

    public async Task EndAsync(JobAttempt attempt, JobState state, string? error, CancellationToken cancellationToken)
    {
        if (state == JobState.Succeeded) return;

        var ended = state switch { JobState.Failed => ImportStates.Refused, JobState.Cancelled => ImportStates.Cancelled, _ => ImportStates.Failed };
        var now = clock.GetUtcNow().UtcDateTime;
        await db.Imports().Where(import => import.Id == attempt.Subject && import.State != ImportStates.Succeeded).ExecuteUpdateAsync(
            set => set.SetProperty(import => import.State, ended).SetProperty(import => import.Error, error).SetProperty(import => import.EndedUtc, now)
                .SetProperty(import => import.Revision, import => import.Revision + 1), cancellationToken);
    }

    /// <summary>Takes over what the version before was told, and returns what it consists of; null for a dataset's first version.</summary>
    private async Task<DatasetSchema?> InheritAsync(Import import, CancellationToken cancellationToken)
    {
        if (import.DatasetId is null) return null;

        var (dataset, version) = await db.FindDatasetVersionAsync(import.Dataset, "latest", cancellationToken);
        if (version is null || dataset!.Id != import.DatasetId) return null;

        // A deleted dataset of the same name may have had this number too; its import is the older one.
        var before = await db.Imports().AsNoTracking().Where(row => row.Dataset == import.Dataset && row.Version == version.Number)
            .OrderByDescending(row => row.CreatedUtc).Select(row => row.Request).FirstOrDefaultAsync(cancellationToken);
        var schema = (await ListDatasetVersions.ReadManifestAsync(version, blobs, cancellationToken)).Schema;

        // What was told of a column ends with it.
        var types = before?.Columns?.Where(given => schema.Columns.Any(column => column.Name == given.Key)).ToDictionary();
        if (before is not null) import.Request = import.Request.Over(before with { Columns = types });

        return schema;
    }

    private async Task ImportAsync(Import import, List<SourceFile> files, DatasetSchema? previous, string indexPath, CancellationToken cancellationToken)
    {
        var format = DatasetFormats.Find(import.Type) ?? throw new JobRefusedException($"This Atoll does not know datasets of the type '{import.Type}'.");
        await using var data = blobs.Create(import.TenantId);
        await using var index = new FileStream(indexPath, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1 << 16);

        using var reported = new CancellationTokenSource();
        var reporting = ReportAsync(import.TenantId, import.Id, reported.Token);
        ImportOutcome outcome;
        try
        {
            // The importers are plain loops; they get a thread of the pool for as long as they take.
            outcome = await Task.Run(
                () => DatasetImport.Run(format, files, SettingsOf(import.Request, limits.Of(import.TenantId)) with { Previous = previous }, data.Stream, index, fraction => Volatile.Write(ref _progress, fraction), cancellationToken), cancellationToken);
        }
        finally
        {
            await reported.CancelAsync();
            await reporting;
        }

        if (outcome.Manifest is null) await RefuseAsync(import, outcome.Problems, cancellationToken);
        else await CommitAsync(import, outcome, data, index, cancellationToken);
    }

    private async Task RefuseAsync(Import import, ImportProblems problems, CancellationToken cancellationToken)
    {
        Note(import, problems);
        await db.SaveChangesAsync(cancellationToken);
        var first = problems.Errors[0];
        var place = first.Line is { } line ? $"{first.File}, line {line}: " : first.Entry is { } entry ? $"{first.File}, {entry}: " : first.File is { } file ? $"{file}: " : "";
        var more = problems.ErrorCount switch { 1 => "", 2 => " There is one more problem.", var count => $" There are {count - 1:N0} more problems." };
        throw new JobRefusedException($"{place}{first.Message}{more}");
    }

    private async Task CommitAsync(Import import, ImportOutcome outcome, BlobWriter data, FileStream index, CancellationToken cancellationToken)
    {
        var stored = await data.CommitAsync(cancellationToken);
        await index.FlushAsync(cancellationToken);
        index.Position = 0;
        var storedIndex = await blobs.WriteAsync(import.TenantId, index, cancellationToken);
        var manifest = outcome.Manifest! with { DataSha256 = stored.Digest, IndexSha256 = storedIndex.Digest };
        var storedManifest = await blobs.WriteAsync(import.TenantId, JsonSerializer.SerializeToUtf8Bytes(manifest, AtollJson.Default.DatasetManifest), cancellationToken);

        // Another import of the same dataset may take the number first; then the next one is ours.
        for (int tries = 1; ; tries++)
        {
            try
            {
                await WriteRowsAsync(import.TenantId, import.Id, manifest, storedManifest.Digest, outcome.Problems, cancellationToken);
                return;
            }
            catch (DbUpdateConcurrencyException) when (tries < CommitAttempts)
            {
                Log.LostRace(logger, import.Id, import.Dataset);
            }
        }
    }

    private async Task WriteRowsAsync(string tenantId, string importId, DatasetManifest manifest, string manifestDigest, ImportProblems problems, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenantId);
        var rows = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        var import = await rows.Imports().SingleAsync(row => row.Id == importId, cancellationToken);

        // Another attempt was done first, or the import was cancelled: a version of it would surprise its owner.
        if (ImportStates.IsEnded(import.State)) return;

        var now = clock.GetUtcNow().UtcDateTime;
        var dataset = await rows.Datasets().SingleOrDefaultAsync(row => row.Name == import.Dataset, cancellationToken);
        if (import.DatasetId is null)
        {
            if (dataset is not null) throw new JobRefusedException($"Meanwhile there is a dataset '{import.Dataset}'. Choose another name, or add a version to it.");

            // Requests at the same time may have passed the first look together.
            var most = limits.Of(tenantId);
            if (await rows.Datasets().CountAsync(cancellationToken) >= most.DatasetsMax) throw new LimitReachedException(LimitProblems.TooManyDatasets(most));

            dataset = new Dataset { Id = Ids.New("dat", clock), Name = import.Dataset, Type = import.Type, CreatedUtc = now };
            rows.Datasets().Add(dataset);
        }
        else if (dataset?.Id != import.DatasetId)
        {
            throw new JobRefusedException($"The dataset '{import.Dataset}' was deleted meanwhile.");
        }

        dataset.LatestVersion++;
        rows.DatasetVersions().Add(new DatasetVersion
        {
            Id = Ids.New("dsv", clock),
            DatasetId = dataset.Id,
            Number = dataset.LatestVersion,
            ManifestDigest = manifestDigest,
            DataDigest = manifest.DataSha256,
            IndexDigest = manifest.IndexSha256,
            SampleCount = manifest.Statistics.Samples,
            Bytes = manifest.Statistics.Bytes,
            CreatedUtc = now,
        });
        import.State = ImportStates.Succeeded;
        import.Progress = 1;
        import.Version = dataset.LatestVersion;
        import.Samples = manifest.Statistics.Samples;
        import.Skipped = manifest.Skipped;
        import.EndedUtc = now;
        Note(import, problems);
        await rows.SaveChangesAsync(cancellationToken);
        Log.Imported(logger, import.Id, dataset.Name, dataset.LatestVersion, manifest.Statistics.Samples);
    }

    private async Task ReportAsync(string tenantId, string importId, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(ProgressStep, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                try
                {
                    await WriteProgressAsync(tenantId, importId, Volatile.Read(ref _progress), cancellationToken);
                }
                catch (Exception exception) when (JobWorker.IsStorageFailure(exception))
                {
                    // Only a bar stands still; the import itself must not end for that.
                    Log.ProgressLost(logger, exception, importId);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The import has ended.
        }
    }

    private async Task WriteProgressAsync(string tenantId, string importId, double progress, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenantId);
        var rows = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        await rows.Imports().Where(import => import.Id == importId)
            .ExecuteUpdateAsync(set => set.SetProperty(import => import.Progress, progress), cancellationToken);
    }

    private static void Note(Import import, ImportProblems problems)
    {
        import.Problems = problems.Errors;
        import.ProblemCount = problems.ErrorCount;
        import.Warnings = problems.Warnings;
        import.WarningCount = problems.WarningCount;
    }

    private static string? NullIfEmpty(string? text) => text is "" ? null : text;

    private static ImportSettings SettingsOf(ImportRequest request, TenantLimits limits) => new()
    {
        Label = NullIfEmpty(request.Label),
        TextColumn = NullIfEmpty(request.TextColumn),
        LabelSeparator = request.LabelSeparator,
        SkipBad = request.SkipBad,
        Seed = request.Seed ?? 1,
        TestFraction = request.TestFraction ?? 0.2,
        ColumnTypes = request.Columns ?? new Dictionary<string, string>(),
        MissingMarkers = request.MissingMarkers ?? CellValues.MissingMarkersDefault,
        Csv = new CsvHints(request.Delimiter is { Length: 1 } delimiter ? delimiter[0] : null, null, request.Header),
        Limits = new ImportLimits { SamplesMax = limits.RowsPerUploadMax },
    };

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Import {Import} made version {Version} of dataset {Dataset} with {Samples} samples.")]
        public static partial void Imported(ILogger logger, string import, string dataset, int version, long samples);

        [LoggerMessage(LogLevel.Warning, "The progress of import {Import} could not be written; it is tried again.")]
        public static partial void ProgressLost(ILogger logger, Exception exception, string import);

        [LoggerMessage(LogLevel.Information, "Import {Import} lost a race for dataset {Dataset}; it takes the next number.")]
        public static partial void LostRace(ILogger logger, string import, string dataset);
    }
}
