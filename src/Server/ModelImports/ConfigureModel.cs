using Atoll.Contracts;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Registry;

namespace Atoll.ModelImports;

/// <summary>Makes the next version of a model of the bytes of another version, which answers in another way.</summary>
internal sealed class ConfigureModel(PlatformDb db, RegistryChanges changes, TimeProvider clock)
{
    /// <param name="steps">How it answers many times; null for once.</param>
    /// <returns>The number of the version; or what is wrong, as a sentence.</returns>
    public async Task<(int Version, string? Wrong)> RunAsync(string tenantId, string model, ModelVersion from, StepLoop? steps, CancellationToken cancellationToken)
    {
        if (steps is not null && StepLoops.Check(steps, from.Signature) is { } wrong) return (0, wrong);

        // The bytes were tried when they came, and stay what they were.
        var registration = new RegisterModelVersion.Registration(
            model, new BlobReference(from.Digest, from.Bytes), new BlobReference(from.ServingDigest, 0), from.GraphDigest, new BlobReference(from.ReportDigest, 0), from.Algorithm,
            from.Signature with { Steps = steps }, from.Metrics, from.Lineage);
        var (_, version) = await RegisterModelVersion.RunAsync(registration, db, clock, cancellationToken);
        await db.SaveChangesAsync(cancellationToken);
        changes.Publish(tenantId, model);
        return (version.Number, null);
    }
}
