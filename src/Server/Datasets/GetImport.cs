using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Jobs;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Datasets;

/// <summary>Where an import stands, and its end before its time.</summary>
internal static class GetImport
{
    public static async Task<Results<Ok<ImportResponse>, ProblemHttpResult>> HandleAsync(string import, PlatformDb db, CancellationToken cancellationToken)
    {
        var found = await db.Imports().AsNoTracking().SingleOrDefaultAsync(i => i.Id == import, cancellationToken);
        return found is null ? DatasetsProblems.ImportNotFound(import).ToResult() : TypedResults.Ok(found.ToWire());
    }

    public static async Task<Results<Accepted<ImportResponse>, ProblemHttpResult>> HandleCancelAsync(
        string import, PlatformDb db, JobQueue jobs, TimeProvider clock, CancellationToken cancellationToken)
    {
        var found = await db.Imports().SingleOrDefaultAsync(i => i.Id == import, cancellationToken);
        if (found is null) return DatasetsProblems.ImportNotFound(import).ToResult();
        if (ImportStates.IsEnded(found.State)) return DatasetsProblems.ImportEnded(import, found.State).ToResult();

        return await jobs.CancelAsync(db, found, clock) is null
            ? DatasetsProblems.ImportEnded(import, found.State).ToResult()
            : TypedResults.Accepted($"/api/v1/imports/{import}", found.ToWire());
    }
}
