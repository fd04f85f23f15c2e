using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;

namespace Atoll.Platform.Database;

/// <summary>Deletes every row of a tenant, whichever module it belongs to.</summary>
internal static class TenantRows
{
    /// <summary>Deletes the rows of all <see cref="ITenantOwned"/> tables, in the caller's transaction.</summary>
    public static async Task DeleteAsync(PlatformDb db, string tenantId, CancellationToken cancellationToken)
    {
        foreach (var table in DependentsFirst(db.Model))
        {
            // Table names come from our own model, not from callers.
#pragma warning disable EF1002
            await db.Database.ExecuteSqlRawAsync($"DELETE FROM \"{table}\" WHERE \"{nameof(ITenantOwned.TenantId)}\" = {{0}}", [tenantId], cancellationToken);
#pragma warning restore EF1002
        }
    }

    /// <summary>Tables of the model in an order in which no row is deleted before those that point to it.</summary>
    internal static IReadOnlyList<string> DependentsFirst(IModel model)
    {
        var remaining = model.GetEntityTypes().Where(entity => typeof(ITenantOwned).IsAssignableFrom(entity.ClrType)).ToList();
        var ordered = new List<string>();
        while (remaining.Count > 0)
        {
            var next = remaining.Find(entity => !remaining.Exists(other => other != entity && PointsTo(other, entity)))
                ?? throw new InvalidOperationException($"The tables {string.Join(", ", remaining.Select(entity => entity.GetTableName()))} point to each other in a circle.");
            remaining.Remove(next);
            ordered.Add(next.GetTableName()!);
        }
        return ordered;
    }

    private static bool PointsTo(IEntityType from, IEntityType to) => from.GetForeignKeys().Any(key => key.PrincipalEntityType == to);
}
