using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Atoll.Datasets;

/// <summary>An entry as the directory of a zip file describes it. None of it is to be believed.</summary>
internal sealed record ZipItem
{
    public required string Name { get; init; }

    public required long PackedBytes { get; init; }

    public required long Bytes { get; init; }

    public required long HeaderOffset { get; init; }

    public required uint Crc { get; init; }

    public required int Method { get; init; }

    public required bool IsEncrypted { get; init; }

    public required bool IsSymbolicLink { get; init; }

    public bool IsFolder => Name.EndsWith('/');
}

/// <summary>The file is not a zip file that can be read.</summary>
internal sealed class ZipFormatException(string message) : Exception(message);

/// <summary>There are more entries than allowed.</summary>
internal sealed class ZipTooManyEntriesException(long entries) : Exception($"The zip file has {entries:N0} entries.");

/// <summary>Why an entry could not be unpacked.</summary>
internal enum ZipFault
{
    None,
    Damaged,
    TooLarge,
    Ratio,
    Method,
}

/// <summary>Reads zip files of strangers: bounded in entries, bytes and ratio, before and while unpacking.</summary>
/// <remarks>
/// The framework's reader keeps every entry in memory before one can be counted, and believes sizes; this one checks while it goes.
/// Stored and deflated entries are read, with and without zip64.
/// </remarks>
internal sealed class ZipDirectory
{
    private const uint EndSignature = 0x06054B50, End64Signature = 0x06064B50, Locator64Signature = 0x07064B50, EntrySignature = 0x02014B50, LocalSignature = 0x04034B50;
    private const int EndBytes = 22, EntryBytes = 46, LocalBytes = 30, CommentMax = ushort.MaxValue;

    // Names stay in memory; honest ones are far below a kilobyte each.
    private const long NameBytesMax = 64 << 20;

    private static readonly Encoding StrictUtf8 = new UTF8Encoding(false, throwOnInvalidBytes: true);
    private static readonly Encoding OldNames = CodePagesEncodingProvider.Instance.GetEncoding(437)!;
    private static readonly uint[] CrcTable = MakeCrcTable();

    private readonly Stream _stream;

    private ZipDirectory(Stream stream, List<ZipItem> items)
    {
        _stream = stream;
        Items = items;
    }

    /// <summary>Entries in the order of the directory.</summary>
    public IReadOnlyList<ZipItem> Items { get; }

    /// <summary>Reads the directory.</summary>
    /// <exception cref="ZipFormatException">The bytes are no zip file.</exception>
    /// <exception cref="ZipTooManyEntriesException">There are too many.</exception>
    public static ZipDirectory Read(Stream stream, int entriesMax)
    {
        var (offset, bytes, entries) = FindDirectory(stream);
        if (entries > entriesMax) throw new ZipTooManyEntriesException(entries);
        if (offset < 0 || bytes < 0 || bytes > stream.Length - offset) throw new ZipFormatException("The directory of the zip file lies outside of it; the file is cut off or damaged.");

        var items = new List<ZipItem>();
        var header = new byte[EntryBytes];
        long position = offset, end = offset + bytes, allNameBytes = 0;
        while (position + EntryBytes <= end)
        {
            if (items.Count == entriesMax) throw new ZipTooManyEntriesException(entriesMax + 1L);

            ReadAt(stream, position, header);
            if (BinaryPrimitives.ReadUInt32LittleEndian(header) != EntrySignature) throw new ZipFormatException($"Entry {items.Count + 1} of the zip file's directory is damaged.");

            int nameBytes = BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(28)), extraBytes = BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(30)), commentBytes = BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(32));
            allNameBytes += nameBytes;
            if (allNameBytes > NameBytesMax) throw new ZipFormatException($"The names of the zip file's entries have more than {NameBytesMax >> 20} MiB.");

            var tail = new byte[nameBytes + extraBytes];
            if (position + EntryBytes + tail.Length + commentBytes > end) throw new ZipFormatException("The directory of the zip file is cut off.");

            ReadAt(stream, position + EntryBytes, tail);
            var item = Parse(header, tail.AsSpan(0, nameBytes), tail.AsSpan(nameBytes));
            if (item.Bytes < 0 || item.PackedBytes < 0 || item.HeaderOffset < 0) throw new ZipFormatException($"Entry {items.Count + 1} of the zip file's directory has a negative size or place.");

            items.Add(item);
            position += EntryBytes + tail.Length + commentBytes;
        }

        return items.Count == entries ? new ZipDirectory(stream, items) : throw new ZipFormatException($"The zip file announces {entries:N0} entries and has {items.Count:N0}.");
    }

    /// <summary>Unpacks an entry into memory, no further than the limits; the fault says why there is nothing.</summary>
    public (byte[] Bytes, ZipFault Fault) Unpack(ZipItem item, long bytesMax, int ratioMax)
    {
        if (item.Method is not (0 or 8)) return ([], ZipFault.Method);
        if (item.Bytes > bytesMax) return ([], ZipFault.TooLarge);
        if (ExceedsRatio(item.Bytes, item.PackedBytes, ratioMax)) return ([], ZipFault.Ratio);
        if (DataOffset(item) is not { } offset) return ([], ZipFault.Damaged);

        try
        {
            using var packed = new Window(_stream, offset, item.PackedBytes);
            using Stream content = item.Method == 0 ? packed : new DeflateStream(packed, CompressionMode.Decompress, leaveOpen: true);

            // One byte more than announced shows that the announcement lies.
            var bytes = new byte[item.Bytes];
            int read = content.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            bool more = content.ReadByte() >= 0;
            return read == bytes.Length && !more && Crc(bytes) == item.Crc ? (bytes, ZipFault.None) : ([], ZipFault.Damaged);
        }
        catch (InvalidDataException)
        {
            return ([], ZipFault.Damaged);
        }
    }

    /// <summary>CRC-32 as in zip files.</summary>
    public static uint Crc(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in bytes) crc = CrcTable[(byte)(crc ^ value)] ^ (crc >> 8);
        return ~crc;
    }

    private static bool ExceedsRatio(long bytes, long packed, int ratioMax) => bytes > 1 << 20 && bytes / Math.Max(1, packed) > ratioMax;

    private long? DataOffset(ZipItem item)
    {
        if (item.HeaderOffset > _stream.Length - LocalBytes) return null;

        var header = new byte[LocalBytes];
        ReadAt(_stream, item.HeaderOffset, header);
        if (BinaryPrimitives.ReadUInt32LittleEndian(header) != LocalSignature) return null;

        long offset = item.HeaderOffset + LocalBytes + BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(26)) + BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(28));
        return item.PackedBytes <= _stream.Length - offset ? offset : null;
    }

    private static (long Offset, long Bytes, long Entries) FindDirectory(Stream stream)
    {
        int length = (int)Math.Min(stream.Length, EndBytes + CommentMax);
        var tail = new byte[length];
        ReadAt(stream, stream.Length - length, tail);
        for (int at = length - EndBytes; at >= 0; at--)
        {
            var end = tail.AsSpan(at);
            if (BinaryPrimitives.ReadUInt32LittleEndian(end) != EndSignature) continue;
            if (BinaryPrimitives.ReadUInt16LittleEndian(end[20..]) > end.Length - EndBytes) continue;

            long entries = BinaryPrimitives.ReadUInt16LittleEndian(end[10..]), bytes = BinaryPrimitives.ReadUInt32LittleEndian(end[12..]), offset = BinaryPrimitives.ReadUInt32LittleEndian(end[16..]);
            bool large = entries == ushort.MaxValue || bytes == uint.MaxValue || offset == uint.MaxValue;
            return large ? FindDirectory64(stream, stream.Length - length + at) ?? (offset, bytes, entries) : (offset, bytes, entries);
        }

        throw new ZipFormatException("This is not a zip file, or it is cut off.");
    }

    private static (long Offset, long Bytes, long Entries)? FindDirectory64(Stream stream, long endPosition)
    {
        const int LocatorBytes = 20, End64Bytes = 56;
        if (endPosition < LocatorBytes) return null;

        var locator = new byte[LocatorBytes];
        ReadAt(stream, endPosition - LocatorBytes, locator);
        if (BinaryPrimitives.ReadUInt32LittleEndian(locator) != Locator64Signature) return null;

        long position = BinaryPrimitives.ReadInt64LittleEndian(locator.AsSpan(8));
        if (position < 0 || position > stream.Length - End64Bytes) throw new ZipFormatException("The directory of the zip file lies outside of it; the file is cut off or damaged.");

        var end = new byte[End64Bytes];
        ReadAt(stream, position, end);
        if (BinaryPrimitives.ReadUInt32LittleEndian(end) != End64Signature) throw new ZipFormatException("The directory of the zip file is damaged.");

        return (BinaryPrimitives.ReadInt64LittleEndian(end.AsSpan(48)), BinaryPrimitives.ReadInt64LittleEndian(end.AsSpan(40)), BinaryPrimitives.ReadInt64LittleEndian(end.AsSpan(32)));
    }

    private static ZipItem Parse(ReadOnlySpan<byte> header, ReadOnlySpan<byte> name, ReadOnlySpan<byte> extra)
    {
        long packed = BinaryPrimitives.ReadUInt32LittleEndian(header[20..]), bytes = BinaryPrimitives.ReadUInt32LittleEndian(header[24..]), offset = BinaryPrimitives.ReadUInt32LittleEndian(header[42..]);
        while (extra.Length >= 4)
        {
            int kind = BinaryPrimitives.ReadUInt16LittleEndian(extra), length = BinaryPrimitives.ReadUInt16LittleEndian(extra[2..]);
            if (length > extra.Length - 4) break;

            if (kind == 1)
            {
                var large = extra.Slice(4, length);
                bytes = Widened(bytes, ref large);
                packed = Widened(packed, ref large);
                offset = Widened(offset, ref large);
            }

            extra = extra[(4 + length)..];
        }

        int flags = BinaryPrimitives.ReadUInt16LittleEndian(header[8..]);
        uint attributes = BinaryPrimitives.ReadUInt32LittleEndian(header[38..]);
        return new ZipItem
        {
            Name = NameOf(name),
            PackedBytes = packed,
            Bytes = bytes,
            HeaderOffset = offset,
            Crc = BinaryPrimitives.ReadUInt32LittleEndian(header[16..]),
            Method = BinaryPrimitives.ReadUInt16LittleEndian(header[10..]),
            IsEncrypted = (flags & 1) != 0,
            IsSymbolicLink = (attributes >> 16 & 0xF000) == 0xA000,
        };
    }

    private static long Widened(long value, ref ReadOnlySpan<byte> large)
    {
        if (value != uint.MaxValue || large.Length < 8) return value;

        long wide = BinaryPrimitives.ReadInt64LittleEndian(large);
        large = large[8..];
        return wide;
    }

    /// <summary>Most programs write UTF-8, many without saying so.</summary>
    private static string NameOf(ReadOnlySpan<byte> name)
    {
        try
        {
            return StrictUtf8.GetString(name);
        }
        catch (DecoderFallbackException)
        {
            return OldNames.GetString(name);
        }
    }

    private static void ReadAt(Stream stream, long position, Span<byte> target)
    {
        stream.Position = position;
        if (stream.ReadAtLeast(target, target.Length, throwOnEndOfStream: false) < target.Length) throw new ZipFormatException("The zip file is cut off.");
    }

    private static uint[] MakeCrcTable()
    {
        var table = new uint[256];
        for (uint i = 0; i < 256; i++)
        {
            uint value = i;
            for (int bit = 0; bit < 8; bit++) value = (value & 1) != 0 ? (value >> 1) ^ 0xEDB88320 : value >> 1;
            table[i] = value;
        }

        return table;
    }

    /// <summary>A part of another stream.</summary>
    private sealed class Window(Stream inner, long offset, long length) : Stream
    {
        private long _position;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => length;

        public override long Position { get => _position; set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int start, int count) => Read(buffer.AsSpan(start, count));

        public override int Read(Span<byte> buffer)
        {
            if (buffer.Length > length - _position) buffer = buffer[..(int)(length - _position)];
            if (buffer.IsEmpty) return 0;

            inner.Position = offset + _position;
            int read = inner.Read(buffer);
            _position += read;
            return read;
        }

        public override void Flush()
        {
        }

        public override long Seek(long to, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int start, int count) => throw new NotSupportedException();
    }
}
