namespace Atoll.Serving;

/// <summary>A model could not be loaded; the message tells why. Told again for a while without another attempt.</summary>
internal sealed class ModelLoadException(ModelKey key, string reason, Exception cause)
    : Exception($"Model {key.Digest} could not be loaded: {reason}", cause)
{
    public ModelKey Key { get; } = key;

    public string Reason { get; } = reason;
}

/// <summary>Which limit of a tenant left no room.</summary>
internal enum ModelCacheLimit
{
    /// <summary>None: the memory or the lane is full altogether.</summary>
    None,

    /// <summary>Bytes of the tenant's models.</summary>
    TenantBytes,

    /// <summary>Loads of the tenant that wait.</summary>
    TenantLoadsWaiting,

    /// <summary>Loads of the tenant a second.</summary>
    TenantLoadRate,
}

/// <summary>There is no room now: memory is taken by models in use, or too many loads wait. Try again later.</summary>
internal sealed class ModelCacheFullException(string message, ModelCacheLimit limit = ModelCacheLimit.None) : Exception(message)
{
    /// <summary>The tenant's own share is full when this is one; there may be room for others.</summary>
    public ModelCacheLimit Limit => limit;

    /// <summary>When another attempt may do better.</summary>
    public TimeSpan RetryAfter { get; init; } = TimeSpan.FromSeconds(1);
}
