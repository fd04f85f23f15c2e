using Atoll.Platform.Database;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Atoll.Platform.Jobs;

/// <summary>How jobs are stored, and the sets that queries start from.</summary>
internal static class JobTables
{
    public static DbSet<Job> Jobs(this PlatformDb db) => db.Set<Job>();

    public static DbSet<JobUsage> JobUsages(this PlatformDb db) => db.Set<JobUsage>();

    internal sealed class JobTable : IEntityTypeConfiguration<Job>
    {
        public void Configure(EntityTypeBuilder<Job> builder)
        {
            builder.ToTable("jobs").HasKey(job => job.Id);
            builder.HasIndex(job => new { job.Lane, job.State, job.TenantId });
            builder.HasIndex(job => job.Subject);
        }
    }

    internal sealed class JobUsageTable : IEntityTypeConfiguration<JobUsage>
    {
        public void Configure(EntityTypeBuilder<JobUsage> builder) =>
            builder.ToTable("job_usages").HasKey(usage => new { usage.TenantId, usage.Lane });
    }
}
