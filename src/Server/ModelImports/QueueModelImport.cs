using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Jobs;
using Atoll.Registry;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace Atoll.ModelImports;

/// <summary>Makes the import of a file whose bytes are safe, and its job.</summary>
internal sealed partial class QueueModelImport(PlatformDb db, JobQueue jobs, TimeProvider clock, IOptions<ModelImportsOptions> options, ILogger<ModelImport> logger)
{
    /// <param name="joins">An import of the very same, under way or done, is taken instead of another one.</param>
    /// <param name="wait">Until it has ended, as long as the settings allow.</param>
    /// <returns>The import as it stands; or the problem when nothing was queued.</returns>
    public async Task<Outcome<ModelImport>> RunAsync(
        string tenantId, string model, UploadedFile file, ModelImportRequest request, bool joins, bool wait, CancellationToken cancellationToken)
    {
        ModelImport? joined = null;
        var import = new ModelImport
        {
            Id = Ids.New("mim", clock),
            Model = model,
            File = file.Name,
            FileDigest = file.Stored.Digest,
            FileBytes = file.Stored.Bytes,
            Request = request,
            State = ImportStates.Queued,
            CreatedUtc = clock.GetUtcNow().UtcDateTime,
        };
        if (await jobs.SaveWithJobAsync(db, tenantId, ModelImportsModule.ImportJob, AddAsync, 0, cancellationToken) is { } full) return full;
        if (joined is null) Log.Queued(logger, import.Id, model);
        import = joined ?? import;
        return wait
            ? await jobs.WaitAsync(
                import, (id, token) => db.ModelImports().AsNoTracking().SingleAsync(row => row.Id == id, token),
                TimeSpan.FromSeconds(options.Value.WaitSecondsMax), cancellationToken)
            : import;

        async Task<string?> AddAsync(CancellationToken saving)
        {
            joined = joins ? await FindSameAsync(import, saving) : null;
            if (joined is not null) return null;
            db.ModelImports().Add(import);
            return import.Id;
        }
    }

    private Task<ModelImport?> FindSameAsync(ModelImport wanted, CancellationToken cancellationToken) =>
        db.ModelImports().AsNoTracking().Where(import => import.Model == wanted.Model && import.FileDigest == wanted.FileDigest && import.Request == wanted.Request)
            .Where(import => import.State == ImportStates.Queued || import.State == ImportStates.Running
                || (import.State == ImportStates.Succeeded
                    && db.ModelVersions().Any(version => version.Number == import.Version && db.Models().Any(model => model.Id == version.ModelId && model.Name == import.Model && model.CreatedUtc <= import.EndedUtc))))
            .OrderByDescending(import => import.CreatedUtc).FirstOrDefaultAsync(cancellationToken);

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Queued import {Import} of a version of model {Model}.")]
        public static partial void Queued(ILogger logger, string import, string model);
    }
}
