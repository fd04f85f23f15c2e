using Atoll.Contracts;
using Atoll.Deployments;
using Atoll.Platform;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Registry;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Promotion;

/// <summary>Moves an environment's alias to a version when its gates hold; either way the attempt is recorded.</summary>
internal static partial class PromoteModel
{
    public static async Task<Results<Ok<PromotionResponse>, ProblemHttpResult>> HandleAsync(
        string model, PromoteRequest request, Caller caller, PlatformDb db, RegistryChanges changes, ServedModels served, TimeProvider clock,
        ILogger<PromotionRecord> logger, CancellationToken cancellationToken)
    {
        if (Check(request) is { } invalid) return invalid.ToResult();
        var found = await db.Models().SingleOrDefaultAsync(m => m.Name == model, cancellationToken);
        if (found is null) return RegistryProblems.ModelNotFound(model).ToResult();
        var selector = request.Version is { } number ? $"{number}" : Aliases.Latest;
        var version = await db.FindVersionAsync(found.Id, selector, cancellationToken);
        if (version is null) return RegistryProblems.VersionNotFound(model, selector).ToResult();

        // Loaded before the alias moves, so that the first request to the new version does not wait.
        var foreseen = await JudgeAsync(found, version, request, caller, db, clock, cancellationToken);
        if (foreseen.Promoted) await served.WarmAsync(caller.TenantId, version.ServingDigest, version.Signature, cancellationToken);

        // Loading takes a while; what counts is what stands when the alias moves.
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        if (!await db.ModelVersions().AnyAsync(v => v.Id == version.Id, cancellationToken)) return RegistryProblems.VersionNotFound(model, selector).ToResult();
        var record = await JudgeAsync(found, version, request, caller, db, clock, cancellationToken);
        db.Promotions().Add(record);
        if (record.Promoted) await RegisterModelVersion.SetAliasAsync(db, found.Id, request.To, version.Number, cancellationToken);
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(CancellationToken.None);
        if (record.Promoted)
        {
            changes.Publish(caller.TenantId, model);
            Log.Promoted(logger, model, version.Number, request.To);
        }
        return TypedResults.Ok(ToWire(model, record));
    }

    public static async Task<Results<Ok<Page<PromotionResponse>>, ProblemHttpResult>> HandleListAsync(
        string model, [AsParameters] Paging paging, PlatformDb db, CancellationToken cancellationToken)
    {
        if (paging.Check() is { } invalid) return invalid.ToResult();
        var found = await db.Models().AsNoTracking().SingleOrDefaultAsync(m => m.Name == model, cancellationToken);
        if (found is null) return RegistryProblems.ModelNotFound(model).ToResult();
        var before = paging.After ?? "~";
        var rows = db.Promotions().AsNoTracking().Where(promotion => promotion.ModelId == found.Id && string.Compare(promotion.Id, before) < 0)
            .OrderByDescending(promotion => promotion.Id);
        return TypedResults.Ok(await paging.ReadAsync(rows, row => row.Id, row => ToWire(model, row), cancellationToken));
    }

    private static async Task<PromotionRecord> JudgeAsync(
        Model model, ModelVersion version, PromoteRequest request, Caller caller, PlatformDb db, TimeProvider clock, CancellationToken cancellationToken)
    {
        var replaced = await db.FindVersionAsync(model.Id, request.To, cancellationToken);
        var gates = request.Gates is { Count: > 0 } asked ? asked
            : replaced is null || replaced.Number == version.Number ? []
            : Gate.NotWorseThan(version.Signature.Task, replaced.Metrics);
        var judged = gates.Select(gate => Gate.Judge(gate, version.Metrics)).ToList();
        return new PromotionRecord
        {
            Id = Ids.New("prm", clock),
            ModelId = model.Id,
            Version = version.Number,
            To = request.To,
            Replaced = replaced?.Number,
            Promoted = judged.All(gate => gate.Held),
            Gates = judged,
            By = caller.PrincipalName,
            AtUtc = clock.GetUtcNow().UtcDateTime,
        };
    }

    private static Problem? Check(PromoteRequest request)
    {
        if (request.To is not (Aliases.Staging or Aliases.Production)) return PromotionProblems.UnknownEnvironment(request.To);
        for (var i = 0; i < (request.Gates?.Count ?? 0); i++)
        {
            var gate = request.Gates![i];
            if (gate is null || string.IsNullOrEmpty(gate.Metric)) return PromotionProblems.GateWithoutMetric(i);
            if (gate.AtLeast is null && gate.AtMost is null) return PromotionProblems.GateWithoutBound(i);
        }
        return null;
    }

    private static PromotionResponse ToWire(string model, PromotionRecord record) => new()
    {
        Id = record.Id,
        Model = model,
        Version = record.Version,
        To = record.To,
        Replaced = record.Replaced,
        Promoted = record.Promoted,
        Gates = record.Gates,
        By = record.By,
        AtUtc = record.AtUtc,
    };

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Promoted version {Version} of model {Model} to {Environment}.")]
        public static partial void Promoted(ILogger logger, string model, int version, string environment);
    }
}
