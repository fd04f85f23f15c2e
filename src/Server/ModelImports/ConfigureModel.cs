using Atoll.Contracts;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Limits;
using Atoll.Registry;
using Microsoft.EntityFrameworkCore;

namespace Atoll.ModelImports;

/// <summary>Finds the version of a model that has the bytes of another version and answers in another way; or makes it.</summary>
internal sealed class ConfigureModel(PlatformDb db, RegistryChanges changes, TenantLimitsDirectory limits, TimeProvider clock)
{
    /// <param name="steps">How it answers many times; null for once.</param>
    /// <param name="asLatest">The alias <c>latest</c> names it afterwards, also if it was there; what is made is named so in any case.</param>
    /// <returns>The number of the version; or what is wrong.</returns>
    public async Task<(int Version, Problem? Problem)> RunAsync(
        string tenantId, string model, ModelVersion from, StepLoop? steps, bool asLatest, CancellationToken cancellationToken)
    {
        if (steps is not null && StepLoops.Check(steps, from.Signature) is { } misfit) return (0, ModelImportsProblems.StepsMisfit(misfit));
        var signature = from.Signature with { Steps = steps };

        // Nobody may make the same one, or delete the one that is found, meanwhile.
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var found = await db.ModelVersions()
            .Where(version => version.ModelId == from.ModelId && version.Digest == from.Digest && version.ServingDigest == from.ServingDigest && version.Signature == signature)
            .OrderByDescending(version => version.Number).Select(version => (int?)version.Number).FirstOrDefaultAsync(cancellationToken);
        if (found is { } number)
        {
            if (!asLatest) return (number, null);
            await RegisterModelVersion.SetAliasAsync(db, from.ModelId, Aliases.Latest, number, cancellationToken);
        }
        else
        {
            var most = limits.Of(tenantId);
            if (await RegisterModelVersion.CheckRoomAsync(model, most, db, cancellationToken) is { } full) return (0, full);

            // The bytes were tried when they came, and stay what they were.
            var registration = new RegisterModelVersion.Registration(
                model, new BlobReference(from.Digest, from.Bytes), new BlobReference(from.ServingDigest, 0), from.GraphDigest, new BlobReference(from.ReportDigest, 0), from.Algorithm,
                signature, from.Metrics, from.Lineage, from.OwnSessionReason);
            (_, var made) = await RegisterModelVersion.RunAsync(registration, most, db, clock, cancellationToken);
            number = made.Number;
        }
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(CancellationToken.None);
        changes.Publish(tenantId, model);
        return (number, null);
    }
}
