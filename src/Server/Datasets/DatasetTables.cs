using Atoll.Contracts;
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

    public static DbSet<Import> Imports(this PlatformDb db) => db.Set<Import>();

    /// <summary>A version by its number, or the newest by <c>latest</c>.</summary>
    public static async Task<(Dataset? Dataset, DatasetVersion? Version)> FindDatasetVersionAsync(this PlatformDb db, string dataset, string version, CancellationToken cancellationToken)
    {
        var found = await db.Datasets().AsNoTracking().SingleOrDefaultAsync(d => d.Name == dataset, cancellationToken);
        if (found is null) return (null, null);

        int number = version == "latest" ? found.LatestVersion : int.TryParse(version, out int given) ? given : 0;
        return (found, await db.DatasetVersions().AsNoTracking().SingleOrDefaultAsync(v => v.DatasetId == found.Id && v.Number == number, cancellationToken));
    }

    internal sealed class ImportTable : IEntityTypeConfiguration<Import>
    {
        public void Configure(EntityTypeBuilder<Import> builder)
        {
            builder.ToTable("imports").HasKey(import => import.Id);
            builder.HasIndex(import => new { import.TenantId, import.State });
            builder.Property(import => import.Request).IsJson(AtollJson.Default.ImportRequest);
            builder.Property(import => import.Files).IsJson(DatasetsJson.Default.IReadOnlyListImportFile);
            builder.Property(import => import.Problems).IsJson(AtollJson.Default.IReadOnlyListImportProblem);
            builder.Property(import => import.Warnings).IsJson(AtollJson.Default.IReadOnlyListImportProblem);
        }
    }

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

            // What was uploaded is needed until the import has ended, also across a restart.
            var pending = db.Imports().Where(import => import.State == ImportStates.Queued || import.State == ImportStates.Running).Select(import => import.Files).AsAsyncEnumerable();
            await foreach (var files in pending.WithCancellation(cancellationToken))
            {
                foreach (var file in files) yield return file.Digest;
            }
        }
    }
}
