namespace Atoll.Serving;

/// <summary>A model could not be loaded; the message tells why. Told again for a while without another attempt.</summary>
internal sealed class ModelLoadException(ModelKey key, string reason, Exception cause)
    : Exception($"Model {key.Digest} could not be loaded: {reason}", cause)
{
    public ModelKey Key { get; } = key;

    public string Reason { get; } = reason;
}

/// <summary>There is no room now: memory is taken by models in use, or too many loads wait. Try again later.</summary>
internal sealed class ModelCacheFullException(string message, bool ofTenant = false) : Exception(message)
{
    /// <summary>The tenant's own share is full; there may be room for others.</summary>
    public bool OfTenant => ofTenant;
}
