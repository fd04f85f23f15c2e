using System.Collections.Concurrent;
using Atoll.Platform.Database;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace Atoll.Platform.Limits;

/// <summary>The limits of each tenant, from memory once they are known.</summary>
/// <remarks>Whoever changes a tenant's limits calls <see cref="Forget"/>.</remarks>
internal sealed class TenantLimitsDirectory(IServiceScopeFactory scopes, IOptions<TenantLimits> defaults)
{
    private ConcurrentDictionary<string, TenantLimits> _known = new();

    /// <summary>The limits of tenants that have none of their own.</summary>
    public TenantLimits Defaults => defaults.Value;

    public TenantLimits Of(string tenantId)
    {
        // Taken before the database is read: a Forget in between must not be undone by what we read.
        var known = _known;
        if (known.TryGetValue(tenantId, out var limits)) return limits;
        using var scope = scopes.CreateScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenantId);
        limits = Defaults.With(scope.ServiceProvider.GetRequiredService<PlatformDb>().TenantLimitOverrides().AsNoTracking().ToList());
        known[tenantId] = limits;
        return limits;
    }

    /// <summary>The limits of a tenant whose limits are in memory.</summary>
    public TenantLimits? FindKnown(string tenantId) => _known.TryGetValue(tenantId, out var limits) ? limits : null;

    /// <summary>Drops all that is remembered. Cheap: the next request of each tenant asks the database once.</summary>
    public void Forget() => _known = new ConcurrentDictionary<string, TenantLimits>();
}
