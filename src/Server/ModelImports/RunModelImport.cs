using System.Security.Cryptography;
using System.Text.Json;
using Atoll.Contracts;
using Atoll.Deployments;
using Atoll.Platform;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Jobs;
using Atoll.Platform.Limits;
using Atoll.Registry;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace Atoll.ModelImports;

/// <summary>The job that turns a model file into a version: a sandboxed process reads and tries it, and only what that process found out is believed.</summary>
internal sealed partial class RunModelImport(
    PlatformDb db, DataFolder folder, BlobStore blobs, IServiceScopeFactory scopes, RegistryChanges changes, ServedModels served, TenantLimitsDirectory limits,
    IOptions<ModelImportsOptions> options, TimeProvider clock, ILogger<RunModelImport> logger) : IJobHandler
{
    public const string Kind = "models.import";
    public const string Lane = "model-imports";

    private const int ResultBytesMax = 16 << 20;
    private const int StageCharsMax = 100;
    private const int StagesMax = 100;

    public async Task RunAsync(JobAttempt attempt, CancellationToken cancellationToken)
    {
        var import = await db.ModelImports().SingleAsync(row => row.Id == attempt.Subject, cancellationToken);

        // A former attempt was done but could not say so any more.
        if (import.State == ImportStates.Succeeded) return;
        import.State = ImportStates.Running;
        import.Error = null;
        await db.SaveChangesAsync(cancellationToken);

        var work = folder.NewTemporaryFolder();
        try
        {
            await TryAsync(import, work, cancellationToken);
            await RegisterAsync(import, work, cancellationToken);
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    public Task RequeueAsync(JobAttempt attempt, string? error, CancellationToken cancellationToken) =>
        db.ModelImports().Where(import => import.Id == attempt.Subject && import.State == ImportStates.Running).ExecuteUpdateAsync(
            set => set.SetProperty(import => import.State, ImportStates.Queued).SetProperty(import => import.Stage, (string?)null).SetProperty(import => import.Error, error),
            cancellationToken);

    public async Task EndAsync(JobAttempt attempt, JobState state, string? error, CancellationToken cancellationToken)
    {
        if (state == JobState.Succeeded) return;
        var ended = state switch { JobState.Failed => ImportStates.Refused, JobState.Cancelled => ImportStates.Cancelled, _ => ImportStates.Failed };
        var now = clock.GetUtcNow().UtcDateTime;
        await db.ModelImports().Where(import => import.Id == attempt.Subject && import.State != ImportStates.Succeeded).ExecuteUpdateAsync(
            set => set.SetProperty(import => import.State, ended).SetProperty(import => import.Stage, (string?)null).SetProperty(import => import.Error, error)
                .SetProperty(import => import.EndedUtc, now), cancellationToken);
    }

    private async Task TryAsync(ModelImport import, string work, CancellationToken cancellationToken)
    {
        var most = options.Value;
        var order = new ImportOrder
        {
            SourcePath = await blobs.VerifiedPathAsync(import.TenantId, import.FileDigest, cancellationToken),
            Labels = import.Request.Labels,
            MemoryMegabytesMax = most.MemoryMegabytesMax,
            SecondsMax = most.SecondsMax,
        };
        await File.WriteAllBytesAsync(Path.Combine(work, ImportFiles.Order), JsonSerializer.SerializeToUtf8Bytes(order, ImportJson.Default.ImportOrder), cancellationToken);

        var (stage, stages) = ("starting", 0);
        ChildProcess.Exit exit;
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(most.SecondsMax), clock);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            exit = await ChildProcess.RunAsync(ImportProcess.Verb, work, new(most.MemoryMegabytesMax, Threads: 1), OnStageAsync, clock, stop.Token);
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new JobRefusedException(
                $"The model took more than {most.SecondsMax} seconds ({stage}); the process that tried it was stopped. If it is sound, ask the operator to raise ModelImports:SecondsMax.");
        }
        if (exit.OverMemory || exit.Code == ImportProcess.OutOfMemoryExitCode || exit.ErrorOutput.Contains(nameof(OutOfMemoryException), StringComparison.Ordinal))
        {
            throw new JobRefusedException(
                $"The model needed more than {most.MemoryMegabytesMax} MiB of memory ({stage}); the process that tried it was stopped. If it is sound, ask the operator to raise ModelImports:MemoryMegabytesMax.");
        }
        if (exit.Code != 0)
        {
            // What it said may hold paths: that is for the operator.
            Log.Crashed(logger, import.Id, exit.Code, stage, exit.ErrorOutput);
            throw new JobRefusedException($"The model crashed the process that tried it ({stage}, exit code {exit.Code}). It would crash a server too, so it is not taken.");
        }

        async ValueTask OnStageAsync(string line, CancellationToken token)
        {
            // A process that was taken over by a model may say anything, but not keep the database busy.
            if (++stages > StagesMax) return;
            if (ImportProcess.GapsIn(line) is { } gaps)
            {
                if (stages == 1) Log.Unprotected(logger, import.Id, gaps);
                return;
            }
            stage = line.Length <= StageCharsMax ? line : line[..StageCharsMax];
            await using var scope = scopes.CreateAsyncScope();
            scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(import.TenantId);
            await scope.ServiceProvider.GetRequiredService<PlatformDb>().ModelImports().Where(row => row.Id == import.Id)
                .ExecuteUpdateAsync(set => set.SetProperty(row => row.Stage, stage), token);
        }
    }

    private async Task RegisterAsync(ModelImport import, string work, CancellationToken cancellationToken)
    {
        ImportResult result;
        try
        {
            result = JsonSerializer.Deserialize(await ReadAsync(work, ImportFiles.Result, ResultBytesMax, cancellationToken), ImportJson.Default.ImportResult)!;
        }
        catch (JsonException)
        {
            throw Tampered();
        }
        if (result.Refusal is { } refusal) throw new JobRefusedException(refusal);
        if (result.Signature is not { } signature || result.Report is not { } found) throw Tampered();
        if ((import.Request.Steps ?? signature.Steps) is { } steps)
        {
            if (StepLoops.Check(steps, signature) is { } wrong) throw new JobRefusedException(wrong);
            signature = signature with { Steps = steps };
        }

        var pack = await ReadAsync(work, ImportFiles.Serving, int.MaxValue, cancellationToken);
        CheckPack(pack, found.Serving.GraphDigest);
        var artifact = result.IsConverted
            ? await blobs.WriteAsync(import.TenantId, await ReadAsync(work, ImportFiles.Model, int.MaxValue, cancellationToken), cancellationToken)
            : new BlobReference(import.FileDigest, import.FileBytes);
        var serving = await blobs.WriteAsync(import.TenantId, pack, cancellationToken);
        var full = new ModelReportResponse { Import = found with { SourceDigest = import.FileDigest }, Candidates = [] };
        var report = await blobs.WriteAsync(import.TenantId, JsonSerializer.SerializeToUtf8Bytes(full, AtollJson.Default.ModelReportResponse), cancellationToken);

        // In memory before anybody can know of it: the first prediction is as fast as any other.
        await served.WarmAsync(import.TenantId, serving.Digest, signature, cancellationToken);

        // From here on the import is done; a stop of the server must not tear it and its version apart.
        await using var transaction = await db.Database.BeginTransactionAsync(CancellationToken.None);

        // Meanwhile another attempt may have registered its result, or the import was ended or deleted with its tenant.
        await db.Entry(import).ReloadAsync(CancellationToken.None);
        if (db.Entry(import).State == EntityState.Detached || ImportStates.IsEnded(import.State)) return;
        await RefuseOtherKindAsync(import.Model, signature);
        var registration = new RegisterModelVersion.Registration(
            import.Model, artifact, serving, found.Serving.GraphDigest, report, result.Algorithm, signature, new Dictionary<string, double>(), new ModelLineage
            {
                Import = import.Id, File = import.File, FileDigest = import.FileDigest, Recipe = $"import/{found.Format}", CodeVersion = AtollVersion.Current,
                Machine = System.Runtime.InteropServices.RuntimeInformation.RuntimeIdentifier,
            }, found.Serving.Reason);
        var (registered, version) = await RegisterModelVersion.RunAsync(registration, limits.Of(import.TenantId), db, clock, CancellationToken.None);
        await db.SaveChangesAsync(CancellationToken.None);
        await EnsureEndpoint.RunAsync(registered, db, clock, CancellationToken.None);
        import.State = ImportStates.Succeeded;
        import.Stage = null;
        import.Version = version.Number;
        import.EndedUtc = clock.GetUtcNow().UtcDateTime;
        await db.SaveChangesAsync(CancellationToken.None);
        await transaction.CommitAsync(CancellationToken.None);
        changes.Publish(import.TenantId, import.Model);
        Log.Imported(logger, import.Id, import.Model, version.Number);
    }

    // Versions of one model answer at one endpoint, so they must read the same kind of sample.
    private async Task RefuseOtherKindAsync(string model, ModelSignature signature)
    {
        var found = await db.Models().AsNoTracking().SingleOrDefaultAsync(m => m.Name == model, CancellationToken.None);
        if (found is null || await db.FindVersionAsync(found.Id, Aliases.Latest, CancellationToken.None) is not { } newest) return;
        if (newest.Signature.SampleType != signature.SampleType)
            throw new JobRefusedException($"The model '{model}' reads {newest.Signature.SampleType}; this file reads {signature.SampleType}. Import it under another name.");
    }

    /// <summary>Reads what the process left. Were it taken over by a model, a link could make us read a file of the server, and a pipe wait for ever.</summary>
    internal static async Task<byte[]> ReadAsync(string work, string name, long bytesMax, CancellationToken cancellationToken)
    {
        try
        {
            await using var file = new FileStream(LeftFile.Open(Path.Combine(work, name)), FileAccess.Read, bufferSize: 0);
            if (!file.CanSeek || file.Length > Math.Min(bytesMax, Array.MaxLength)) throw Tampered();
            var bytes = new byte[file.Length];
            await file.ReadExactlyAsync(bytes, cancellationToken);
            return bytes;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Tampered();
        }
    }

    /// <summary>Others may share the graph by its digest, so the digest must be the graph's own.</summary>
    internal static void CheckPack(byte[] bytes, string? graphDigest)
    {
        try
        {
            var pack = ServingPack.Read(bytes);
            if (pack.GraphDigest != graphDigest || (graphDigest is not null && Convert.ToHexStringLower(SHA256.HashData(pack.Graph.Span)) != graphDigest)) throw Tampered();
        }
        catch (OnnxException)
        {
            throw Tampered();
        }
    }

    private static JobRefusedException Tampered() => new("The process that tried the model left results that cannot be used. The model is not taken.");

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "The model of import {Import} crashed the process that tried it with code {Code} while {Stage}: {Output}")]
        public static partial void Crashed(ILogger logger, string import, int code, string stage, string output);

        [LoggerMessage(LogLevel.Warning,
            "The model of import {Import} was tried in a process that this system does not hold: {Gaps} (Files: no Landlock; Calls: no seccomp). See the guide 'Import a model'.")]
        public static partial void Unprotected(ILogger logger, string import, SandboxGaps gaps);

        [LoggerMessage(LogLevel.Information, "Import {Import} made version {Version} of model {Model}.")]
        public static partial void Imported(ILogger logger, string import, string model, int version);
    }
}
