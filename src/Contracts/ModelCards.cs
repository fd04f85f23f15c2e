namespace Atoll.Contracts;

/// <summary>What is known of a version of a model and what is not, for whoever decides whether to use it.</summary>
public sealed record ModelCardResponse
{
    public required string Model { get; init; }

    public required int Version { get; init; }

    public required IReadOnlyList<string> Aliases { get; init; }

    public required DateTime CreatedUtc { get; init; }

    /// <summary>What it does, from what, and how well, in a few sentences.</summary>
    public required string Summary { get; init; }

    /// <summary>What its owner says about it; null when nothing was said.</summary>
    public ModelNotes? Notes { get; init; }

    /// <summary>What is known to be wrong or weak about it, in sentences.</summary>
    public required IReadOnlyList<string> Limits { get; init; }

    /// <summary>What nobody has said or measured, in sentences.</summary>
    public required IReadOnlyList<string> NotKnown { get; init; }

    /// <summary>One of <see cref="TaskKinds"/>.</summary>
    public required string Task { get; init; }

    /// <summary>One of <see cref="DatasetTypes"/>, or <see cref="SampleTypes.Tensors"/>.</summary>
    public required string SampleType { get; init; }

    /// <summary>The column that was learned, for tabular models.</summary>
    public string? Target { get; init; }

    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>Winning algorithm, in a few words.</summary>
    public required string Algorithm { get; init; }

    /// <summary>SHA-256 of the ONNX file.</summary>
    public required string Digest { get; init; }

    public required ModelLineage Lineage { get; init; }

    /// <summary>What it learned from; null when that is not known, as of imported models.</summary>
    public TrainingDataFacts? Data { get; init; }

    /// <summary>How well it does on samples that it never saw; null when nobody measured it.</summary>
    public EvaluationReport? Evaluation { get; init; }

    /// <summary>Columns that it reads, the most important first; of tabular models.</summary>
    public IReadOnlyList<CardColumn>? Columns { get; init; }

    /// <summary>Columns that it does not read, and why.</summary>
    public IReadOnlyList<CardColumnLeftOut>? LeftOut { get; init; }
}

/// <summary>A column that a model reads.</summary>
/// <param name="Name">Name of the column.</param>
/// <param name="Type">One of <see cref="ColumnTypes"/>.</param>
/// <param name="Importance">Its share in what the model goes by, 0 to 1.</param>
/// <param name="MissingShare">The share of the training rows without a value in it.</param>
/// <param name="Effect">What the model loses without it, as measured on held-out rows.</param>
public sealed record CardColumn(string Name, string? Type = null, double? Importance = null, double? MissingShare = null, ColumnEffect? Effect = null);

/// <summary>A column that a model does not read.</summary>
public sealed record CardColumnLeftOut(string Name, string Reason);

/// <summary>What the owner of a model says about it; kept with the model, for all its versions.</summary>
public sealed record ModelNotes
{
    /// <summary>What it is meant for.</summary>
    public string? IntendedUse { get; init; }

    /// <summary>What it must not be used for.</summary>
    public string? NotFor { get; init; }

    /// <summary>Under which terms it and its data may be used.</summary>
    public string? Licence { get; init; }

    /// <summary>Whom to ask.</summary>
    public string? Contact { get; init; }
}

/// <summary>What a model learned from.</summary>
public sealed record TrainingDataFacts
{
    /// <summary>Samples of the dataset version, in all splits.</summary>
    public required long Samples { get; init; }

    /// <summary>Samples that it was trained on.</summary>
    public required long Learned { get; init; }

    public required IReadOnlyList<SplitCount> Splits { get; init; }

    /// <summary>Seed of the automatic split.</summary>
    public required int SplitSeed { get; init; }

    /// <summary>Samples that repeat an earlier one, maybe across the splits.</summary>
    public long Duplicates { get; init; }

    /// <summary>Bad samples that the import left out.</summary>
    public long Skipped { get; init; }

    /// <summary>Files that the dataset version was made of, up to twenty.</summary>
    public IReadOnlyList<SourceFileRecord>? Sources { get; init; }

    /// <summary>How the columns that the model reads are spread, of tabular models; in the report, not on the card.</summary>
    public IReadOnlyList<ColumnSummary>? Columns { get; init; }
}
