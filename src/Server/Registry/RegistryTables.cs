using Atoll.Contracts;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Atoll.Registry;

/// <summary>How models are stored, and the sets that queries start from.</summary>
internal static class RegistryTables
{
    public static DbSet<Model> Models(this PlatformDb db) => db.Set<Model>();

    public static DbSet<ModelVersion> ModelVersions(this PlatformDb db) => db.Set<ModelVersion>();

    public static DbSet<ModelAlias> ModelAliases(this PlatformDb db) => db.Set<ModelAlias>();

    /// <summary>Finds a version by number or by alias.</summary>
    public static async Task<ModelVersion?> FindVersionAsync(this PlatformDb db, string modelId, string version, CancellationToken cancellationToken)
    {
        if (!int.TryParse(version, out var number))
        {
            number = await db.ModelAliases().Where(alias => alias.ModelId == modelId && alias.Name == version)
                .Select(alias => alias.Version).SingleOrDefaultAsync(cancellationToken);
        }
        return await db.ModelVersions().AsNoTracking().SingleOrDefaultAsync(v => v.ModelId == modelId && v.Number == number, cancellationToken);
    }

    /// <summary>What the newest version of a model reads and predicts; null when there is none.</summary>
    public static async Task<ModelSignature?> FindSignatureAsync(this PlatformDb db, string model, CancellationToken cancellationToken)
    {
        var id = await db.Models().Where(row => row.Name == model).Select(row => row.Id).SingleOrDefaultAsync(cancellationToken);
        return id is null ? null : (await db.FindVersionAsync(id, Aliases.Latest, cancellationToken))?.Signature;
    }

    internal sealed class ModelTable : IEntityTypeConfiguration<Model>
    {
        public void Configure(EntityTypeBuilder<Model> builder)
        {
            builder.ToTable("models").HasKey(model => model.Id);
            builder.HasIndex(model => new { model.TenantId, model.Name }).IsUnique();
            builder.Property(model => model.Notes!).IsJson(AtollJson.Default.ModelNotes);
        }
    }

    internal sealed class ModelVersionTable : IEntityTypeConfiguration<ModelVersion>
    {
        public void Configure(EntityTypeBuilder<ModelVersion> builder)
        {
            builder.ToTable("model_versions").HasKey(version => version.Id);
            builder.HasIndex(version => new { version.ModelId, version.Number }).IsUnique();
            builder.HasOne<Model>().WithMany().HasForeignKey(version => version.ModelId).OnDelete(DeleteBehavior.Cascade);
            builder.Property(version => version.Signature).IsJson(AtollJson.Default.ModelSignature);
            builder.Property(version => version.Metrics).IsJson(AtollJson.Default.DictionaryStringDouble);
            builder.Property(version => version.Lineage).IsJson(AtollJson.Default.ModelLineage);
        }
    }

    internal sealed class ModelAliasTable : IEntityTypeConfiguration<ModelAlias>
    {
        public void Configure(EntityTypeBuilder<ModelAlias> builder)
        {
            builder.ToTable("model_aliases").HasKey(alias => new { alias.ModelId, alias.Name });
            builder.HasOne<Model>().WithMany().HasForeignKey(alias => alias.ModelId).OnDelete(DeleteBehavior.Cascade);
        }
    }

    internal sealed class BlobReferences : IBlobReferences
    {
        public async IAsyncEnumerable<string> ReadDigestsAsync(
            PlatformDb db, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
        {
            var digests = db.ModelVersions().Select(version => new { version.Digest, version.ServingDigest, version.ReportDigest }).AsAsyncEnumerable();
            await foreach (var row in digests.WithCancellation(cancellationToken))
            {
                yield return row.Digest;
                yield return row.ServingDigest;
                yield return row.ReportDigest;
            }
        }
    }
}
