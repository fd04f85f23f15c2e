using Atoll.Contracts;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Atoll.ModelImports;

/// <summary>How imports of models are stored, and the set that queries start from.</summary>
internal static class ModelImportTables
{
    public static DbSet<ModelImport> ModelImports(this PlatformDb db) => db.Set<ModelImport>();

    internal sealed class ModelImportTable : IEntityTypeConfiguration<ModelImport>
    {
        public void Configure(EntityTypeBuilder<ModelImport> builder)
        {
            builder.ToTable("model_imports").HasKey(import => import.Id);
            builder.HasIndex(import => new { import.TenantId, import.State });
            builder.Property(import => import.Request).IsJson(AtollJson.Default.ModelImportRequest);
        }
    }

    internal sealed class BlobReferences : IBlobReferences
    {
        public async IAsyncEnumerable<string> ReadDigestsAsync(
            PlatformDb db, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
        {
            // What was uploaded is needed until the import has ended, also across a restart. Then a version names it, or nobody.
            var pending = db.ModelImports().Where(import => import.State == ImportStates.Queued || import.State == ImportStates.Running)
                .Select(import => import.FileDigest).AsAsyncEnumerable();
            await foreach (var digest in pending.WithCancellation(cancellationToken)) yield return digest;
        }
    }
}
