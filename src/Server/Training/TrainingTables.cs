using Atoll.Contracts;
using Atoll.Platform.Database;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Atoll.Training;

/// <summary>How runs are stored, and the sets that queries start from.</summary>
internal static class TrainingTables
{
    public static DbSet<Run> Runs(this PlatformDb db) => db.Set<Run>();

    public static DbSet<RunMetric> RunMetrics(this PlatformDb db) => db.Set<RunMetric>();

    public static DbSet<RunLog> RunLogs(this PlatformDb db) => db.Set<RunLog>();

    internal sealed class RunTable : IEntityTypeConfiguration<Run>
    {
        public void Configure(EntityTypeBuilder<Run> builder)
        {
            builder.ToTable("runs").HasKey(run => run.Id);
            builder.HasIndex(run => new { run.TenantId, run.Model });
            builder.Property(run => run.Parameters).IsJson(AtollJson.Default.DictionaryStringString);
            builder.Property(run => run.Metrics!).IsJson(AtollJson.Default.DictionaryStringDouble);
        }
    }

    internal sealed class RunMetricTable : IEntityTypeConfiguration<RunMetric>
    {
        public void Configure(EntityTypeBuilder<RunMetric> builder)
        {
            builder.ToTable("run_metrics").HasKey(metric => new { metric.RunId, metric.Name, metric.Step });
            builder.HasOne<Run>().WithMany().HasForeignKey(metric => metric.RunId).OnDelete(DeleteBehavior.Cascade);
        }
    }

    internal sealed class RunLogTable : IEntityTypeConfiguration<RunLog>
    {
        public void Configure(EntityTypeBuilder<RunLog> builder)
        {
            builder.ToTable("run_logs").HasKey(log => new { log.RunId, log.Number });
            builder.HasOne<Run>().WithMany().HasForeignKey(log => log.RunId).OnDelete(DeleteBehavior.Cascade);
        }
    }
}
