using Atoll.Platform.Database;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Atoll.Monitoring;

/// <summary>How usage is stored, and the set that queries start from.</summary>
internal static class UsageTables
{
    public static DbSet<UsageDay> UsageDays(this PlatformDb db) => db.Set<UsageDay>();

    internal sealed class UsageDayTable : IEntityTypeConfiguration<UsageDay>
    {
        public void Configure(EntityTypeBuilder<UsageDay> builder)
        {
            builder.ToTable("usage_days").HasKey(usage => new { usage.TenantId, usage.Day });

            // For the list of all tenants, and for the sweep of old days.
            builder.HasIndex(usage => new { usage.Day, usage.TenantId });
        }
    }
}
