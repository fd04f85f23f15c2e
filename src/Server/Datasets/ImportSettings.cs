using Atoll.Contracts;

namespace Atoll.Datasets;

/// <summary>One uploaded file.</summary>
/// <param name="Name">As the uploader calls it; shown in messages.</param>
/// <param name="Path">Where its bytes are now.</param>
/// <param name="Split">The split that its samples belong to; null leaves it to the automatic split.</param>
internal sealed record SourceFile(string Name, string Path, string? Split = null);

/// <summary>What an uploader may say about the files; everything has a default that works.</summary>
internal sealed record ImportSettings
{
    /// <summary>The column that holds the label; for texts it is found if not given.</summary>
    public string? Label { get; init; }

    /// <summary>The column that holds the text; found if not given.</summary>
    public string? TextColumn { get; init; }

    /// <summary>What parts the labels of one text; an empty text means that a text has one label; null: find out.</summary>
    public string? LabelSeparator { get; init; }

    /// <summary>Leave bad samples out instead of refusing everything.</summary>
    public bool SkipBad { get; init; }

    /// <summary>Seed of the automatic split.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Share of the samples that the automatic split puts into test.</summary>
    public double TestFraction { get; init; } = 0.2;

    /// <summary>Types of columns by name, where the uploader knows better.</summary>
    public IReadOnlyDictionary<string, string> ColumnTypes { get; init; } = new Dictionary<string, string>();

    /// <summary>What the version before this one consists of; null for the first.</summary>
    public DatasetSchema? Previous { get; init; }

    /// <summary>Cells that count as empty, besides the empty cell.</summary>
    public IReadOnlyList<string> MissingMarkers { get; init; } = CellValues.MissingMarkersDefault;

    public CsvHints Csv { get; init; } = new();

    public ImportLimits Limits { get; init; } = new();
}

/// <summary>Bounds of one import.</summary>
internal sealed record ImportLimits
{
    /// <summary>Problems that are listed; all are counted.</summary>
    public int ProblemsMax { get; init; } = 100;

    public long SamplesMax { get; init; } = 50_000_000;

    public int LabelsMax { get; init; } = 10_000;

    public int LabelCharsMax { get; init; } = 200;

    public CsvLimits Csv { get; init; } = CsvLimits.Default;

    /// <summary>Bytes of one line of a JSON lines file.</summary>
    public int JsonLineBytesMax { get; init; } = 16 << 20;

    /// <summary>Entries of one zip file, folders included.</summary>
    public int EntriesMax { get; init; } = 100_000;

    /// <summary>Bytes of one file in a zip, unpacked.</summary>
    public long EntryBytesMax { get; init; } = 64L << 20;

    /// <summary>Bytes of all files of a zip, unpacked.</summary>
    public long ArchiveBytesMax { get; init; } = 16L << 30;

    /// <summary>How many times larger an entry may be than it is packed, from one megabyte on. Pictures hardly shrink.</summary>
    public int CompressionRatioMax { get; init; } = 100;

    public long PixelsMax { get; init; } = Platform.Imaging.ImageDecoder.PixelsMaxDefault;

    /// <summary>How long a sound may last.</summary>
    public double AudioSecondsMax { get; init; } = Platform.Audio.WavFile.SecondsMaxDefault;

    /// <summary>Samples that are compared with each other to find duplicates.</summary>
    public int DuplicatesTracked { get; init; } = 1_000_000;
}
