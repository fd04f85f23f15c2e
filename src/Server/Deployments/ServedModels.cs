using System.Diagnostics.Metrics;
using Atoll.Contracts;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Limits;
using Atoll.Platform.Telemetry;
using Atoll.Serving;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;
using Microsoft.Extensions.Options;

namespace Atoll.Deployments;

/// <summary>Brings artifacts from the blob store into memory, ready to predict, and keeps those that are used.</summary>
internal sealed partial class ServedModels : ITenantMemory, IAsyncDisposable
{
    private readonly BlobStore _blobs;
    private readonly ModelCache _cache;
    private readonly TenantLimitsDirectory _limits;
    private readonly ModelCacheOptions _cacheOptions;
    private readonly UsageCounters _usage;
    private readonly TimeProvider _clock;
    private readonly ILogger<ServedModels> _logger;

    public ServedModels(BlobStore blobs, TenantLimitsDirectory limits, IOptions<DeploymentsOptions> options, HotModelOptions hot, IMeterFactory meters, UsageCounters usage, TimeProvider clock,
        ILogger<ServedModels> logger)
    {
        _usage = usage;
        _clock = clock;
        _limits = limits;
        _blobs = blobs;
        _logger = logger;
        _cacheOptions = new ModelCacheOptions
        {
            CacheBytesMax = options.Value.CacheBytesMax, LoadsMax = options.Value.LoadsMax, PinnedShareMax = options.Value.PinnedShareMax, LoadDuration = CacheMetrics.LoadDuration(meters),
            LoadsOf = tenantId => limits.Of(tenantId) is var own ? new TenantLoads(own.ModelLoadsMax, own.WaitingModelLoadsMax, own.ModelLoadsPerSecondMax) : default,
        };
        _cache = new ModelCache(_cacheOptions, clock);
        Hot = new HotModels(_cache, ReadAsync, hot, clock);
    }

    /// <summary>Models that are asked for all the time.</summary>
    public HotModels Hot { get; }

    /// <summary>What times of models are measured by.</summary>
    public TimeProvider Clock => _clock;

    /// <summary>Leases the version that a route leads to; at once when it is in memory.</summary>
    /// <exception cref="ModelLoadException">It cannot be loaded; the message tells why.</exception>
    /// <exception cref="ModelCacheFullException">There is no room for it now.</exception>
    public ValueTask<ModelLease> GetAsync(Route route, CancellationToken cancellationToken) =>
        TryGet(route, out var lease)
            ? ValueTask.FromResult(lease)
            : LoadForRequestAsync(route, cancellationToken);

    /// <summary>The same for a pin. When nobody waits for it, requests come first.</summary>
    /// <param name="isUrgent">Somebody waits for it.</param>
    public ValueTask<ModelLease> GetForPinAsync(Route route, bool isUrgent, CancellationToken cancellationToken) =>
        LoadAsync(route.TenantId, route.ServingDigest, route.Signature, isUrgent, cancellationToken);

    /// <summary>Leases the version that a route leads to if it is in memory.</summary>
    public bool TryGet(Route route, out ModelLease lease) => _cache.TryGet(new ModelKey(route.TenantId, route.ServingDigest), out lease);

    /// <summary>Leases a version if it is in memory, for a look at it.</summary>
    /// <param name="digest">Of its serving form.</param>
    public bool TryPeek(string tenantId, string digest, out ModelLease lease) => _cache.TryPeek(new ModelKey(tenantId, digest), out lease);

    /// <summary>Makes sure that a version can be brought into memory, without doing it: who asks whether a model is ready wants no room taken.</summary>
    /// <exception cref="BlobCorruptException">Its bytes are not those that were stored.</exception>
    public async Task CheckAsync(Route route, CancellationToken cancellationToken)
    {
        if (TryPeek(route.TenantId, route.ServingDigest, out var lease)) lease.Dispose();
        else await _blobs.VerifiedPathAsync(route.TenantId, route.ServingDigest, cancellationToken);
    }

    /// <summary>Loads a version before somebody asks for it.</summary>
    /// <param name="digest">Of its serving form.</param>
    /// <exception cref="ModelLoadException">It cannot be loaded; the message tells why.</exception>
    /// <param name="isUrgent">False when nobody waits for it: what requests wait for comes first, and the tenant's rate of loads is not touched.</param>
    public async Task WarmAsync(string tenantId, string digest, ModelSignature signature, CancellationToken cancellationToken, bool isUrgent = true)
    {
        try
        {
            (await LoadAsync(tenantId, digest, signature, isUrgent, cancellationToken)).Dispose();
        }
        catch (ModelCacheFullException)
        {
            // The models in use need all the room. The version is sound for all that; its first request loads it.
        }
    }

    /// <summary>Gives the memory of a deleted version back; requests that use it end well.</summary>
    public void Unload(string tenantId, string digest) => _cache.Remove(new ModelKey(tenantId, digest));

    public void Forget(string tenantId) => _cache.RemoveAll(tenantId);

    /// <summary>The refusal, when it is the tenant's own limit that left no room; null when the memory is full altogether.</summary>
    public Problem? Explain(ModelCacheFullException full, string tenantId) => full.Limit switch
    {
        ModelCacheLimit.TenantBytes => LimitProblems.ModelCacheShareFull(_limits.Of(tenantId)),
        ModelCacheLimit.TenantLoadsWaiting => LimitProblems.TooManyWaitingModelLoads(_limits.Of(tenantId)),
        ModelCacheLimit.TenantLoadRate => LimitProblems.TooManyModelLoads(_limits.Of(tenantId), full.RetryAfter),
        _ => null,
    };

    /// <summary>The same for a prediction, which counts as refused.</summary>
    public Problem? ExplainRefusal(ModelCacheFullException full, string tenantId)
    {
        _usage.CountRefusal(tenantId);
        return Explain(full, tenantId);
    }

    /// <summary>Keeps a leased version in memory whatever others need; a problem when pinned models may take no more.</summary>
    public Problem? TryPin(in ModelLease lease, string endpoint)
    {
        var limits = _limits.Of(lease.Key.Tenant);
        return _cache.TryPin(lease, (long)(_cacheOptions.CacheBytesMax * Math.Min(limits.PinnedModelShare, limits.ModelCacheShare))) switch
        {
            PinOutcome.TenantFull => LimitProblems.PinnedModelsFull(limits),
            PinOutcome.Full => DeploymentProblems.PinsFull(endpoint),
            _ => null,
        };
    }

    public void Unpin(string tenantId, string digest) => _cache.Unpin(new ModelKey(tenantId, digest));

    public bool IsPinned(string tenantId, string digest) => _cache.IsPinned(new ModelKey(tenantId, digest));

    /// <summary>Models that are worth to be loaded first after a start.</summary>
    public IReadOnlyList<ModelKey> Used(int countMax) => _cache.Used(countMax);

    /// <summary>Why a version cannot be loaded, when that is the model's own fault; null when the server is to blame.</summary>
    public Problem? Explain(ModelLoadException failure, Route route)
    {
        if (failure.InnerException is not OnnxException) return null;
        Log.NotLoadable(_logger, route.Model, route.Version, route.TenantId, failure.Reason);
        return DeploymentProblems.NotLoadable(route, failure.Reason, _cacheOptions.FailureMemory);
    }

    /// <summary>Native memory that a tenant's loaded models take.</summary>
    public long BytesOf(string tenantId) => _cache.BytesOf(tenantId);

    /// <summary>How full the memory for models is, and how it is used.</summary>
    public ModelCacheSnapshot Snapshot() => _cache.Snapshot();

    public ValueTask DisposeAsync() => _cache.DisposeAsync();

    private async ValueTask<ModelLease> LoadForRequestAsync(Route route, CancellationToken cancellationToken)
    {
        var began = _clock.GetTimestamp();
        try
        {
            return await LoadAsync(route.TenantId, route.ServingDigest, route.Signature, isUrgent: true, cancellationToken);
        }
        finally
        {
            RequestSpans.Record("load", _clock.GetElapsedTime(began), _clock);
        }
    }

    private ValueTask<ModelLease> LoadAsync(string tenantId, string digest, ModelSignature signature, bool isUrgent, CancellationToken cancellationToken) =>
        _cache.GetAsync(new ModelKey(tenantId, digest), (key, token) =>
        {
            _usage.CountModelLoad(key.Tenant);
            return ReadAsync(key, signature, token);
        }, cancellationToken, isUrgent);

    private async Task<ModelContent> ReadAsync(ModelKey key, ModelSignature signature, CancellationToken cancellationToken)
    {
        var limits = _limits.Of(key.Tenant);
        return new ModelContent(ServingPack.Read(await _blobs.ReadAllAsync(key.Tenant, key.Digest, cancellationToken)), signature)
        {
            TenantBytesMax = (long)(_cacheOptions.CacheBytesMax * limits.ModelCacheShare), TenantBytesMin = limits.ModelCacheBytesMin,
        };
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "Version {Version} of model {Model} of tenant {Tenant} could not be loaded: {Reason}")]
        public static partial void NotLoadable(ILogger logger, string model, int version, string tenant, string reason);
    }
}
