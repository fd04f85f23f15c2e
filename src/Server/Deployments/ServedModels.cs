using System.Diagnostics.Metrics;
using Atoll.Contracts;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Limits;
using Atoll.Serving;
using Atoll.Serving.Splitting;
using Microsoft.Extensions.Options;

namespace Atoll.Deployments;

/// <summary>Brings artifacts from the blob store into memory, ready to predict, and keeps those that are used.</summary>
internal sealed class ServedModels : ITenantMemory, IAsyncDisposable
{
    private readonly BlobStore _blobs;
    private readonly ModelCache _cache;
    private readonly TenantLimitsDirectory _limits;
    private readonly long _bytesMax;

    public ServedModels(BlobStore blobs, TenantLimitsDirectory limits, IOptions<DeploymentsOptions> options, IMeterFactory meters, TimeProvider clock)
    {
        _limits = limits;
        _bytesMax = options.Value.CacheBytesMax;
        _blobs = blobs;
        _cache = new ModelCache(new ModelCacheOptions { CacheBytesMax = options.Value.CacheBytesMax, LoadsMax = options.Value.LoadsMax, LoadDuration = CacheMetrics.LoadDuration(meters) }, clock);
    }

    /// <summary>Leases the version that a route leads to; at once when it is in memory.</summary>
    /// <exception cref="ModelLoadException">It cannot be loaded; the message tells why.</exception>
    /// <exception cref="ModelCacheFullException">There is no room for it now.</exception>
    public ValueTask<ModelLease> GetAsync(Route route, CancellationToken cancellationToken) =>
        _cache.TryGet(new ModelKey(route.TenantId, route.ServingDigest), out var lease)
            ? ValueTask.FromResult(lease)
            : LoadAsync(route.TenantId, route.ServingDigest, route.Signature, cancellationToken);

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
    public async Task WarmAsync(string tenantId, string digest, ModelSignature signature, CancellationToken cancellationToken)
    {
        try
        {
            (await LoadAsync(tenantId, digest, signature, cancellationToken)).Dispose();
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
    public Problem? Explain(ModelCacheFullException full, string tenantId) => full.OfTenant ? LimitProblems.ModelCacheShareFull(_limits.Of(tenantId)) : null;

    /// <summary>How full the memory for models is, and how it is used.</summary>
    public ModelCacheSnapshot Snapshot() => _cache.Snapshot();

    public ValueTask DisposeAsync() => _cache.DisposeAsync();

    private ValueTask<ModelLease> LoadAsync(string tenantId, string digest, ModelSignature signature, CancellationToken cancellationToken) =>
        _cache.GetAsync(new ModelKey(tenantId, digest), async (key, token) =>
        {
            var limits = _limits.Of(key.Tenant);
            return new ModelContent(ServingPack.Read(await _blobs.ReadAllAsync(key.Tenant, key.Digest, token)), signature)
            {
                TenantBytesMax = (long)(_bytesMax * limits.ModelCacheShare), TenantBytesMin = limits.ModelCacheBytesMin,
            };
        }, cancellationToken);
}
