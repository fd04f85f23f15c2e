using System.Text.Json;
using Atoll.Contracts;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Registry;

/// <summary>One version of a model: its card, its report, its ONNX file. A version is named by number or alias.</summary>
internal static class GetModelVersion
{
    public static async Task<Results<Ok<ModelVersionResponse>, ProblemHttpResult>> HandleAsync(
        string model, string version, PlatformDb db, CancellationToken cancellationToken)
    {
        var (found, problem) = await FindAsync(model, version, db, cancellationToken);
        if (found is null) return problem!.ToResult();
        var aliases = await db.ModelAliases().AsNoTracking().Where(alias => alias.ModelId == found.ModelId).ToListAsync(cancellationToken);
        return TypedResults.Ok(ToWire(model, found, aliases));
    }

    public static async Task<Results<Ok<ModelReportResponse>, ProblemHttpResult>> HandleReportAsync(
        string model, string version, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        var (found, problem) = await FindAsync(model, version, db, cancellationToken);
        if (found is null) return problem!.ToResult();
        var bytes = await blobs.ReadAllAsync(found.TenantId, found.ReportDigest, cancellationToken);
        return TypedResults.Ok(JsonSerializer.Deserialize(bytes, AtollJson.Default.ModelReportResponse)!);
    }

    public static async Task<Results<PhysicalFileHttpResult, ProblemHttpResult>> HandleArtifactAsync(
        string model, string version, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        var (found, problem) = await FindAsync(model, version, db, cancellationToken);
        if (found is null) return problem!.ToResult();
        var path = await blobs.VerifiedPathAsync(found.TenantId, found.Digest, cancellationToken);
        return TypedResults.PhysicalFile(path, "application/octet-stream", $"{model}-{found.Number}.onnx", entityTag: new($"\"{found.Digest}\""));
    }

    public static ModelVersionResponse ToWire(string model, ModelVersion version, IEnumerable<ModelAlias> aliases) => new()
    {
        Model = model,
        Version = version.Number,
        Digest = version.Digest,
        Bytes = version.Bytes,
        CreatedUtc = version.CreatedUtc,
        Signature = version.Signature,
        Metrics = version.Metrics,
        Lineage = version.Lineage,
        Algorithm = version.Algorithm,
        Aliases = [.. aliases.Where(alias => alias.Version == version.Number).Select(alias => alias.Name).Order(StringComparer.Ordinal)],
    };

    public static async Task<Outcome<ModelVersion>> FindAsync(string model, string version, PlatformDb db, CancellationToken cancellationToken)
    {
        var id = await db.Models().Where(m => m.Name == model).Select(m => m.Id).SingleOrDefaultAsync(cancellationToken);
        if (id is null) return RegistryProblems.ModelNotFound(model);
        var found = await db.FindVersionAsync(id, version, cancellationToken);
        return found is null ? RegistryProblems.VersionNotFound(model, version) : found;
    }
}
