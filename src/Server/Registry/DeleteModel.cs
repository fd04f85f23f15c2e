using Atoll.Contracts;
using Atoll.Deployments;
using Atoll.Platform.Database;
using Atoll.Platform.Security;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Registry;

/// <summary>Removes a model with all its versions, or one version. The artifacts go with the next sweep of the blob store.</summary>
internal static partial class DeleteModel
{
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        string model, Caller caller, PlatformDb db, RegistryChanges changes, ServedModels served, ILogger<Model> logger, CancellationToken cancellationToken)
    {
        var found = await db.Models().SingleOrDefaultAsync(m => m.Name == model, cancellationToken);
        if (found is null) return RegistryProblems.ModelNotFound(model).ToResult();

        // A version that a training registers between the two goes from memory when room is needed.
        var digests = await db.ModelVersions().Where(version => version.ModelId == found.Id).Select(version => version.ServingDigest).ToListAsync(cancellationToken);
        db.Models().Remove(found);
        await db.SaveChangesAsync(cancellationToken);
        changes.Publish(caller.TenantId, model);
        await UnloadAsync(digests, caller.TenantId, db, served);
        Log.Deleted(logger, model);
        return TypedResults.NoContent();
    }

    public static async Task<Results<NoContent, ProblemHttpResult>> HandleVersionAsync(
        string model, string version, Caller caller, PlatformDb db, RegistryChanges changes, ServedModels served, CancellationToken cancellationToken)
    {
        var found = await db.Models().SingleOrDefaultAsync(m => m.Name == model, cancellationToken);
        if (found is null) return RegistryProblems.ModelNotFound(model).ToResult();

        // No alias may move to the version between the look and the removal.
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var row = await db.FindVersionAsync(found.Id, version, cancellationToken);
        if (row is null) return RegistryProblems.VersionNotFound(model, version).ToResult();
        var aliases = await db.ModelAliases().Where(alias => alias.ModelId == found.Id && alias.Version == row.Number).ToListAsync(cancellationToken);
        if (aliases.Count > 0) return RegistryProblems.VersionInUse(model, row.Number, aliases.Select(alias => alias.Name)).ToResult();
        db.ModelVersions().Remove(row);
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(CancellationToken.None);
        changes.Publish(caller.TenantId, model);
        await UnloadAsync([row.ServingDigest], caller.TenantId, db, served);
        return TypedResults.NoContent();
    }

    /// <summary>Gives the memory back at once, unless another version of the tenant has the very same bytes.</summary>
    private static async Task UnloadAsync(IReadOnlyList<string> digests, string tenantId, PlatformDb db, ServedModels served)
    {
        var kept = await db.ModelVersions().Where(version => digests.Contains(version.ServingDigest)).Select(version => version.ServingDigest).ToListAsync(CancellationToken.None);
        foreach (var digest in digests.Except(kept)) served.Unload(tenantId, digest);
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Deleted model {Model}.")]
        public static partial void Deleted(ILogger logger, string model);
    }
}
