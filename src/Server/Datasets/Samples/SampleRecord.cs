using System.Buffers.Binary;

namespace Atoll.Datasets;

/// <summary>One entry of a pack's index, of fixed size: where a sample is, and what it takes to select it without reading it.</summary>
/// <remarks>In the data file the payload is followed by the numbers of the second and further labels and by the name of the source entry.</remarks>
internal readonly record struct SampleRecord
{
    public const int Bytes = 40;

    /// <summary>Where the payload begins in the data file.</summary>
    public long Offset { get; init; }

    /// <summary>Hash of the payload.</summary>
    public ulong Hash { get; init; }

    /// <summary>Line of the source file; 0 when it has none.</summary>
    public long Line { get; init; }

    public int Length { get; init; }

    /// <summary>Number of the first label; -1 when there is none.</summary>
    public int Label { get; init; }

    public ushort LabelCount { get; init; }

    /// <summary>Bytes of the name of the source entry.</summary>
    public ushort NameBytes { get; init; }

    /// <summary>Number of the source file.</summary>
    public ushort File { get; init; }

    public Split Split { get; init; }

    /// <summary>What follows the payload.</summary>
    public int TrailerBytes => (Math.Max(0, LabelCount - 1) * sizeof(int)) + NameBytes;

    public void Write(Span<byte> target)
    {
        BinaryPrimitives.WriteInt64LittleEndian(target, Offset);
        BinaryPrimitives.WriteUInt64LittleEndian(target[8..], Hash);
        BinaryPrimitives.WriteInt64LittleEndian(target[16..], Line);
        BinaryPrimitives.WriteInt32LittleEndian(target[24..], Length);
        BinaryPrimitives.WriteInt32LittleEndian(target[28..], Label);
        BinaryPrimitives.WriteUInt16LittleEndian(target[32..], LabelCount);
        BinaryPrimitives.WriteUInt16LittleEndian(target[34..], NameBytes);
        BinaryPrimitives.WriteUInt16LittleEndian(target[36..], File);
        target[38] = (byte)Split;
        target[39] = 0;
    }

    public static SampleRecord Read(ReadOnlySpan<byte> source) => new()
    {
        Offset = BinaryPrimitives.ReadInt64LittleEndian(source),
        Hash = BinaryPrimitives.ReadUInt64LittleEndian(source[8..]),
        Line = BinaryPrimitives.ReadInt64LittleEndian(source[16..]),
        Length = BinaryPrimitives.ReadInt32LittleEndian(source[24..]),
        Label = BinaryPrimitives.ReadInt32LittleEndian(source[28..]),
        LabelCount = BinaryPrimitives.ReadUInt16LittleEndian(source[32..]),
        NameBytes = BinaryPrimitives.ReadUInt16LittleEndian(source[34..]),
        File = BinaryPrimitives.ReadUInt16LittleEndian(source[36..]),
        Split = (Split)source[38],
    };
}

/// <summary>Which part of a dataset a sample belongs to. The numbers are stored.</summary>
internal enum Split : byte
{
    Train = 0,
    Test = 1,
    Validation = 2,

    /// <summary>Only while an import runs.</summary>
    Unassigned = 255,
}

/// <summary>Names of splits on the wire.</summary>
internal static class Splits
{
    public static Split? Parse(string? name) => name switch
    {
        Contracts.SplitNames.Train => Split.Train,
        Contracts.SplitNames.Test => Split.Test,
        Contracts.SplitNames.Validation => Split.Validation,
        _ => null,
    };

    public static string NameOf(Split split) => split switch
    {
        Split.Train => Contracts.SplitNames.Train,
        Split.Test => Contracts.SplitNames.Test,
        Split.Validation => Contracts.SplitNames.Validation,
        _ => throw new InvalidOperationException("The sample has no split yet."),
    };
}
