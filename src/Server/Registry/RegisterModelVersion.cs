using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Limits;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Registry;

/// <summary>Gives a stored artifact the next version number of its model, which is made when it does not exist.</summary>
internal static class RegisterModelVersion
{
    /// <summary>What a version is made of.</summary>
    public sealed record Registration(
        string Model, BlobReference Artifact, BlobReference Serving, string? GraphDigest, BlobReference Report, string Algorithm, ModelSignature Signature,
        IReadOnlyDictionary<string, double> Metrics, ModelLineage Lineage, string? OwnSessionReason = null);

    /// <summary>Why the model may not have another version; null when it may. Also asked before the work is done that makes one.</summary>
    public static async Task<Problem?> CheckRoomAsync(string model, TenantLimits limits, PlatformDb db, CancellationToken cancellationToken) =>
        await db.ModelVersions().CountAsync(version => db.Models().Any(one => one.Id == version.ModelId && one.Name == model), cancellationToken) >= limits.VersionsMax
            ? LimitProblems.TooManyVersions(limits, model)
            : null;

    /// <summary>Adds the version to the caller's unit of work; the caller saves, then publishes the change.</summary>
    /// <exception cref="LimitReachedException">The model has as many as it may have.</exception>
    public static async Task<(Model Model, ModelVersion Version)> RunAsync(
        Registration registration, TenantLimits limits, PlatformDb db, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (await CheckRoomAsync(registration.Model, limits, db, cancellationToken) is { } full) throw new LimitReachedException(full);
        var now = clock.GetUtcNow().UtcDateTime;
        var model = await db.Models().SingleOrDefaultAsync(m => m.Name == registration.Model, cancellationToken);
        if (model is null) db.Models().Add(model = new Model { Id = Ids.New("mdl", clock), Name = registration.Model, CreatedUtc = now });

        // The number comes from the row, not from a count: deleted versions must never be reused.
        model.LatestVersion++;
        var version = new ModelVersion
        {
            Id = Ids.New("mv", clock),
            ModelId = model.Id,
            Number = model.LatestVersion,
            Digest = registration.Artifact.Digest,
            Bytes = registration.Artifact.Bytes,
            ServingDigest = registration.Serving.Digest,
            GraphDigest = registration.GraphDigest,
            OwnSessionReason = registration.OwnSessionReason,
            ReportDigest = registration.Report.Digest,
            Algorithm = registration.Algorithm,
            Signature = registration.Signature,
            Metrics = new Dictionary<string, double>(registration.Metrics),
            Lineage = registration.Lineage,
            CreatedUtc = now,
        };
        db.ModelVersions().Add(version);
        await SetAliasAsync(db, model.Id, Aliases.Latest, version.Number, cancellationToken);
        return (model, version);
    }

    /// <summary>Points an alias at a version, in the caller's unit of work. Returns the version that it named before.</summary>
    public static async Task<int?> SetAliasAsync(PlatformDb db, string modelId, string alias, int version, CancellationToken cancellationToken)
    {
        var row = await db.ModelAliases().SingleOrDefaultAsync(a => a.ModelId == modelId && a.Name == alias, cancellationToken);
        if (row is null)
        {
            db.ModelAliases().Add(new ModelAlias { ModelId = modelId, Name = alias, Version = version });
            return null;
        }
        var before = row.Version;
        row.Version = version;
        return before;
    }
}
