using System.Threading.Channels;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Registry;
using Atoll.Serving;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

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
    private readonly int _loadsMax;
    private readonly TimeProvider _clock;
    private readonly ILogger<PinnedModels> _logger;
    private readonly Channel<string> _changed = Channel.CreateBounded<string>(new BoundedChannelOptions(ChangesMax) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly SemaphoreSlim _turn = new(1);
    private readonly Dictionary<(string TenantId, string Endpoint), string> _held = [];

    public PinnedModels(
        IServiceScopeFactory scopes, RouteTable routes, ServedModels models, RegistryChanges changes, IOptions<DeploymentsOptions> options, TimeProvider clock,
        ILogger<PinnedModels> logger)
    {
        (_scopes, _routes, _models, _loadsMax, _clock, _logger) = (scopes, routes, models, options.Value.LoadsMax, clock, logger);

        // One that is dropped is found a minute later.
        changes.Changed += (tenantId, _) => _changed.Writer.TryWrite(tenantId);
    }

    /// <summary>Brings what an endpoint serves into memory and keeps it there; null when that went well.</summary>
    /// <param name="save">Remembers the pin, before any pass may look for it.</param>
    public Task<Problem?> PinAsync(string tenantId, string endpoint, Func<Task> save, CancellationToken cancellationToken) =>
        HoldAsync(tenantId, endpoint, isUrgent: true, static () => Task.FromResult(true), save, cancellationToken);

    /// <summary>Treats what the endpoint serves like any other model again.</summary>
    /// <param name="save">Forgets the pin, before any pass may look for it.</param>
    public async Task UnpinAsync(string tenantId, string endpoint, Func<Task> save, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            await save();
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
        var endpoints = scope.ServiceProvider.GetRequiredService<PlatformDb>().Endpoints().IgnoreQueryFilters().AsNoTracking().Where(endpoint => endpoint.IsPinned);

        // As many as are loaded at the same time: one that loads slowly does not hold up the others.
        var sideBySide = new ParallelOptions { MaxDegreeOfParallelism = _loadsMax, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(await LetGoAsync(endpoints, tenantId, cancellationToken), sideBySide, async (pin, token) =>
        {
            try
            {
                var problem = await HoldAsync(
                    pin.TenantId, pin.Endpoint, isUrgent: false, () => endpoints.AnyAsync(endpoint => endpoint.TenantId == pin.TenantId && endpoint.Name == pin.Endpoint, token),
                    static () => Task.CompletedTask, token);
                if (problem is not null) Log.NotHeld(_logger, pin.Endpoint, pin.TenantId, problem.Detail);
            }
            catch (ModelLoadException failure)
            {
                // A damaged blob: the others are to be held all the same.
                Log.NotHeld(_logger, pin.Endpoint, pin.TenantId, failure.Reason);
            }
        });
    }

    public override void Dispose()
    {
        _turn.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var due = _clock.GetTimestamp();
        Task<string>? next = null;
        while (!stoppingToken.IsCancellationRequested)
        {
            string? tenantId = null;
            try
            {
                // Kept when the time is over: one that nobody awaits any more would swallow a change.
                next ??= _changed.Reader.ReadAsync(stoppingToken).AsTask();
                tenantId = await next.WaitAsync(Again, _clock, stoppingToken);
                next = null;
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

    // Looked for in the turn: a pin that was saved meanwhile is not let go.
    private async Task<List<(string TenantId, string Endpoint)>> LetGoAsync(IQueryable<Endpoint> endpoints, string? tenantId, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            var pinned = (await endpoints.Where(endpoint => tenantId == null || endpoint.TenantId == tenantId)
                .Select(endpoint => new { endpoint.TenantId, endpoint.Name }).ToListAsync(cancellationToken)).ConvertAll(pin => (pin.TenantId, Endpoint: pin.Name));
            foreach (var gone in _held.Keys.Where(held => tenantId is null || held.TenantId == tenantId).Except(pinned).ToList()) Release_NeedsTurn(gone.TenantId, gone.Endpoint);
            return pinned;
        }
        finally
        {
            _turn.Release();
        }
    }

    // The model is loaded outside of the turn: a load that takes long, or waits behind others, holds up nobody else's pins.
    // What is wanted and saved is asked for in the turn, so that pins held side by side may share one context.
    private async Task<Problem?> HoldAsync(
        string tenantId, string endpoint, bool isUrgent, Func<Task<bool>> isWanted, Func<Task> save, CancellationToken cancellationToken)
    {
        while (true)
        {
            var route = await _routes.FindAsync(tenantId, endpoint, null, cancellationToken);
            try
            {
                using ModelLease? lease = route is null ? null : await _models.GetForPinAsync(route, isUrgent, cancellationToken);
                await _turn.WaitAsync(cancellationToken);
                try
                {
                    // Unpinned meanwhile, or the alias moved.
                    if (!await isWanted()) return null;
                    if ((await _routes.FindAsync(tenantId, endpoint, null, cancellationToken))?.ServingDigest != route?.ServingDigest) continue;
                    if (lease is { } loaded && _models.TryPin(loaded, endpoint) is { } full) return full;
                    await save();

                    // The new version is held before the old one is let go.
                    if (_held.TryGetValue((tenantId, endpoint), out var former) && former != route?.ServingDigest) Release_NeedsTurn(tenantId, endpoint);
                    if (route is not null) _held[(tenantId, endpoint)] = route.ServingDigest;
                    return null;
                }
                finally
                {
                    _turn.Release();
                }
            }
            catch (ModelCacheFullException full)
            {
                return _models.Explain(full, tenantId) ?? DeploymentProblems.NoRoomToPin(endpoint);
            }
            catch (ModelLoadException failure) when (route is not null && _models.Explain(failure, route) is { } problem)
            {
                return problem;
            }
        }
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
