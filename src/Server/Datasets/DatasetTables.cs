using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Atoll.Datasets;

/// <summary>How datasets are stored, and the sets that queries start from.</summary>
internal static class DatasetTables
{
    public static DbSet<Dataset> Datasets(this PlatformDb db) => db.Set<Dataset>();

    public static DbSet<DatasetVersion> DatasetVersions(this PlatformDb db) => db.Set<DatasetVersion>();

    internal sealed class DatasetTable : IEntityTypeConfiguration<Dataset>
    {
        public void Configure(EntityTypeBuilder<Dataset> builder)
        {
            builder.ToTable("datasets").HasKey(dataset => dataset.Id);
            builder.HasIndex(dataset => new { dataset.TenantId, dataset.Name }).IsUnique();
        }
    }

    internal sealed class DatasetVersionTable : IEntityTypeConfiguration<DatasetVersion>
    {
        public void Configure(EntityTypeBuilder<DatasetVersion> builder)
        {
            builder.ToTable("dataset_versions").HasKey(version => version.Id);
            builder.HasIndex(version => new { version.DatasetId, version.Number }).IsUnique();
            builder.HasOne<Dataset>().WithMany().HasForeignKey(version => version.DatasetId).OnDelete(DeleteBehavior.Cascade);
        }
    }

    internal sealed class BlobReferences : IBlobReferences
    {
        public async IAsyncEnumerable<string> ReadDigestsAsync(
            PlatformDb db, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
        {
            var digests = db.DatasetVersions().Select(version => new { version.ManifestDigest, version.DataDigest, version.IndexDigest }).AsAsyncEnumerable();
            await foreach (var row in digests.WithCancellation(cancellationToken))
            {
                yield return row.ManifestDigest;
                yield return row.DataDigest;
                yield return row.IndexDigest;
            }
        }
    }
}
