using System.Threading.Channels;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Registry;
using Atoll.Serving;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Deployments;

/// <summary>Holds what pinned endpoints serve in memory, also when their aliases move.</summary>
/// <remarks>On one node a pin is the minimum of one copy that never leaves.</remarks>
internal sealed partial class PinnedModels : BackgroundService
{
    private const int ChangesMax = 10_000;

    // A pin that found no room, or whose model was taken out by force, is tried again.
    private static readonly TimeSpan Again = TimeSpan.FromMinutes(1);

    private readonly IServiceScopeFactory _scopes;
    private readonly RouteTable _routes;
    private readonly ServedModels _models;
    private readonly TimeProvider _clock;
    private readonly ILogger<PinnedModels> _logger;
    private readonly Channel<string> _changed = Channel.CreateBounded<string>(new BoundedChannelOptions(ChangesMax) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly SemaphoreSlim _turn = new(1);
    private readonly Dictionary<(string TenantId, string Endpoint), string> _held = [];

    public PinnedModels(
        IServiceScopeFactory scopes, RouteTable routes, ServedModels models, RegistryChanges changes, TimeProvider clock, ILogger<PinnedModels> logger)
    {
        (_scopes, _routes, _models, _clock, _logger) = (scopes, routes, models, clock, logger);

        // One that is dropped is found a minute later.
        changes.Changed += (tenantId, _) => _changed.Writer.TryWrite(tenantId);
    }

    /// <summary>Brings what an endpoint serves into memory and keeps it there; null when that went well.</summary>
    public async Task<Problem?> HoldAsync(string tenantId, string endpoint, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            return await Hold_NeedsTurnAsync(tenantId, endpoint, cancellationToken);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Treats what the endpoint serves like any other model again.</summary>
    public async Task ReleaseAsync(string tenantId, string endpoint, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            Release_NeedsTurn(tenantId, endpoint);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Holds what all pinned endpoints serve; those that cannot be held are logged.</summary>
    /// <param name="tenantId">Of one tenant only; null for all.</param>
    public async Task HoldAllAsync(string? tenantId, CancellationToken cancellationToken)
    {
        await using var scope = _scopes.CreateAsyncScope();
        var pinned = await scope.ServiceProvider.GetRequiredService<PlatformDb>().Endpoints().IgnoreQueryFilters().AsNoTracking()
            .Where(endpoint => endpoint.IsPinned && (tenantId == null || endpoint.TenantId == tenantId)).Select(endpoint => new { endpoint.TenantId, endpoint.Name })
            .ToListAsync(cancellationToken);
        await _turn.WaitAsync(cancellationToken);
        try
        {
            foreach (var gone in _held.Keys.Where(held => tenantId is null || held.TenantId == tenantId).Except(pinned.Select(pin => (pin.TenantId, Endpoint: pin.Name))).ToList())
                Release_NeedsTurn(gone.TenantId, gone.Endpoint);
            foreach (var pin in pinned)
            {
                try
                {
                    if (await Hold_NeedsTurnAsync(pin.TenantId, pin.Name, cancellationToken) is { } problem)
                        Log.NotHeld(_logger, pin.Name, pin.TenantId, problem.Detail);
                }
                catch (ModelLoadException failure)
                {
                    // A damaged blob: the others are to be held all the same.
                    Log.NotHeld(_logger, pin.Name, pin.TenantId, failure.Reason);
                }
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    public override void Dispose()
    {
        _turn.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var due = _clock.GetTimestamp();
        while (!stoppingToken.IsCancellationRequested)
        {
            string? tenantId = null;
            try
            {
                tenantId = await _changed.Reader.ReadAsync(stoppingToken).AsTask().WaitAsync(Again, _clock, stoppingToken);
            }
            catch (TimeoutException)
            {
                // Nothing changed: all are looked at.
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            if (_clock.GetElapsedTime(due) > Again) (tenantId, due) = (null, _clock.GetTimestamp());
            try
            {
                await HoldAllAsync(tenantId, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception failure) when (failure is IOException or System.Data.Common.DbException)
            {
                Log.Failed(_logger, failure);
            }
        }
    }

    private async Task<Problem?> Hold_NeedsTurnAsync(string tenantId, string endpoint, CancellationToken cancellationToken)
    {
        var route = await _routes.FindAsync(tenantId, endpoint, null, cancellationToken);
        if (route is null)
        {
            Release_NeedsTurn(tenantId, endpoint);
            return null;
        }
        try
        {
            using var lease = await _models.GetForPinAsync(route, cancellationToken);
            if (_models.TryPin(lease, endpoint) is { } full) return full;
        }
        catch (ModelCacheFullException full)
        {
            return _models.Explain(full, tenantId) ?? DeploymentProblems.NoRoomToPin(route.Endpoint);
        }
        catch (ModelLoadException failure) when (_models.Explain(failure, route) is { } problem)
        {
            return problem;
        }

        // The new version is held before the old one is let go.
        if (_held.TryGetValue((tenantId, endpoint), out var former) && former != route.ServingDigest) Release_NeedsTurn(tenantId, endpoint);
        _held[(tenantId, endpoint)] = route.ServingDigest;
        return null;
    }

    private void Release_NeedsTurn(string tenantId, string endpoint)
    {
        if (!_held.Remove((tenantId, endpoint), out var digest)) return;

        // Another endpoint may serve the same bytes.
        if (!_held.Any(other => other.Key.TenantId == tenantId && other.Value == digest)) _models.Unpin(tenantId, digest);
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "What the pinned endpoint {Endpoint} of tenant {Tenant} serves is not held in memory: {Reason}")]
        public static partial void NotHeld(ILogger logger, string endpoint, string tenant, string reason);

        [LoggerMessage(LogLevel.Error, "Pinned endpoints could not be looked at; they are again in a minute.")]
        public static partial void Failed(ILogger logger, Exception failure);
    }
}
