namespace Atoll.Contracts;

/// <summary>What an uploader says about a model file; fields of the multipart form beside the file.</summary>
public sealed record ModelImportRequest
{
    /// <summary>The classes that the model knows, in the order of its scores, when the file does not name them.</summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>How the model answers many times; null for one that answers once.</summary>
    public StepLoop? Steps { get; init; }
}

/// <summary>A model file on its way to becoming a version of a model.</summary>
public sealed record ModelImportResponse
{
    public required string Id { get; init; }

    /// <summary>Name of the model that gets the version.</summary>
    public required string Model { get; init; }

    /// <summary>The file as its uploader calls it.</summary>
    public required string File { get; init; }

    /// <summary>One of <see cref="ImportStates"/>.</summary>
    public required string State { get; init; }

    /// <summary>What is being done, while it runs.</summary>
    public string? Stage { get; init; }

    /// <summary>The version that was made.</summary>
    public int? Version { get; init; }

    /// <summary>Why nothing was made, in words for the tenant.</summary>
    public string? Error { get; init; }

    public required DateTime CreatedUtc { get; init; }

    public DateTime? EndedUtc { get; init; }
}

/// <summary>What was found out about an imported model before it was registered.</summary>
public sealed record ModelImportReport
{
    /// <summary>One of <see cref="ModelFormats"/>.</summary>
    public required string Format { get; init; }

    /// <summary>Program that wrote the file, when it says so.</summary>
    public string? Producer { get; init; }

    /// <summary>SHA-256 of the uploaded file.</summary>
    public required string SourceDigest { get; init; }

    /// <summary>Operator sets that the graph is written in: domain and version.</summary>
    public required IReadOnlyDictionary<string, string> Opsets { get; init; }

    /// <summary>Operators with how often each occurs, the most frequent first.</summary>
    public required IReadOnlyList<OperatorCount> Operators { get; init; }

    /// <summary>How it is served.</summary>
    public required ServingReport Serving { get; init; }

    /// <summary>What it costs, measured on one thread in the process that tried it.</summary>
    public required CostReport Cost { get; init; }

    /// <summary>What is worth knowing before the version is used.</summary>
    public IReadOnlyList<string>? Notes { get; init; }
}

/// <summary>How often an operator occurs in a graph.</summary>
/// <param name="Name">With its domain, unless that is the standard one: <c>ai.onnx.ml.Scaler</c>.</param>
/// <param name="Count">Nodes, those inside of loops and branches included.</param>
public sealed record OperatorCount(string Name, int Count);

/// <summary>How a version is served.</summary>
public sealed record ServingReport
{
    /// <summary>Names the graph whose session the version shares with others; null when it has a session of its own.</summary>
    public string? GraphDigest { get; init; }

    /// <summary>Why it has a session of its own.</summary>
    public string? Reason { get; init; }
}

/// <summary>What a version costs.</summary>
public sealed record CostReport
{
    /// <summary>Milliseconds from bytes to a model that can run.</summary>
    public required double LoadMs { get; init; }

    /// <summary>Native memory while it is loaded; of a shared graph, the version's own part. Null where the system cannot tell.</summary>
    public long? MemoryBytes { get; init; }

    /// <summary>Milliseconds for a request of one row; null when it could not be run on made-up inputs.</summary>
    public double? MsPerRowAt1 { get; init; }

    /// <summary>Milliseconds for each row of a request of 32; null also when the model takes no such request.</summary>
    public double? MsPerRowAt32 { get; init; }
}

/// <summary>Kinds of model files, recognised by their content.</summary>
public static class ModelFormats
{
    public const string Onnx = "onnx";
    public const string XgboostJson = "xgboost-json";
    public const string XgboostUbjson = "xgboost-ubjson";
    public const string LightGbmText = "lightgbm-text";
}
