using System.Collections.Concurrent;
using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Registry;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Deployments;

/// <summary>Finds the version behind an endpoint, from memory once it is known.</summary>
/// <remarks>
/// Without a selector an endpoint serves the version that the alias <c>production</c> names. Until something was promoted it
/// serves the newest version, so that a first model can be tried at once.
/// </remarks>
internal sealed class RouteTable : ITenantMemory
{
    private readonly IServiceScopeFactory _scopes;
    private readonly ConcurrentDictionary<string, TenantRoutes> _tenants = new();

    public RouteTable(IServiceScopeFactory scopes, RegistryChanges changes)
    {
        _scopes = scopes;

        // A tenant's routes are dropped whole: there are few, and one question to the database brings each back.
        changes.Changed += (tenantId, _) => _tenants.TryRemove(tenantId, out TenantRoutes? _);
    }

    /// <summary>The route, or null when there is no such endpoint or nothing that it could serve.</summary>
    /// <param name="selector">A version's number or an alias; null for what the endpoint serves.</param>
    public ValueTask<Route?> FindAsync(string tenantId, string endpoint, string? selector, CancellationToken cancellationToken)
    {
        // Taken before the database is read: when a change drops it meanwhile, what was read goes with it.
        var routes = _tenants.GetOrAdd(tenantId, static _ => new TenantRoutes());
        return routes.Known.TryGetValue(new RouteKey(endpoint, selector), out var known)
            ? ValueTask.FromResult<Route?>(known)
            : ReadAsync(routes, tenantId, endpoint, selector, cancellationToken);
    }

    /// <summary>The route if it is in memory.</summary>
    public Route? FindKnown(string tenantId, string endpoint, string? selector) =>
        _tenants.TryGetValue(tenantId, out var routes) && routes.Known.TryGetValue(new RouteKey(endpoint, selector), out var known) ? known : null;

    /// <summary>Whether the version of a route was deleted after the route was found.</summary>
    public async Task<bool> IsGoneAsync(Route route, CancellationToken cancellationToken)
    {
        await using var scope = _scopes.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(route.TenantId);
        return !await scope.ServiceProvider.GetRequiredService<PlatformDb>().ModelVersions().AnyAsync(version => version.Digest == route.Digest, cancellationToken);
    }

    public void Forget(string tenantId) => _tenants.TryRemove(tenantId, out _);

    private async ValueTask<Route?> ReadAsync(
        TenantRoutes routes, string tenantId, string endpoint, string? selector, CancellationToken cancellationToken)
    {
        await using var scope = _scopes.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenantId);
        var route = await ReadAsync(scope.ServiceProvider.GetRequiredService<PlatformDb>(), endpoint, selector, cancellationToken);
        if (route is not null) routes.Known[new RouteKey(endpoint, selector)] = route;
        return route;
    }

    private static async Task<Route?> ReadAsync(PlatformDb db, string endpoint, string? selector, CancellationToken cancellationToken)
    {
        var found = await db.Endpoints().AsNoTracking().Where(e => e.Name == endpoint)
            .Join(db.Models(), e => e.ModelId, model => model.Id, (e, model) => new { e.TenantId, model.Id, model.Name, EndpointId = e.Id, e.LogRate })
            .SingleOrDefaultAsync(cancellationToken);
        if (found is null) return null;
        var (version, alias) = selector is not null
            ? (await db.FindVersionAsync(found.Id, selector, cancellationToken), int.TryParse(selector, out _) ? null : selector)
            : (await db.FindVersionAsync(found.Id, Aliases.Production, cancellationToken), Aliases.Production);
        if (version is null && selector is null)
            (version, alias) = (await db.FindVersionAsync(found.Id, Aliases.Latest, cancellationToken), Aliases.Latest);
        return version is null
            ? null
            : new Route(found.TenantId, endpoint, found.Name, version.Number, alias, version.Digest, version.ServingDigest, version.Bytes, version.Signature,
                found.LogRate > 0 ? new PredictionSampling(found.EndpointId, found.LogRate) : null);
    }

    private sealed class TenantRoutes
    {
        public ConcurrentDictionary<RouteKey, Route> Known { get; } = new();
    }

    private readonly record struct RouteKey(string Endpoint, string? Selector);
}
