using Atoll.Contracts;
using Atoll.Serving.Splitting;

namespace Atoll.Serving;

/// <summary>What has to be known to load a model: its serving form and what it means.</summary>
internal sealed record ModelContent(ServingPack Pack, ModelSignature Signature)
{
    /// <summary>Native memory that all loaded models of its tenant may take together.</summary>
    public long TenantBytesMax { get; init; } = long.MaxValue;

    /// <summary>Native memory for loaded models of a tenant that others cannot take from it.</summary>
    public long TenantBytesMin { get; init; }
}

/// <summary>Reads a model for the cache. The token is cancelled when the cache closes, not when one caller gives up.</summary>
internal delegate Task<ModelContent> ModelLoader(ModelKey key, CancellationToken cancellationToken);
