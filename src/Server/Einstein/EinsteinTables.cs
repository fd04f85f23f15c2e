using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Atoll.Einstein;

/// <summary>How the ids of the Einstein API are stored, and the sets that queries start from.</summary>
internal static class EinsteinTables
{
    public static DbSet<EinsteinDataset> EinsteinDatasets(this PlatformDb db) => db.Set<EinsteinDataset>();

    public static DbSet<EinsteinModel> EinsteinModels(this PlatformDb db) => db.Set<EinsteinModel>();

    public static DbSet<EinsteinExample> EinsteinExamples(this PlatformDb db) => db.Set<EinsteinExample>();

    public static DbSet<EinsteinDeletion> EinsteinDeletions(this PlatformDb db) => db.Set<EinsteinDeletion>();

    internal sealed class EinsteinDatasetTable : IEntityTypeConfiguration<EinsteinDataset>
    {
        public void Configure(EntityTypeBuilder<EinsteinDataset> builder)
        {
            builder.ToTable("einstein_datasets").HasKey(dataset => new { dataset.TenantId, dataset.Number });
            builder.Property(dataset => dataset.Number).ValueGeneratedNever();
        }
    }

    internal sealed class EinsteinModelTable : IEntityTypeConfiguration<EinsteinModel>
    {
        public void Configure(EntityTypeBuilder<EinsteinModel> builder)
        {
            builder.ToTable("einstein_models").HasKey(model => model.Id);
            builder.HasIndex(model => new { model.TenantId, model.DatasetNumber });
        }
    }

    internal sealed class EinsteinExampleTable : IEntityTypeConfiguration<EinsteinExample>
    {
        public void Configure(EntityTypeBuilder<EinsteinExample> builder)
        {
            builder.ToTable("einstein_examples").HasKey(example => new { example.TenantId, example.Number });
            builder.Property(example => example.Number).ValueGeneratedNever();
            builder.HasOne<EinsteinDataset>().WithMany().HasForeignKey(example => new { example.TenantId, example.DatasetNumber }).OnDelete(DeleteBehavior.Cascade);
        }
    }

    internal sealed class BlobReferences : IBlobReferences
    {
        public async IAsyncEnumerable<string> ReadDigestsAsync(
            PlatformDb db, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
        {
            await foreach (var digest in db.EinsteinExamples().Select(example => example.Digest).AsAsyncEnumerable().WithCancellation(cancellationToken)) yield return digest;
        }
    }

    internal sealed class EinsteinDeletionTable : IEntityTypeConfiguration<EinsteinDeletion>
    {
        public void Configure(EntityTypeBuilder<EinsteinDeletion> builder) => builder.ToTable("einstein_deletions").HasKey(deletion => deletion.Id);
    }
}
