using System.Text;

namespace Atoll.Datasets;

/// <summary>How a csv file is written.</summary>
internal sealed record CsvDialect
{
    public required Encoding Encoding { get; init; }

    public char Delimiter { get; init; } = ',';

    public char Quote { get; init; } = '"';

    /// <summary>Quotes inside quotes are written <c>\"</c>, as databases export them, and not doubled.</summary>
    public bool BackslashEscapes { get; init; }

    /// <summary>The first row names the columns.</summary>
    public bool HasHeader { get; init; } = true;

    /// <summary>The first line is Excel's <c>sep=;</c> and no row.</summary>
    public bool HasSeparatorLine { get; init; }

    /// <summary>Nothing in the file could be read as Unicode, so that a Western encoding was assumed.</summary>
    public bool EncodingGuessed { get; init; }

    /// <summary>Some bytes are not valid in the encoding that the file claims.</summary>
    public bool HasInvalidBytes { get; init; }
}

/// <summary>Bounds that keep memory small whatever a file says.</summary>
/// <param name="FieldCharsMax">Characters of one value.</param>
/// <param name="RowCharsMax">Characters of one row.</param>
/// <param name="FieldsMax">Values of one row.</param>
internal sealed record CsvLimits(int FieldCharsMax = 1_000_000, int RowCharsMax = 32_000_000, int FieldsMax = 20_000)
{
    public static CsvLimits Default { get; } = new();
}

/// <summary>What is wrong with the row just read.</summary>
internal enum CsvFault
{
    None,
    NulCharacter,
    TextAfterQuote,
    FieldTooLong,
    RowTooLong,
    TooManyFields,

    /// <summary>The file ended inside quotes. Nothing can be read after this.</summary>
    UnterminatedQuote,
}
