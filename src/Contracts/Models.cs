using System.Text.Json.Nodes;

namespace Atoll.Contracts;

/// <summary>Names of the aliases that have a meaning of their own.</summary>
public static class Aliases
{
    /// <summary>The newest version; moved by every registration, and back by a load of what an older version is.</summary>
    public const string Latest = "latest";

    public const string Staging = "staging";

    /// <summary>What an endpoint serves.</summary>
    public const string Production = "production";
}

/// <summary>A named line of versions.</summary>
public sealed record ModelResponse
{
    public required string Name { get; init; }

    public required DateTime CreatedUtc { get; init; }

    /// <summary>Number of the newest version; 0 when there is none yet.</summary>
    public required int LatestVersion { get; init; }

    /// <summary>Alias to version.</summary>
    public required IReadOnlyDictionary<string, int> Aliases { get; init; }

    public string? Task { get; init; }

    /// <summary>What the owner says about it; null when nothing was said.</summary>
    public ModelNotes? Notes { get; init; }
}

/// <summary>One immutable artifact of a model with what is known about it.</summary>
public sealed record ModelVersionResponse
{
    public required string Model { get; init; }

    public required int Version { get; init; }

    /// <summary>SHA-256 of the ONNX file.</summary>
    public required string Digest { get; init; }

    public required long Bytes { get; init; }

    public required DateTime CreatedUtc { get; init; }

    public required ModelSignature Signature { get; init; }

    /// <summary>Scores on the held-out samples.</summary>
    public required IReadOnlyDictionary<string, double> Metrics { get; init; }

    public required ModelLineage Lineage { get; init; }

    public required IReadOnlyList<string> Aliases { get; init; }

    /// <summary>Winning algorithm, in a few words.</summary>
    public required string Algorithm { get; init; }
}

/// <summary>Where a version comes from: a training, with enough to make it again, or an import.</summary>
public sealed record ModelLineage
{
    /// <summary>The training; null for an import, like all that only a training has.</summary>
    public string? Run { get; init; }

    /// <summary>Name of the principal that asked for it.</summary>
    public string? By { get; init; }

    public string? Dataset { get; init; }

    public int? DatasetVersion { get; init; }

    /// <summary>Digest of the dataset version's manifest.</summary>
    public string? DatasetDigest { get; init; }

    /// <summary>The import; null for a training.</summary>
    public string? Import { get; init; }

    /// <summary>The imported file as its uploader calls it.</summary>
    public string? File { get; init; }

    /// <summary>SHA-256 of that file.</summary>
    public string? FileDigest { get; init; }

    /// <summary>Name and version of the recipe that trained it, or of the way in which it was imported.</summary>
    public required string Recipe { get; init; }

    public int? Seed { get; init; }

    public IReadOnlyDictionary<string, string>? Parameters { get; init; }

    /// <summary>Version of Atoll.</summary>
    public required string CodeVersion { get; init; }

    /// <summary>Instruction set of the machine; results are repeatable bit for bit on the same one.</summary>
    public required string Machine { get; init; }
}

/// <summary>The full report of a version: of a training its evaluation, candidates and preparation, of an import what was found out about the file.</summary>
public sealed record ModelReportResponse
{
    /// <summary>Null for an imported version: nobody gave samples to measure it by.</summary>
    public EvaluationReport? Evaluation { get; init; }

    /// <summary>Null for a trained version.</summary>
    public ModelImportReport? Import { get; init; }

    /// <summary>What it learned from; null for an imported version.</summary>
    public TrainingDataFacts? Data { get; init; }

    /// <summary>Candidates with their validation scores, best first.</summary>
    public required IReadOnlyList<CandidateResponse> Candidates { get; init; }

    /// <summary>How raw columns became features, what was left out and why.</summary>
    public JsonObject? Preparation { get; init; }
}

/// <summary>A candidate of model selection with its validation score.</summary>
public sealed record CandidateResponse(string Name, string Metric, double Score);

/// <summary>Moves an alias by hand.</summary>
public sealed record MoveAliasRequest
{
    public required int Version { get; init; }
}

/// <summary>Asks to move an environment's alias to a version, if the gate holds.</summary>
public sealed record PromoteRequest
{
    /// <summary>The newest version when left out.</summary>
    public int? Version { get; init; }

    /// <summary><c>staging</c> or <c>production</c>.</summary>
    public string To { get; set; } = Contracts.Aliases.Production;

    /// <summary>Conditions on the held-out scores; all must hold. Without any, the version must be at least as good as the one it replaces.</summary>
    public IReadOnlyList<GateRequest>? Gates { get; init; }
}

/// <summary>One condition on a score.</summary>
public sealed record GateRequest
{
    /// <summary>Name of a score of the version: <c>accuracy</c>, <c>auc</c>, <c>rmse</c> ...</summary>
    public required string Metric { get; init; }

    public double? AtLeast { get; init; }

    public double? AtMost { get; init; }
}

/// <summary>The recorded attempt to move an alias.</summary>
public sealed record PromotionResponse
{
    public required string Id { get; init; }

    public required string Model { get; init; }

    public required int Version { get; init; }

    public required string To { get; init; }

    /// <summary>Version that the alias named before.</summary>
    public int? Replaced { get; init; }

    /// <summary>All gates held and the alias was moved.</summary>
    public required bool Promoted { get; init; }

    public required IReadOnlyList<GateResult> Gates { get; init; }

    public required string By { get; init; }

    public required DateTime AtUtc { get; init; }
}

/// <summary>A gate with what was found.</summary>
/// <param name="Explanation">A sentence: <c>accuracy 0.91 is at least 0.90</c>.</param>
public sealed record GateResult(
    string Metric, bool Held, string Explanation, double? AtLeast = null, double? AtMost = null, double? Actual = null);

/// <summary>A stable address for predictions.</summary>
public sealed record EndpointResponse
{
    public required string Name { get; init; }

    public required string Model { get; init; }

    /// <summary>Version that answers now.</summary>
    public int? Version { get; init; }

    /// <summary>Alias by which that version was found: production, or latest until something was promoted.</summary>
    public string? Alias { get; init; }

    public required string PredictUrl { get; init; }

    /// <summary>What it serves stays in memory, and is loaded before the server is ready.</summary>
    public bool Pinned { get; init; }

    public ModelSignature? Signature { get; init; }
}
