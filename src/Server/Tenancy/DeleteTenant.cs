using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Jobs;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Deletes a tenant with everything it has: rows of every module, blobs, running jobs, credentials.</summary>
internal static partial class DeleteTenant
{
    /// <summary>How long blobs wait for jobs that read them to stop.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    public static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        string tenant, PlatformDb db, JobQueue jobs, BlobStore blobs, CallerDirectory callers, IEnumerable<ITenantMemory> memories, TimeProvider clock, ILogger<Tenant> logger,
        CancellationToken cancellationToken)
    {
        var found = await db.Tenants().AsNoTracking().SingleOrDefaultAsync(row => row.Name == tenant, cancellationToken);
        if (found is null) return TenancyProblems.TenantNotFound(tenant).ToResult();
        if (found.Id == Tenant.PlatformId) return TenancyProblems.PlatformTenantStays().ToResult();

        await using (var transaction = await db.Database.BeginTransactionAsync(cancellationToken))
        {
            await TenantRows.DeleteAsync(db, found.Id, cancellationToken);
            await db.Tenants().Where(row => row.Id == found.Id).ExecuteDeleteAsync(cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }
        callers.Forget();

        // From here on the tenant is gone, and going away oneself must not leave its bytes behind.
        await jobs.StopTenantAsync(found.Id);
        var until = clock.GetUtcNow() + Patience;
        while (jobs.IsRunning(found.Id) && clock.GetUtcNow() < until) await Task.Delay(TimeSpan.FromMilliseconds(50), clock, CancellationToken.None);
        foreach (var memory in memories) memory.Forget(found.Id);
        blobs.DeleteTenant(found.Id);
        Log.Deleted(logger, tenant);
        return TypedResults.NoContent();
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Deleted tenant {Tenant} with everything it had.")]
        public static partial void Deleted(ILogger logger, string tenant);
    }
}
