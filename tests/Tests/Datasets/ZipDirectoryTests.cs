using System.Buffers.Binary;
using Atoll.Datasets;

namespace Atoll.Tests.Datasets;

public sealed class ZipDirectoryTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void A_negative_size_or_place_is_refused_with_its_entry(int field)
    {
        var extra = new byte[28];
        BinaryPrimitives.WriteUInt16LittleEndian(extra, 1);
        BinaryPrimitives.WriteUInt16LittleEndian(extra.AsSpan(2), 24);
        BinaryPrimitives.WriteInt64LittleEndian(extra.AsSpan(4 + (8 * field)), -5);

        var refused = Assert.Throws<ZipFormatException>(() => ZipDirectory.Read(Zip(1, 10, extra), 100));

        Assert.Contains("Entry 1 ", refused.Message);
    }

    [Fact]
    public void A_place_at_the_end_of_all_numbers_is_damage()
    {
        var extra = new byte[28];
        BinaryPrimitives.WriteUInt16LittleEndian(extra, 1);
        BinaryPrimitives.WriteUInt16LittleEndian(extra.AsSpan(2), 24);
        BinaryPrimitives.WriteInt64LittleEndian(extra.AsSpan(20), long.MaxValue);

        var zip = ZipDirectory.Read(Zip(1, 10, extra), 100);

        Assert.Equal(ZipFault.Damaged, zip.Unpack(zip.Items[0], 1 << 20, 100).Fault);
    }

    [Fact]
    public void Names_that_would_fill_the_memory_are_refused()
    {
        Assert.Equal(1000, ZipDirectory.Read(Zip(1000, 65_000, []), 2000).Items.Count);
        Assert.Contains("64 MiB", Assert.Throws<ZipFormatException>(() => ZipDirectory.Read(Zip(1040, 65_000, []), 2000)).Message);
    }

    /// <summary>Only a directory: every entry with sizes and place left to the extra field.</summary>
    private static MemoryStream Zip(int entries, int nameBytes, byte[] extra)
    {
        int entryBytes = 46 + nameBytes + extra.Length;
        var file = new byte[(entries * entryBytes) + 22];
        file.AsSpan().Fill((byte)'n');
        for (int i = 0; i < entries; i++)
        {
            var entry = file.AsSpan(i * entryBytes, entryBytes);
            entry[..46].Clear();
            BinaryPrimitives.WriteUInt32LittleEndian(entry, 0x02014B50);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[20..], uint.MaxValue);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[24..], uint.MaxValue);
            BinaryPrimitives.WriteUInt16LittleEndian(entry[28..], (ushort)nameBytes);
            BinaryPrimitives.WriteUInt16LittleEndian(entry[30..], (ushort)extra.Length);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[42..], uint.MaxValue);
            extra.CopyTo(entry[(46 + nameBytes)..]);
        }

        var end = file.AsSpan(entries * entryBytes);
        end.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(end, 0x06054B50);
        BinaryPrimitives.WriteUInt16LittleEndian(end[10..], (ushort)entries);
        BinaryPrimitives.WriteInt32LittleEndian(end[12..], entries * entryBytes);
        return new MemoryStream(file);
    }
}
