using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Registry;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Atoll.Promotion;

/// <summary>How promotions are stored, and the set that queries start from.</summary>
internal static class PromotionTables
{
    public static DbSet<PromotionRecord> Promotions(this PlatformDb db) => db.Set<PromotionRecord>();

    internal sealed class PromotionTable : IEntityTypeConfiguration<PromotionRecord>
    {
        public void Configure(EntityTypeBuilder<PromotionRecord> builder)
        {
            builder.ToTable("promotions").HasKey(promotion => promotion.Id);
            builder.HasIndex(promotion => promotion.ModelId);
            builder.HasOne<Model>().WithMany().HasForeignKey(promotion => promotion.ModelId).OnDelete(DeleteBehavior.Cascade);
            builder.Property(promotion => promotion.Gates).IsJson(AtollJson.Default.ListGateResult);
        }
    }
}
