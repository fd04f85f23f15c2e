using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Jobs;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace Atoll.ModelImports;

/// <summary>Makes the import of a file whose bytes are safe, and its job.</summary>
internal sealed partial class QueueModelImport(PlatformDb db, JobQueue jobs, TimeProvider clock, IOptions<ModelImportsOptions> options, ILogger<ModelImport> logger)
{
    /// <param name="wait">Until it has ended, as long as the settings allow.</param>
    /// <returns>The import as it stands; or the problem when nothing was queued.</returns>
    public async Task<Outcome<ModelImport>> RunAsync(
        string tenantId, string model, UploadedFile file, ModelImportRequest request, bool wait, CancellationToken cancellationToken)
    {
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
        db.ModelImports().Add(import);
        if (await jobs.SaveWithJobAsync(db, tenantId, ModelImportsModule.ImportJob, import.Id, 0, cancellationToken) is { } full) return full;
        Log.Queued(logger, import.Id, model);
        return wait
            ? await jobs.WaitAsync(
                import, (id, token) => db.ModelImports().AsNoTracking().SingleAsync(row => row.Id == id, token),
                TimeSpan.FromSeconds(options.Value.WaitSecondsMax), cancellationToken)
            : import;
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Queued import {Import} of a version of model {Model}.")]
        public static partial void Queued(ILogger logger, string import, string model);
    }
}
