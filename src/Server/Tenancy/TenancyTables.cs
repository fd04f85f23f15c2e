using Atoll.Platform.Database;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Atoll.Tenancy;

/// <summary>How tenants, principals, grants and keys are stored, and the sets that queries start from.</summary>
internal static class TenancyTables
{
    public static DbSet<Tenant> Tenants(this PlatformDb db) => db.Set<Tenant>();

    public static DbSet<Principal> Principals(this PlatformDb db) => db.Set<Principal>();

    public static DbSet<Grant> Grants(this PlatformDb db) => db.Set<Grant>();

    public static DbSet<ApiKey> ApiKeys(this PlatformDb db) => db.Set<ApiKey>();

    public static DbSet<RefreshToken> RefreshTokens(this PlatformDb db) => db.Set<RefreshToken>();

    internal sealed class TenantTable : IEntityTypeConfiguration<Tenant>
    {
        public void Configure(EntityTypeBuilder<Tenant> builder)
        {
            builder.ToTable("tenants").HasKey(tenant => tenant.Id);
            builder.HasIndex(tenant => tenant.Name).IsUnique();
        }
    }

    internal sealed class PrincipalTable : IEntityTypeConfiguration<Principal>
    {
        public void Configure(EntityTypeBuilder<Principal> builder)
        {
            builder.ToTable("principals").HasKey(principal => principal.Id);
            builder.HasIndex(principal => new { principal.TenantId, principal.Name }).IsUnique();
            builder.HasIndex(principal => principal.Email);
            builder.HasIndex(principal => new { principal.TenantId, principal.Email }).IsUnique();
        }
    }

    internal sealed class GrantTable : IEntityTypeConfiguration<Grant>
    {
        public void Configure(EntityTypeBuilder<Grant> builder)
        {
            builder.ToTable("grants").HasKey(grant => new { grant.PrincipalId, grant.Permission });
            builder.HasOne<Principal>().WithMany().HasForeignKey(grant => grant.PrincipalId).OnDelete(DeleteBehavior.Cascade);
        }
    }

    internal sealed class ApiKeyTable : IEntityTypeConfiguration<ApiKey>
    {
        public void Configure(EntityTypeBuilder<ApiKey> builder)
        {
            builder.ToTable("api_keys").HasKey(key => key.Id);
            builder.HasIndex(key => key.Hash).IsUnique();
            builder.HasOne<Principal>().WithMany().HasForeignKey(key => key.PrincipalId).OnDelete(DeleteBehavior.Cascade);
        }
    }

    internal sealed class RefreshTokenTable : IEntityTypeConfiguration<RefreshToken>
    {
        public void Configure(EntityTypeBuilder<RefreshToken> builder)
        {
            builder.ToTable("refresh_tokens").HasKey(token => token.Id);
            builder.HasIndex(token => token.Hash).IsUnique();
            builder.HasOne<Principal>().WithMany().HasForeignKey(token => token.PrincipalId).OnDelete(DeleteBehavior.Cascade);
        }
    }
}
