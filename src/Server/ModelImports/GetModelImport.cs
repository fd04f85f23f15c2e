using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Jobs;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.ModelImports;

/// <summary>Where an import of a model stands, and its end before its time.</summary>
internal static class GetModelImport
{
    public static async Task<Results<Ok<ModelImportResponse>, ProblemHttpResult>> HandleAsync(string modelImport, PlatformDb db, CancellationToken cancellationToken)
    {
        var found = await db.ModelImports().AsNoTracking().SingleOrDefaultAsync(import => import.Id == modelImport, cancellationToken);
        return found is null ? ModelImportsProblems.ImportNotFound(modelImport).ToResult() : TypedResults.Ok(found.ToWire());
    }

    public static async Task<Results<Accepted<ModelImportResponse>, ProblemHttpResult>> HandleCancelAsync(
        string modelImport, PlatformDb db, JobQueue jobs, TimeProvider clock, CancellationToken cancellationToken)
    {
        var found = await db.ModelImports().SingleOrDefaultAsync(import => import.Id == modelImport, cancellationToken);
        if (found is null) return ModelImportsProblems.ImportNotFound(modelImport).ToResult();
        if (ImportStates.IsEnded(found.State)) return ModelImportsProblems.ImportEnded(modelImport, found.State).ToResult();

        return await jobs.CancelAsync(db, found, clock) is null
            ? ModelImportsProblems.ImportEnded(modelImport, found.State).ToResult()
            : TypedResults.Accepted($"/api/v1/model-imports/{modelImport}", found.ToWire());
    }
}
