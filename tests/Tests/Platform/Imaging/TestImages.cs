using System.Buffers.Binary;
using System.IO.Compression;

namespace Atoll.Tests.Platform.Imaging;

/// <summary>Image files small enough to write down, and a writer of PNG files.</summary>
internal static class TestImages
{
    /// <summary>Left half red, right half blue, 16 x 8.</summary>
    public static byte[] Jpeg { get; } = Convert.FromBase64String(
        "/9j/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBwYGCAsICQoKCgoKBggLDAsKDAkKCgr/2wBDAQICAgICAg" +
        "UDAwUKBwYHCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgr/wAARCAAIABADAREAAhEBAxEB/8QAFAAB" +
        "AAAAAAAAAAAAAAAAAAAACP/EABQQAQAAAAAAAAAAAAAAAAAAAAD/xAAWAQEBAQAAAAAAAAAAAAAAAAAKCAn/xAAUEQEAAAAAAAAAAAAAAAAAAA" +
        "AA/9oADAMBAAIRAxEAPwAXpTb+CGVQNe//2Q==");

    /// <summary>The same with orientation 6 (shown 8 x 16, red above) and a colour profile.</summary>
    public static byte[] JpegTurnedRight { get; } = Convert.FromBase64String(
        "/9j/4QC8RXhpZgAASUkqAAgAAAAGABIBAwABAAAABgAAABoBBQABAAAAVgAAABsBBQABAAAAXgAAACgBAwABAAAAAgAAABMCAwABAAAAAQAAAG" +
        "mHBAABAAAAZgAAAAAAAAA4YwAA6AMAADhjAADoAwAABgAAkAcABAAAADAyMTABkQcABAAAAAECAwAAoAcABAAAADAxMDABoAMAAQAAAP//AAAC" +
        "oAQAAQAAABAAAAADoAQAAQAAAAgAAAAAAAAA/+IB8ElDQ19QUk9GSUxFAAEBAAAB4GxjbXMEIAAAbW50clJHQiBYWVogB+IAAwAUAAkADgAdYW" +
        "NzcE1TRlQAAAAAc2F3c2N0cmwAAAAAAAAAAAAAAAAAAPbWAAEAAAAA0y1oYW5keem/Vlo+AbaDI4VVRvdPqgAAAAAAAAAAAAAAAAAAAAAAAAAA" +
        "AAAAAAAAAAAAAAAKZGVzYwAAAPwAAAAkY3BydAAAASAAAAAid3RwdAAAAUQAAAAUY2hhZAAAAVgAAAAsclhZWgAAAYQAAAAUZ1hZWgAAAZgAAA" +
        "AUYlhZWgAAAawAAAAUclRSQwAAAcAAAAAgZ1RSQwAAAcAAAAAgYlRSQwAAAcAAAAAgbWx1YwAAAAAAAAABAAAADGVuVVMAAAAIAAAAHABzAFIA" +
        "RwBCbWx1YwAAAAAAAAABAAAADGVuVVMAAAAGAAAAHABDAEMAMAAAWFlaIAAAAAAAAPbWAAEAAAAA0y1zZjMyAAAAAAABDD8AAAXd///zJgAAB5" +
        "AAAP2S///7of///aIAAAPcAADAcVhZWiAAAAAAAABvoAAAOPIAAAOPWFlaIAAAAAAAAGKWAAC3iQAAGNpYWVogAAAAAAAAJKAAAA+FAAC2xHBh" +
        "cmEAAAAAAAMAAAACZmkAAPKnAAANWQAAE9AAAApb/9sAQwACAQEBAQECAQEBAgICAgIEAwICAgIFBAQDBAYFBgYGBQYGBgcJCAYHCQcGBggLCA" +
        "kKCgoKCgYICwwLCgwJCgoK/9sAQwECAgICAgIFAwMFCgcGBwoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoK" +
        "CgoK/8AAEQgACAAQAwERAAIRAQMRAf/EABQAAQAAAAAAAAAAAAAAAAAAAAj/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFgEBAQEAAAAAAAAAAA" +
        "AAAAAACggJ/8QAFBEBAAAAAAAAAAAAAAAAAAAAAP/aAAwDAQACEQMRAD8AF6U2/ghlUDXv/9k=");

    /// <summary>Lossless.</summary>
    public static byte[] WebP { get; } = Convert.FromBase64String(
        "UklGRiYAAABXRUJQVlA4TBkAAAAvD8ABAA8Q87//8x8OxILJ/KU7U4jof+QAAA==");

    /// <summary>Deflate.</summary>
    public static byte[] Tiff { get; } = Convert.FromBase64String(
        "SUkqACIAAAB4nPvPgB0wMvzHKo5ddFQ9DJAaPgCrhA/5ABAAAAEDAAEAAAAQAAAAAQEDAAEAAAAIAAAAAgEDAAMAAAD4AAAAAwEDAAEAAAAIAA" +
        "AABgEDAAEAAAACAAAAEQEEAAEAAAAIAAAAEgEDAAEAAAABAAAAFQEDAAEAAAADAAAAFgEDAAEAAAAAAQAAFwEEAAEAAAAZAAAAGgEFAAEAAADo" +
        "AAAAGwEFAAEAAADwAAAAHAEDAAEAAAABAAAAKAEDAAEAAAACAAAAPQEDAAEAAAACAAAAUwEDAAMAAAD+AAAAAAAAADMzywAAAAgAMzPLAAAACA" +
        "AIAAgACAABAAEAAQA=");

    /// <summary>A format that is refused.</summary>
    public static byte[] Avif { get; } = Convert.FromBase64String(
        "AAAAHGZ0eXBhdmlmAAAAAG1pZjFhdmlmbWlhZgAAANZtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9jAA" +
        "AAAERAAAEAAQAAAAAA+gABAAAAAAAAAC8AAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABhdjAxAAAAAA5waXRtAAAAAAABAAAAVmlwcnAA" +
        "AAA4aXBjbwAAAAxhdjFDgSACAAAAABRpc3BlAAAAAAAAABAAAAAIAAAAEHBpeGkAAAAAAwgICAAAABZpcG1hAAAAAAAAAAEAAQOBAgMAAAA3bW" +
        "RhdBIACgg4DL+0gIaDSDIhGUJjBMAANAAA4CNTTWfMWbuBLbXei5ZxcJtPzrOBvLXA");

    /// <summary>Two frames, the second is black.</summary>
    public static byte[] MovingGif { get; } = Convert.FromBase64String(
        "R0lGODlhEAAIAIEAAExpcf8AAAAA/wAAACH/C05FVFNDQVBFMi4wAwEAAAAh+QQFAQAAACwAAAAAEAAIAAACE4xvoquIzNyBSyYqbMDZcv15WA" +
        "EAIfkEBQEAAAAsAAAAABAACACATGlxAAAAAgqMj6nL7Q+jnKwAADs=");

    /// <summary>Four inks.</summary>
    public static byte[] CmykJpeg { get; } = Convert.FromBase64String(
        "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAGBAUGBQQGBgUGBwcGCAoQCgoJCQoUDg8MEBcUGBgXFBYWGh0lHxobIxwWFiAsICMmJykqKRkfLTAtKD" +
        "AlKCko/8AAFAgACAAQBEMRAE0RAFkRAEsRAP/EABcAAQEBAQAAAAAAAAAAAAAAAAgJAAf/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oADgRDAE0A" +
        "WQBLAAA/AFSKgqFSmE6gqoz/2Q==");

    /// <summary>Bits per channel 8 or 16; channels 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha).</summary>
    public static byte[] Png(int width, int height, int channels, Func<int, int, byte[]> pixel, int bits = 8)
    {
        var raw = new MemoryStream();
        for (int y = 0; y < height; y++)
        {
            raw.WriteByte(0);
            for (int x = 0; x < width; x++)
            {
                foreach (var value in pixel(x, y))
                {
                    raw.WriteByte(value);
                    if (bits == 16) raw.WriteByte(value);
                }
            }
        }

        var packed = new MemoryStream();
        using (var zlib = new ZLibStream(packed, CompressionLevel.Fastest, leaveOpen: true)) zlib.Write(raw.ToArray());

        return PngOf(width, height, channels, bits, packed.ToArray());
    }

    /// <summary>A file whose header may say what its data does not hold.</summary>
    public static byte[] PngOf(int width, int height, int channels, int bits, byte[] data)
    {
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        header[8] = (byte)bits;
        header[9] = (byte)(channels switch { 1 => 0, 2 => 4, 3 => 2, _ => 6 });

        var file = new MemoryStream();
        file.Write([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]);
        Chunk(file, "IHDR"u8, header);
        Chunk(file, "IDAT"u8, data);
        Chunk(file, "IEND"u8, []);
        return file.ToArray();
    }

    /// <summary>An image of one colour.</summary>
    public static byte[] SolidPng(byte red, byte green, byte blue, int size = 8) => Png(size, size, 3, (_, _) => [red, green, blue]);

    private static void Chunk(Stream file, ReadOnlySpan<byte> type, byte[] data)
    {
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
        file.Write(number);
        byte[] body = [.. type, .. data];
        file.Write(body);
        BinaryPrimitives.WriteUInt32BigEndian(number, Crc(body));
        file.Write(number);
    }

    private static uint Crc(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (var value in bytes)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320 : crc >> 1;
        }

        return ~crc;
    }
}
