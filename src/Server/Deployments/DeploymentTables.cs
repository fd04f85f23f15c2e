using Atoll.Platform.Database;
using Atoll.Registry;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Atoll.Deployments;

/// <summary>How endpoints are stored, and the set that queries start from.</summary>
internal static class DeploymentTables
{
    public static DbSet<Endpoint> Endpoints(this PlatformDb db) => db.Set<Endpoint>();

    internal sealed class EndpointTable : IEntityTypeConfiguration<Endpoint>
    {
        public void Configure(EntityTypeBuilder<Endpoint> builder)
        {
            builder.ToTable("endpoints").HasKey(endpoint => endpoint.Id);
            builder.HasIndex(endpoint => new { endpoint.TenantId, endpoint.Name }).IsUnique();
            builder.HasOne<Model>().WithMany().HasForeignKey(endpoint => endpoint.ModelId).OnDelete(DeleteBehavior.Cascade);
        }
    }
}
