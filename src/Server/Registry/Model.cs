using Atoll.Contracts;
using Atoll.Platform.Database;

namespace Atoll.Registry;

/// <summary>A named line of versions.</summary>
internal sealed class Model : ITenantOwned, IRevised
{
    public required string Id { get; set; }

    public string TenantId { get; set; } = "";

    public required string Name { get; set; }

    public required DateTime CreatedUtc { get; set; }

    /// <summary>Number of the newest version ever; numbers of deleted versions are never used again.</summary>
    public int LatestVersion { get; set; }

    /// <summary>What the owner says about it.</summary>
    public ModelNotes? Notes { get; set; }

    public int Revision { get; set; }
}

/// <summary>One immutable artifact of a model, named by its digest.</summary>
internal sealed class ModelVersion : ITenantOwned
{
    public required string Id { get; set; }

    public string TenantId { get; set; } = "";

    public required string ModelId { get; set; }

    public required int Number { get; set; }

    /// <summary>SHA-256 of the ONNX file in the blob store.</summary>
    public required string Digest { get; set; }

    public required long Bytes { get; set; }

    /// <summary>SHA-256 of the form that is loaded for predictions, in the blob store.</summary>
    public required string ServingDigest { get; set; }

    /// <summary>Names the graph whose session the version shares with others; null when it has a session of its own.</summary>
    public string? GraphDigest { get; set; }

    /// <summary>Why it has a session of its own; null when it has none.</summary>
    public string? OwnSessionReason { get; set; }

    /// <summary>SHA-256 of the <see cref="ModelReportResponse"/> in the blob store.</summary>
    public required string ReportDigest { get; set; }

    public required string Algorithm { get; set; }

    public required ModelSignature Signature { get; set; }

    public required Dictionary<string, double> Metrics { get; set; }

    public required ModelLineage Lineage { get; set; }

    public required DateTime CreatedUtc { get; set; }
}

/// <summary>A movable name of a version.</summary>
internal sealed class ModelAlias : ITenantOwned, IRevised
{
    public string TenantId { get; set; } = "";

    public required string ModelId { get; set; }

    public required string Name { get; set; }

    /// <summary>Number of the version.</summary>
    public required int Version { get; set; }

    public int Revision { get; set; }
}
