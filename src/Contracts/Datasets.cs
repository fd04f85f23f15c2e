namespace Atoll.Contracts;

/// <summary>Something that an import found in the source files, with its place.</summary>
/// <param name="Code">One of <see cref="ImportProblemCodes"/>.</param>
/// <param name="Message">What is wrong and what to do about it.</param>
/// <param name="File">Name of the uploaded file.</param>
/// <param name="Line">Line of a text file, the first is 1.</param>
/// <param name="Entry">Name of an entry of a zip file.</param>
/// <param name="Column">Name of a column.</param>
/// <param name="Fatal">True when leaving bad samples out does not help.</param>
public sealed record ImportProblem(
    string Code, string Message, string? File = null, long? Line = null, string? Entry = null, string? Column = null, bool? Fatal = null);

/// <summary>Codes of <see cref="ImportProblem"/>; texts may change, codes may not.</summary>
public static class ImportProblemCodes
{
    // The upload as a whole.
    public const string NoFile = "no-file";
    public const string EmptyFile = "empty-file";
    public const string WrongFileType = "wrong-file-type";
    public const string TooManyProblems = "too-many-problems";

    // Text files.
    public const string EncodingGuessed = "encoding-guessed";
    public const string UnreadableCharacters = "unreadable-characters";
    public const string NulCharacter = "nul-character";
    public const string UnterminatedQuote = "unterminated-quote";
    public const string TextAfterQuote = "text-after-quote";
    public const string FieldTooLong = "field-too-long";
    public const string RowTooLong = "row-too-long";
    public const string RowLength = "row-length";
    public const string NoRows = "no-rows";
    public const string InvalidJson = "invalid-json";
    public const string LineNotObject = "line-not-object";
    public const string NestedValue = "nested-value";
    public const string EntityTags = "entity-tags";

    // Columns.
    public const string HeaderEmptyName = "header-empty-name";
    public const string HeaderDuplicateName = "header-duplicate-name";
    public const string HeaderMismatch = "header-mismatch";
    public const string TooManyColumns = "too-many-columns";
    public const string UnknownColumn = "unknown-column";
    public const string UnknownColumnType = "unknown-column-type";
    public const string ValueNotOfType = "value-not-of-type";
    public const string AmbiguousDate = "ambiguous-date";
    public const string EmptyColumn = "empty-column";
    public const string ColumnGone = "column-gone";
    public const string ColumnTypeChanged = "column-type-changed";
    public const string TextColumnNotFound = "text-column-not-found";
    public const string LabelColumnNotFound = "label-column-not-found";

    // Labels and samples.
    public const string MissingText = "missing-text";
    public const string MissingLabel = "missing-label";
    public const string LabelTooLong = "label-too-long";
    public const string TooManyLabels = "too-many-labels";
    public const string OneLabel = "one-label";
    public const string TooFewExamples = "too-few-examples";
    public const string LabelOnlyInTest = "label-only-in-test";
    public const string DuplicateSample = "duplicate-sample";
    public const string ConflictingLabels = "conflicting-labels";
    public const string EmptySplit = "empty-split";
    public const string TooManySamples = "too-many-samples";

    // Entities.
    public const string MalformedTag = "malformed-tag";
    public const string TagOrder = "tag-order";
    public const string TagCount = "tag-count";
    public const string MissingTag = "missing-tag";
    public const string MalformedSpan = "malformed-span";
    public const string SpanOutside = "span-outside";
    public const string SpanOverlap = "span-overlap";
    public const string SpanText = "span-text";
    public const string TextTooLong = "text-too-long";
    public const string NoEntities = "no-entities";

    // Zip files.
    public const string InvalidZip = "invalid-zip";
    public const string TooManyEntries = "too-many-entries";
    public const string EncryptedEntry = "encrypted-entry";
    public const string UnsafePath = "unsafe-path";
    public const string SymbolicLink = "symbolic-link";
    public const string NestedArchive = "nested-archive";
    public const string EntryTooLarge = "entry-too-large";
    public const string ArchiveTooLarge = "archive-too-large";
    public const string CompressionRatio = "compression-ratio";
    public const string DamagedEntry = "damaged-entry";
    public const string NoLabelFolder = "no-label-folder";
    public const string DuplicateEntry = "duplicate-entry";
    public const string FileNotListed = "file-not-listed";
    public const string ListedFileMissing = "listed-file-missing";
    public const string UnknownSplit = "unknown-split";

    // Images.
    public const string NotAnImage = "not-an-image";
    public const string UnsupportedImage = "unsupported-image";
    public const string DamagedImage = "damaged-image";
    public const string ImageTooLarge = "image-too-large";
    public const string ImageTooSmall = "image-too-small";
    public const string MisleadingExtension = "misleading-extension";

    // Sounds.
    public const string NotAudio = "not-audio";
    public const string UnsupportedAudio = "unsupported-audio";
    public const string DamagedAudio = "damaged-audio";
    public const string AudioTooLong = "audio-too-long";
    public const string SilentAudio = "silent-audio";
}

/// <summary>Names of the splits of a dataset.</summary>
public static class SplitNames
{
    public const string Train = "train";
    public const string Test = "test";

    /// <summary>Given by the uploader only; never made by the automatic split.</summary>
    public const string Validation = "validation";
}

/// <summary>What one column of a dataset version holds.</summary>
public sealed record ColumnSchema
{
    public required string Name { get; init; }

    /// <summary>One of <see cref="ColumnTypes"/>.</summary>
    public required string Type { get; init; }

    /// <summary>How values are written: a date pattern such as <c>dd/MM/yyyy</c>, or <c>decimal-comma</c>; null where there is nothing to say.</summary>
    public string? Format { get; init; }

    /// <summary>The type was given by the uploader, not inferred.</summary>
    public bool Given { get; init; }

    /// <summary>A value as it occurs in the data.</summary>
    public string? Example { get; init; }
}

/// <summary>What the samples of a dataset version consist of.</summary>
public sealed record DatasetSchema
{
    /// <summary>Columns of a table; empty for images and sounds.</summary>
    public IReadOnlyList<ColumnSchema> Columns { get; set; } = [];

    /// <summary>The column that holds the label, where the source has columns.</summary>
    public string? LabelColumn { get; init; }

    /// <summary>The column that holds the text, for datasets of texts.</summary>
    public string? TextColumn { get; init; }

    /// <summary>A sample may have several labels.</summary>
    public bool MultiLabel { get; init; }
}

/// <summary>A value and how often it occurs.</summary>
public sealed record ValueCount(string Value, long Count);

/// <summary>A point of a distribution: the share of values at or below <paramref name="Value"/> is <paramref name="Fraction"/>.</summary>
public sealed record Quantile(double Fraction, double Value);

/// <summary>Distribution of numbers.</summary>
public sealed record NumberStatistics
{
    public required double Min { get; init; }

    public required double Max { get; init; }

    public required double Mean { get; init; }

    public required double StandardDeviation { get; init; }

    public required IReadOnlyList<Quantile> Quantiles { get; init; }

    /// <summary>The quantiles are estimates, within about one percent of rank.</summary>
    public bool QuantilesApproximate { get; init; }
}

/// <summary>Distribution of the values of one column, over every split.</summary>
public sealed record ColumnStatistics
{
    public required string Name { get; init; }

    public required string Type { get; init; }

    /// <summary>Values that are there.</summary>
    public required long Count { get; init; }

    public required long Missing { get; init; }

    public required long Distinct { get; init; }

    /// <summary>The number of distinct values is an estimate, within about three percent.</summary>
    public bool DistinctApproximate { get; init; }

    /// <summary>Of numeric columns.</summary>
    public NumberStatistics? Numbers { get; init; }

    /// <summary>Lengths in characters, of columns that are not numeric.</summary>
    public NumberStatistics? Lengths { get; init; }

    /// <summary>The most frequent values, most frequent first.</summary>
    public IReadOnlyList<ValueCount> TopValues { get; set; } = [];

    /// <summary>The counts of the top values are lower bounds.</summary>
    public bool TopValuesApproximate { get; init; }
}

/// <summary>How many samples have a label, by split.</summary>
public sealed record LabelCount(string Label, long Count, IReadOnlyDictionary<string, long> Splits);

/// <summary>How many samples a split has.</summary>
public sealed record SplitCount(string Split, long Count);

/// <summary>Distributions over a dataset version.</summary>
public sealed record DatasetStatistics
{
    public required long Samples { get; init; }

    /// <summary>Bytes of all samples.</summary>
    public required long Bytes { get; init; }

    public IReadOnlyList<SplitCount> Splits { get; set; } = [];

    public IReadOnlyList<LabelCount> Labels { get; set; } = [];

    public IReadOnlyList<ColumnStatistics> Columns { get; set; } = [];

    /// <summary>Lengths of texts in characters.</summary>
    public NumberStatistics? TextLengths { get; init; }

    public NumberStatistics? ImageWidths { get; init; }

    public NumberStatistics? ImageHeights { get; init; }

    /// <summary>Image formats, by content.</summary>
    public IReadOnlyList<ValueCount> ImageFormats { get; set; } = [];

    /// <summary>How long sounds last.</summary>
    public NumberStatistics? AudioSeconds { get; init; }

    /// <summary>Samples a second of the sounds.</summary>
    public IReadOnlyList<ValueCount> AudioRates { get; set; } = [];

    /// <summary>Samples that repeat an earlier one.</summary>
    public long Duplicates { get; init; }
}

/// <summary>A file that a dataset version was made of.</summary>
public sealed record SourceFileRecord(string Name, long Bytes, string Sha256, string? Split = null);

/// <summary>Everything that is known about an immutable dataset version besides its samples.</summary>
public sealed record DatasetManifest
{
    /// <summary>One of <see cref="DatasetTypes"/>.</summary>
    public required string Type { get; init; }

    public required DatasetSchema Schema { get; init; }

    /// <summary>Labels by their number in the samples' index.</summary>
    public required IReadOnlyList<string> Labels { get; init; }

    public required DatasetStatistics Statistics { get; init; }

    public required IReadOnlyList<SourceFileRecord> Sources { get; init; }

    /// <summary>Seed of the automatic split.</summary>
    public required int Seed { get; init; }

    /// <summary>Cells that counted as empty; null for those that imports take by default.</summary>
    public IReadOnlyList<string>? MissingMarkers { get; init; }

    /// <summary>Rows, texts or files that were left out because they were bad.</summary>
    public long Skipped { get; init; }

    public IReadOnlyList<ImportProblem> Warnings { get; set; } = [];

    /// <summary>All warnings; more than are listed when there were too many.</summary>
    public long WarningCount { get; init; }

    /// <summary>Digest of the data file of the samples.</summary>
    public required string DataSha256 { get; init; }

    /// <summary>Digest of the index of the samples.</summary>
    public required string IndexSha256 { get; init; }
}

/// <summary>Where a sample came from.</summary>
public sealed record SampleSource(string File, long? Line = null, string? Entry = null);

/// <summary>One sample of any type.</summary>
public sealed record SampleResponse
{
    /// <summary>Number of the sample in its version, the first is 1.</summary>
    public required long Id { get; init; }

    public required string Split { get; init; }

    public IReadOnlyList<string> Labels { get; set; } = [];

    public required SampleSource Source { get; init; }

    public required long Bytes { get; init; }

    /// <summary>SHA-256 of the bytes that the sample's <c>content</c> gives, 64 lower-case hexadecimal digits.</summary>
    public string? Sha256 { get; init; }

    /// <summary>Values by column, of a table's row; null is missing.</summary>
    public IReadOnlyDictionary<string, string?>? Values { get; init; }

    /// <summary>Of a text.</summary>
    public string? Text { get; init; }

    /// <summary>What is marked in a text, in the order of the text, where the dataset marks entities.</summary>
    public IReadOnlyList<EntitySpan>? Entities { get; init; }

    /// <summary>Of an image: its size as shown.</summary>
    public ImageSize? Image { get; init; }

    /// <summary>Of a sound: how long it is, and how it is written.</summary>
    public SoundShape? Audio { get; init; }
}

/// <summary>A marked part of a text.</summary>
/// <param name="Start">Characters before it, counted as Unicode code points.</param>
/// <param name="End">Characters before what follows it, counted the same.</param>
/// <param name="Label">What it is.</param>
public sealed record EntitySpan(int Start, int End, string Label);

/// <summary>A sound as it was uploaded.</summary>
/// <param name="Seconds">How long it lasts.</param>
/// <param name="Rate">Samples a second.</param>
/// <param name="Channels">1 is mono, 2 stereo.</param>
/// <param name="Format">How samples are written: <c>8</c>, <c>16</c>, <c>24</c> or <c>32</c> bits, or <c>float</c>.</param>
public sealed record SoundShape(double Seconds, int Rate, int Channels, string Format);

/// <summary>Pixels across and down.</summary>
public sealed record ImageSize(int Width, int Height, string Format);
