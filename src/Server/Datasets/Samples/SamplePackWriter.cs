using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Atoll.Datasets;

/// <summary>Writes samples one after the other into a data stream, and an index of fixed-size records beside it.</summary>
internal sealed class SamplePackWriter
{
    /// <summary>Begins every index; the last digit is the version of the layout.</summary>
    public static ReadOnlySpan<byte> Magic => "ATOLSMP1"u8;

    private const int BufferBytes = 1 << 20;

    private readonly Stream _data;
    private readonly Stream _index;
    private readonly ArrayBufferWriter<byte> _dataBuffer = new(BufferBytes);
    private readonly ArrayBufferWriter<byte> _indexBuffer = new(BufferBytes);
    private long _offset;

    /// <param name="data">Written from beginning to end.</param>
    /// <param name="index">Read and changed again when splits are assigned.</param>
    public SamplePackWriter(Stream data, Stream index)
    {
        _data = data;
        _index = index;
        _indexBuffer.Write(Magic);
    }

    public long Count { get; private set; }

    /// <summary>Bytes of the payloads.</summary>
    public long PayloadBytes { get; private set; }

    public void Add(ReadOnlySpan<byte> payload, ulong hash, ReadOnlySpan<int> labels, Split split, int file, long line, string? entry)
    {
        int nameBytes = entry is null ? 0 : Math.Min(ushort.MaxValue, Encoding.UTF8.GetByteCount(entry));
        var record = new SampleRecord
        {
            Offset = _offset,
            Hash = hash,
            Line = line,
            Length = payload.Length,
            Label = labels.IsEmpty ? -1 : labels[0],
            LabelCount = (ushort)labels.Length,
            NameBytes = (ushort)nameBytes,
            File = (ushort)file,
            Split = split,
        };
        WriteData(payload);
        foreach (int label in labels.IsEmpty ? labels : labels[1..])
        {
            BinaryPrimitives.WriteInt32LittleEndian(_dataBuffer.GetSpan(sizeof(int)), label);
            _dataBuffer.Advance(sizeof(int));
        }

        if (entry is not null) _dataBuffer.Write(Encoding.UTF8.GetBytes(entry).AsSpan(0, nameBytes));

        record.Write(_indexBuffer.GetSpan(SampleRecord.Bytes));
        _indexBuffer.Advance(SampleRecord.Bytes);
        _offset += payload.Length + record.TrailerBytes;
        PayloadBytes += payload.Length;
        Count++;
        if (_dataBuffer.WrittenCount >= BufferBytes) Flush(_dataBuffer, _data);
        if (_indexBuffer.WrittenCount >= BufferBytes) Flush(_indexBuffer, _index);
    }

    /// <summary>Hands everything over to the streams.</summary>
    public void Complete()
    {
        Flush(_dataBuffer, _data);
        Flush(_indexBuffer, _index);
    }

    /// <summary>Goes through the records from the first to the last; a record that changes is written back.</summary>
    public void Revise(Func<long, SampleRecord, SampleRecord> revise)
    {
        Complete();
        var block = new byte[SampleRecord.Bytes * 8192];
        long position = Magic.Length, number = 0;
        while (true)
        {
            _index.Position = position;
            int length = _index.ReadAtLeast(block, block.Length, throwOnEndOfStream: false);
            if (length == 0) break;

            bool changed = false;
            for (int at = 0; at < length; at += SampleRecord.Bytes, number++)
            {
                var record = SampleRecord.Read(block.AsSpan(at));
                var revised = revise(number, record);
                if (revised == record) continue;

                revised.Write(block.AsSpan(at));
                changed = true;
            }

            if (changed)
            {
                _index.Position = position;
                _index.Write(block.AsSpan(0, length));
            }

            position += length;
        }

        _index.Position = _index.Length;
    }

    /// <summary>Takes records out of the index. Their payloads stay in the data, where nothing names them.</summary>
    public void Retain(Func<SampleRecord, bool> keep, Func<SampleRecord, SampleRecord> revise)
    {
        Complete();
        var block = new byte[SampleRecord.Bytes * 8192];
        long from = Magic.Length, to = Magic.Length;
        while (true)
        {
            _index.Position = from;
            int length = _index.ReadAtLeast(block, block.Length, throwOnEndOfStream: false);
            if (length == 0) break;

            from += length;
            int kept = 0;
            for (int at = 0; at < length; at += SampleRecord.Bytes)
            {
                var record = SampleRecord.Read(block.AsSpan(at));
                if (!keep(record))
                {
                    PayloadBytes -= record.Length;
                    Count--;
                    continue;
                }

                revise(record).Write(block.AsSpan(kept));
                kept += SampleRecord.Bytes;
            }

            _index.Position = to;
            _index.Write(block.AsSpan(0, kept));
            to += kept;
        }

        _index.SetLength(to);
        _index.Position = to;
    }

    private void WriteData(ReadOnlySpan<byte> payload)
    {
        if (payload.Length < BufferBytes / 2)
        {
            _dataBuffer.Write(payload);
            return;
        }

        Flush(_dataBuffer, _data);
        _data.Write(payload);
    }

    private static void Flush(ArrayBufferWriter<byte> buffer, Stream stream)
    {
        stream.Write(buffer.WrittenSpan);
        buffer.ResetWrittenCount();
    }
}
