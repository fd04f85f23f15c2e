using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Atoll.Datasets;

/// <summary>Reads samples of a pack in any order. Safe for many threads; keeps nothing in memory.</summary>
internal sealed class SamplePackReader : IDisposable
{
    private const int BlockRecords = 4096;

    private readonly SafeFileHandle _data;
    private readonly SafeFileHandle _index;

    /// <summary>Takes the files over.</summary>
    /// <exception cref="InvalidDataException">The index is not one.</exception>
    public SamplePackReader(SafeFileHandle data, SafeFileHandle index)
    {
        _data = data;
        _index = index;
        long bytes = RandomAccess.GetLength(index) - SamplePackWriter.Magic.Length;
        Span<byte> magic = stackalloc byte[SamplePackWriter.Magic.Length];
        if (bytes < 0 || RandomAccess.Read(index, magic, 0) != magic.Length || !magic.SequenceEqual(SamplePackWriter.Magic) || bytes % SampleRecord.Bytes != 0)
        {
            Dispose();
            throw new InvalidDataException("The index of samples is damaged. Restore the blob from a backup, or import the dataset again.");
        }

        Count = bytes / SampleRecord.Bytes;
    }

    /// <summary>Opens a pack by the paths of its files.</summary>
    public static SamplePackReader Open(string dataPath, string indexPath)
    {
        var data = File.OpenHandle(dataPath, options: FileOptions.RandomAccess);
        try
        {
            return new SamplePackReader(data, File.OpenHandle(indexPath, options: FileOptions.RandomAccess));
        }
        catch
        {
            data.Dispose();
            throw;
        }
    }

    public long Count { get; }

    /// <summary>The record at a position, the first is 0.</summary>
    public SampleRecord Record(long position)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)position, (ulong)Count);
        Span<byte> bytes = stackalloc byte[SampleRecord.Bytes];
        ReadFully(_index, bytes, SamplePackWriter.Magic.Length + (position * SampleRecord.Bytes));
        return SampleRecord.Read(bytes);
    }

    /// <summary>Records from a position on, read in blocks.</summary>
    public IEnumerable<(long Position, SampleRecord Record)> Records(long from = 0)
    {
        var block = new byte[BlockRecords * SampleRecord.Bytes];
        for (long first = from; first < Count; first += BlockRecords)
        {
            int count = (int)Math.Min(BlockRecords, Count - first);
            ReadFully(_index, block.AsSpan(0, count * SampleRecord.Bytes), SamplePackWriter.Magic.Length + (first * SampleRecord.Bytes));
            for (int i = 0; i < count; i++) yield return (first + i, SampleRecord.Read(block.AsSpan(i * SampleRecord.Bytes)));
        }
    }

    /// <summary>The bytes of a sample.</summary>
    public byte[] Payload(in SampleRecord record)
    {
        var bytes = GC.AllocateUninitializedArray<byte>(record.Length);
        ReadFully(_data, bytes, record.Offset);
        return bytes;
    }

    /// <summary>The bytes of a sample, in the caller's memory, which grows where it must.</summary>
    public ReadOnlySpan<byte> Payload(in SampleRecord record, ref byte[] buffer)
    {
        if (buffer.Length < record.Length) buffer = GC.AllocateUninitializedArray<byte>(Math.Max(record.Length, buffer.Length * 2));

        var bytes = buffer.AsSpan(0, record.Length);
        ReadFully(_data, bytes, record.Offset);
        return bytes;
    }

    /// <summary>Numbers of the labels of a sample.</summary>
    public int[] Labels(in SampleRecord record)
    {
        if (record.LabelCount == 0) return [];
        if (record.LabelCount == 1) return [record.Label];

        var bytes = new byte[(record.LabelCount - 1) * sizeof(int)];
        ReadFully(_data, bytes, record.Offset + record.Length);
        var labels = new int[record.LabelCount];
        labels[0] = record.Label;
        for (int i = 1; i < labels.Length; i++) labels[i] = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan((i - 1) * sizeof(int)));
        return labels;
    }

    /// <summary>Name of the entry of the source file that the sample was; null where the source has lines.</summary>
    public string? EntryName(in SampleRecord record)
    {
        if (record.NameBytes == 0) return null;

        var bytes = new byte[record.NameBytes];
        ReadFully(_data, bytes, record.Offset + record.Length + record.TrailerBytes - record.NameBytes);
        return Encoding.UTF8.GetString(bytes);
    }

    public void Dispose()
    {
        _data.Dispose();
        _index.Dispose();
    }

    private static void ReadFully(SafeFileHandle file, Span<byte> target, long offset)
    {
        while (!target.IsEmpty)
        {
            int read = RandomAccess.Read(file, target, offset);
            if (read == 0) throw new InvalidDataException("The data of the samples is cut off. Restore the blob from a backup, or import the dataset again.");

            target = target[read..];
            offset += read;
        }
    }
}
