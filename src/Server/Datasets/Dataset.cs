using Atoll.Platform.Database;

namespace Atoll.Datasets;

/// <summary>A named line of immutable dataset versions, all of one type.</summary>
internal sealed class Dataset : ITenantOwned, IRevised
{
    public required string Id { get; set; }

    public string TenantId { get; set; } = "";

    public required string Name { get; set; }

    /// <summary>One of <see cref="Contracts.DatasetTypes"/>.</summary>
    public required string Type { get; set; }

    public required DateTime CreatedUtc { get; set; }

    /// <summary>Number of the newest version ever; 0 before the first import succeeded. Never used again.</summary>
    public int LatestVersion { get; set; }

    public int Revision { get; set; }
}

/// <summary>One immutable state of a dataset: digests of its manifest, samples and index in the blob store.</summary>
internal sealed class DatasetVersion : ITenantOwned
{
    public required string Id { get; set; }

    public string TenantId { get; set; } = "";

    public required string DatasetId { get; set; }

    public required int Number { get; set; }

    /// <summary>Digest of the <see cref="Contracts.DatasetManifest"/>, which names the two others.</summary>
    public required string ManifestDigest { get; set; }

    public required string DataDigest { get; set; }

    public required string IndexDigest { get; set; }

    public required long SampleCount { get; set; }

    public required long Bytes { get; set; }

    public required DateTime CreatedUtc { get; set; }
}
