using Atoll.Platform.Database;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Atoll.Platform.Limits;

/// <summary>A limit of one tenant that is not the one of the settings.</summary>
internal sealed class TenantLimitOverride : ITenantOwned
{
    public string TenantId { get; set; } = "";

    /// <summary>One of <see cref="TenantLimits.Names"/>.</summary>
    public required string Name { get; set; }

    public required double Value { get; set; }
}

/// <summary>How limits are stored, and the set that queries start from.</summary>
internal static class TenantLimitTables
{
    public static DbSet<TenantLimitOverride> TenantLimitOverrides(this PlatformDb db) => db.Set<TenantLimitOverride>();

    internal sealed class TenantLimitOverrideTable : IEntityTypeConfiguration<TenantLimitOverride>
    {
        public void Configure(EntityTypeBuilder<TenantLimitOverride> builder) =>
            builder.ToTable("tenant_limits").HasKey(limit => new { limit.TenantId, limit.Name });
    }
}
