using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Registry;

/// <summary>Versions of a model, newest first.</summary>
internal static class ListModelVersions
{
    public static async Task<Results<Ok<Page<ModelVersionResponse>>, ProblemHttpResult>> HandleAsync(
        string model, [AsParameters] Paging paging, PlatformDb db, CancellationToken cancellationToken)
    {
        if (paging.Check() is { } invalid) return invalid.ToResult();
        var before = int.MaxValue;
        if (paging.After is { } text && !int.TryParse(text, out before))
            return HttpProblems.InvalidField("after", $"is '{text}'", "Use the 'next' of the page before.").ToResult();
        var found = await db.Models().AsNoTracking().SingleOrDefaultAsync(m => m.Name == model, cancellationToken);
        if (found is null) return RegistryProblems.ModelNotFound(model).ToResult();
        var aliases = await db.ModelAliases().AsNoTracking().Where(alias => alias.ModelId == found.Id).ToListAsync(cancellationToken);
        var rows = db.ModelVersions().AsNoTracking().Where(version => version.ModelId == found.Id && version.Number < before)
            .OrderByDescending(version => version.Number);
        return TypedResults.Ok(await paging.ReadAsync(
            rows, row => $"{row.Number}", row => GetModelVersion.ToWire(model, row, aliases), cancellationToken));
    }
}
