using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Registry;

/// <summary>Models of the tenant by name.</summary>
internal static class ListModels
{
    public static async Task<Results<Ok<Page<ModelResponse>>, ProblemHttpResult>> HandleAsync(
        [AsParameters] Paging paging, PlatformDb db, CancellationToken cancellationToken)
    {
        if (paging.Check() is { } invalid) return invalid.ToResult();
        var after = paging.After ?? "";
        var rows = db.Models().AsNoTracking().Where(model => string.Compare(model.Name, after) > 0).OrderBy(model => model.Name)
            .Select(model => new Row(
                model,
                db.ModelAliases().Where(alias => alias.ModelId == model.Id).ToList(),
                db.ModelVersions().Where(version => version.ModelId == model.Id && db.ModelAliases().Any(alias => alias.ModelId == model.Id && alias.Name == Aliases.Latest && alias.Version == version.Number))
                    .Select(version => version.Signature).FirstOrDefault()));
        return TypedResults.Ok(await paging.ReadAsync(rows, row => row.Model.Name, ToWire, cancellationToken));
    }

    public static async Task<Results<Ok<ModelResponse>, ProblemHttpResult>> HandleOneAsync(
        string model, PlatformDb db, CancellationToken cancellationToken)
    {
        var found = await db.Models().AsNoTracking().SingleOrDefaultAsync(m => m.Name == model, cancellationToken);
        if (found is null) return RegistryProblems.ModelNotFound(model).ToResult();
        var aliases = await db.ModelAliases().AsNoTracking().Where(alias => alias.ModelId == found.Id).ToListAsync(cancellationToken);
        var newest = await db.FindVersionAsync(found.Id, Aliases.Latest, cancellationToken);
        return TypedResults.Ok(ToWire(new Row(found, aliases, newest?.Signature)));
    }

    private static ModelResponse ToWire(Row row) => new()
    {
        Name = row.Model.Name,
        CreatedUtc = row.Model.CreatedUtc,
        LatestVersion = row.Model.LatestVersion,
        Aliases = row.Aliases.OrderBy(alias => alias.Name, StringComparer.Ordinal).ToDictionary(alias => alias.Name, alias => alias.Version),
        Task = row.Signature?.Task,
        Notes = row.Model.Notes,
    };

    private sealed record Row(Model Model, List<ModelAlias> Aliases, ModelSignature? Signature);
}
