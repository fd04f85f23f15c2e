using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Database;
using Atoll.Platform.Security;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Registry;

/// <summary>Moves or removes an alias by hand. Those with a meaning of their own are moved by promotion and registration.</summary>
internal static partial class MoveAlias
{
    public static async Task<Results<Ok<ModelVersionResponse>, ProblemHttpResult>> HandleAsync(
        string model, string alias, MoveAliasRequest request, Caller caller, PlatformDb db, RegistryChanges changes,
        ILogger<Model> logger, CancellationToken cancellationToken)
    {
        if (Names.Check(alias, "alias") is { } invalid) return invalid.ToResult();
        if (IsReserved(alias)) return RegistryProblems.AliasReserved(alias).ToResult();
        var found = await db.Models().SingleOrDefaultAsync(m => m.Name == model, cancellationToken);
        if (found is null) return RegistryProblems.ModelNotFound(model).ToResult();

        // The version may not be deleted between the look and the move.
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var version = await db.FindVersionAsync(found.Id, $"{request.Version}", cancellationToken);
        if (version is null) return RegistryProblems.VersionNotFound(model, $"{request.Version}").ToResult();

        await RegisterModelVersion.SetAliasAsync(db, found.Id, alias, version.Number, cancellationToken);
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(CancellationToken.None);
        changes.Publish(caller.TenantId, model);
        Log.Moved(logger, alias, model, version.Number);
        var aliases = await db.ModelAliases().AsNoTracking().Where(a => a.ModelId == found.Id).ToListAsync(cancellationToken);
        return TypedResults.Ok(GetModelVersion.ToWire(model, version, aliases));
    }

    public static async Task<Results<NoContent, ProblemHttpResult>> HandleDeleteAsync(
        string model, string alias, Caller caller, PlatformDb db, RegistryChanges changes, CancellationToken cancellationToken)
    {
        var found = await db.Models().SingleOrDefaultAsync(m => m.Name == model, cancellationToken);
        if (found is null) return RegistryProblems.ModelNotFound(model).ToResult();
        if (alias == Aliases.Latest) return RegistryProblems.AliasReserved(alias).ToResult();
        var removed = await db.ModelAliases().Where(a => a.ModelId == found.Id && a.Name == alias).ExecuteDeleteAsync(cancellationToken);
        if (removed == 0) return RegistryProblems.AliasNotFound(model, alias).ToResult();
        changes.Publish(caller.TenantId, model);
        return TypedResults.NoContent();
    }

    // An alias that looks like a number could not be told from a version.
    private static bool IsReserved(string alias) =>
        alias is Aliases.Latest or Aliases.Staging or Aliases.Production || int.TryParse(alias, out _);

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Moved alias {Alias} of model {Model} to version {Version}.")]
        public static partial void Moved(ILogger logger, string alias, string model, int version);
    }
}
