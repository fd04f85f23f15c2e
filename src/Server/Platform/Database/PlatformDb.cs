using System.Linq.Expressions;
using System.Reflection;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace Atoll.Platform.Database;

/// <summary>The metadata database. A module finds its tables by extension methods in its <c>XTables.cs</c>.</summary>
/// <remarks>Every <see cref="ITenantOwned"/> entity is filtered by the tenant of the scope and stamped with it on insert.</remarks>
internal abstract class PlatformDb(DbContextOptions options, TenantScope scope) : DbContext(options)
{
    /// <summary>Name of the query filter that keeps tenants apart. Only Platform and start-up may lift it.</summary>
    public const string TenantFilter = "tenant";

    /// <summary>This unit of work has written something that stays written, whatever fails after it.</summary>
    public bool HasSaved { get; private set; }

    // The filter's expression reads this property of the context at each query.
    private string? TenantId => scope.TenantId;

    public override int SaveChanges(bool acceptAllChangesOnSuccess)
    {
        StampChanges();
        var rows = base.SaveChanges(acceptAllChangesOnSuccess);
        HasSaved |= rows > 0;
        return rows;
    }

    public override async Task<int> SaveChangesAsync(bool acceptAllChangesOnSuccess, CancellationToken cancellationToken = default)
    {
        StampChanges();
        var rows = await base.SaveChangesAsync(acceptAllChangesOnSuccess, cancellationToken);
        HasSaved |= rows > 0;
        return rows;
    }

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.ApplyConfigurationsFromAssembly(typeof(PlatformDb).Assembly);
        var filter = typeof(PlatformDb).GetMethod(nameof(FilterByTenant), BindingFlags.Instance | BindingFlags.NonPublic)!;
        var entities = modelBuilder.Model.GetEntityTypes().ToList();
        var root = entities.Single(entity => typeof(ITenantRoot).IsAssignableFrom(entity.ClrType)).ClrType;
        foreach (var entity in entities)
        {
            if (typeof(ITenantOwned).IsAssignableFrom(entity.ClrType))
            {
                filter.MakeGenericMethod(entity.ClrType).Invoke(this, [modelBuilder]);

                // A request that began before its tenant was deleted must not leave a row behind.
                modelBuilder.Entity(entity.ClrType).HasOne(root).WithMany().HasForeignKey(nameof(ITenantOwned.TenantId)).OnDelete(DeleteBehavior.Cascade);
            }
            if (typeof(IRevised).IsAssignableFrom(entity.ClrType))
                modelBuilder.Entity(entity.ClrType).Property(nameof(IRevised.Revision)).IsConcurrencyToken();
        }
    }

    protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder)
    {
        configurationBuilder.Properties<DateTime>().HaveConversion<UtcConverter>();
        configurationBuilder.Properties<Enum>().HaveConversion<string>();
    }

    private void FilterByTenant<T>(ModelBuilder modelBuilder)
        where T : class, ITenantOwned
    {
        Expression<Func<T, bool>> ownedByScope = entity => entity.TenantId == TenantId;
        modelBuilder.Entity<T>().HasQueryFilter(TenantFilter, ownedByScope);
    }

    private void StampChanges()
    {
        foreach (var entry in ChangeTracker.Entries())
        {
            if (entry.State is not (EntityState.Added or EntityState.Modified or EntityState.Deleted)) continue;
            if (entry.Entity is ITenantOwned owned)
            {
                if (entry.State == EntityState.Added && string.IsNullOrEmpty(owned.TenantId))
                    owned.TenantId = scope.TenantId ?? throw new InvalidOperationException($"A {entry.Metadata.ClrType.Name} was added outside any tenant.");

                // A row of another tenant can only get here by a lifted filter or a programming error; never let it through.
                if (scope.TenantId is not null && owned.TenantId != scope.TenantId)
                    throw new InvalidOperationException($"A {entry.Metadata.ClrType.Name} of another tenant would have been written.");
            }
            if (entry.Entity is IRevised revised && entry.State is EntityState.Modified) revised.Revision++;
        }
    }

    private sealed class UtcConverter() : ValueConverter<DateTime, DateTime>(
        value => value, value => DateTime.SpecifyKind(value, DateTimeKind.Utc));
}

/// <summary>The metadata database in one SQLite file.</summary>
internal sealed class SqlitePlatformDb(DbContextOptions<SqlitePlatformDb> options, TenantScope scope) : PlatformDb(options, scope);
