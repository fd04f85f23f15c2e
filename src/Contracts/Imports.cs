namespace Atoll.Contracts;

/// <summary>What an uploader says about data that becomes a dataset, or a version of one.</summary>
/// <remarks>
/// As JSON with <c>url</c>, or as fields of a multipart form beside the files. A new version keeps what the one before it was told of label, text column,
/// separator, types, missing markers, seed and share, except for what is given again; an empty text stands for nothing.
/// </remarks>
public sealed record ImportRequest
{
    /// <summary>Name of the new dataset; not given for a new version of one.</summary>
    public string? Name { get; init; }

    /// <summary>One of <see cref="DatasetTypes"/>; not given for a new version.</summary>
    public string? Type { get; init; }

    /// <summary>Address to load a single file from, instead of an upload.</summary>
    public string? Url { get; init; }

    /// <summary>Split of the file behind the address, or of the parts named <c>file</c>; see <see cref="SplitNames"/>.</summary>
    public string? Split { get; init; }

    /// <summary>Name of the column that holds the label.</summary>
    public string? Label { get; init; }

    /// <summary>Name of the column that holds the text.</summary>
    public string? TextColumn { get; init; }

    /// <summary>What parts several labels of one text; empty when each text has one label. Found if not given.</summary>
    public string? LabelSeparator { get; init; }

    /// <summary>Types of columns by name (<see cref="ColumnTypes"/>), where they should not be inferred.</summary>
    public IReadOnlyDictionary<string, string>? Columns { get; init; }

    /// <summary>Cells that count as empty, instead of NA, N/A, null, none, nan, ? and -.</summary>
    public IReadOnlyList<string>? MissingMarkers { get; init; }

    /// <summary>The delimiter of csv files, one character. Found if not given.</summary>
    public string? Delimiter { get; init; }

    /// <summary>The first row of csv files names the columns. Found if not given.</summary>
    public bool? Header { get; init; }

    /// <summary>Seed of the automatic split; 1 if nobody says.</summary>
    public int? Seed { get; init; }

    /// <summary>Share of the samples that the automatic split puts into test, 0 to 0.9; 0.2 if nobody says.</summary>
    public double? TestFraction { get; init; }

    /// <summary>Leave bad samples out instead of refusing everything.</summary>
    public bool SkipBad { get; init; }

    /// <summary>This request where it says something, otherwise what was said of the version before.</summary>
    public ImportRequest Over(ImportRequest before) => this with
    {
        Label = Label ?? before.Label,
        TextColumn = TextColumn ?? before.TextColumn,
        LabelSeparator = LabelSeparator ?? before.LabelSeparator,
        Columns = before.Columns is null ? Columns : new Dictionary<string, string>([.. before.Columns.Where(old => Columns?.ContainsKey(old.Key) != true), .. Columns ?? new Dictionary<string, string>()]),
        MissingMarkers = MissingMarkers ?? before.MissingMarkers,
        Seed = Seed ?? before.Seed,
        TestFraction = TestFraction ?? before.TestFraction,
    };
}

/// <summary>Where an import stands.</summary>
public static class ImportStates
{
    public const string Queued = "queued";
    public const string Running = "running";
    public const string Succeeded = "succeeded";

    /// <summary>Nothing was created; the problems say why.</summary>
    public const string Refused = "refused";

    /// <summary>The server could not do it, though the data may be good.</summary>
    public const string Failed = "failed";
    public const string Cancelled = "cancelled";

    public static bool IsEnded(string state) => state is not (Queued or Running);
}

/// <summary>An import: data on its way to becoming a dataset version.</summary>
public sealed record ImportResponse
{
    public required string Id { get; init; }

    public required string Dataset { get; init; }

    public required string Type { get; init; }

    /// <summary>One of <see cref="ImportStates"/>.</summary>
    public required string State { get; init; }

    /// <summary>Fraction done, 0 to 1.</summary>
    public required double Progress { get; init; }

    /// <summary>The version that was made.</summary>
    public int? Version { get; init; }

    /// <summary>Samples of that version.</summary>
    public long? Samples { get; init; }

    /// <summary>Bad samples that were left out.</summary>
    public long? Skipped { get; init; }

    /// <summary>Why it failed, in one sentence.</summary>
    public string? Error { get; init; }

    /// <summary>What made samples unusable, up to a hundred.</summary>
    public IReadOnlyList<ImportProblem> Problems { get; set; } = [];

    /// <summary>All of them.</summary>
    public long ProblemCount { get; init; }

    /// <summary>What is worth knowing though the samples are usable, up to a hundred.</summary>
    public IReadOnlyList<ImportProblem> Warnings { get; set; } = [];

    /// <summary>All of them.</summary>
    public long WarningCount { get; init; }

    public required DateTime CreatedUtc { get; init; }

    public DateTime? EndedUtc { get; init; }
}

/// <summary>A dataset and its newest version.</summary>
public sealed record DatasetResponse
{
    public required string Name { get; init; }

    /// <summary>One of <see cref="DatasetTypes"/>.</summary>
    public required string Type { get; init; }

    public required DateTime CreatedUtc { get; init; }

    public required int LatestVersion { get; init; }

    /// <summary>Of the newest version.</summary>
    public required long Samples { get; init; }

    /// <summary>Of the newest version.</summary>
    public required long Bytes { get; init; }
}

/// <summary>A version in a list.</summary>
public sealed record DatasetVersionSummary
{
    public required string Dataset { get; init; }

    public required int Version { get; init; }

    /// <summary>SHA-256 of the manifest, which names everything else: two versions with the same digest are the same.</summary>
    public required string Digest { get; init; }

    public required long Samples { get; init; }

    public required long Bytes { get; init; }

    public required DateTime CreatedUtc { get; init; }
}

/// <summary>A version with all that is known about it.</summary>
public sealed record DatasetVersionResponse
{
    public required string Dataset { get; init; }

    public required int Version { get; init; }

    /// <inheritdoc cref="DatasetVersionSummary.Digest"/>
    public required string Digest { get; init; }

    public required DateTime CreatedUtc { get; init; }

    public required DatasetManifest Manifest { get; init; }
}
