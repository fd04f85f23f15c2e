using System.Buffers;
using System.Text;

namespace Atoll.Datasets;

/// <summary>What was found about the bytes of a text file.</summary>
/// <param name="Guessed">Nothing said so; it is the encoding that such files usually have.</param>
/// <param name="HasInvalidBytes">The file says one thing and holds another somewhere.</param>
internal sealed record TextEncoding(Encoding Encoding, bool Guessed, bool HasInvalidBytes);

/// <summary>Finds the encoding of a text file: byte order mark, then UTF-16 by its zeros, then UTF-8 if the whole file is valid, else Windows-1252.</summary>
internal static class TextEncodingDetector
{
    private const int SampleBytes = 64 * 1024;

    private static readonly Encoding Windows1252 = CodePagesEncodingProvider.Instance.GetEncoding(1252)!;
    private static readonly Encoding Utf8NoMark = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);

    /// <summary>Reads the stream to its end where needed, and leaves it at its beginning.</summary>
    public static TextEncoding Detect(Stream stream, CancellationToken cancellationToken)
    {
        var head = new byte[SampleBytes];
        stream.Position = 0;
        var sample = head.AsSpan(0, stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false));
        try
        {
            // The order matters: UTF-32's mark begins with UTF-16's.
            if (sample.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xFE, 0, 0])) return new(new UTF32Encoding(bigEndian: false, byteOrderMark: true), false, true);
            if (sample.StartsWith((ReadOnlySpan<byte>)[0, 0, 0xFE, 0xFF])) return new(new UTF32Encoding(bigEndian: true, byteOrderMark: true), false, true);
            if (sample.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xFE])) return new(Encoding.Unicode, false, true);
            if (sample.StartsWith((ReadOnlySpan<byte>)[0xFE, 0xFF])) return new(Encoding.BigEndianUnicode, false, true);

            bool marked = sample.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]);
            if (!marked && Utf16ByZeros(sample) is { } wide) return new(wide, false, true);

            bool valid = IsValidUtf8(stream, cancellationToken);
            if (valid || marked) return new(Utf8NoMark, false, !valid);

            return new(Windows1252, true, false);
        }
        finally
        {
            stream.Position = 0;
        }
    }

    private static Encoding? Utf16ByZeros(ReadOnlySpan<byte> sample)
    {
        int pairs = sample.Length / 2;
        if (pairs < 4) return null;

        int even = 0, odd = 0;
        for (int i = 0; i < pairs * 2; i += 2)
        {
            if (sample[i] == 0) even++;
            if (sample[i + 1] == 0) odd++;
        }

        // Half of the pairs is far above any stray zero, and below any text with some Latin letters, digits and delimiters.
        if (odd > pairs / 2 && even < pairs / 20) return Encoding.Unicode;
        return even > pairs / 2 && odd < pairs / 20 ? Encoding.BigEndianUnicode : null;
    }

    private static bool IsValidUtf8(Stream stream, CancellationToken cancellationToken)
    {
        stream.Position = 0;
        var buffer = ArrayPool<byte>.Shared.Rent(256 * 1024);
        try
        {
            int kept = 0;
            while (true)
            {
                cancellationToken.ThrowIfCancellationRequested();
                int read = stream.Read(buffer, kept, buffer.Length - kept);
                int length = kept + read;
                if (read == 0) return System.Text.Unicode.Utf8.IsValid(buffer.AsSpan(0, length));

                // A character may be cut by the end of the block: it waits for the next one.
                int whole = length - IncompleteTail(buffer.AsSpan(0, length));
                if (!System.Text.Unicode.Utf8.IsValid(buffer.AsSpan(0, whole))) return false;

                kept = length - whole;
                buffer.AsSpan(whole, kept).CopyTo(buffer);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static int IncompleteTail(ReadOnlySpan<byte> bytes)
    {
        for (int back = 1; back <= Math.Min(3, bytes.Length); back++)
        {
            byte value = bytes[^back];
            if ((value & 0xC0) == 0x80) continue;

            int needed = value >= 0xF0 ? 4 : value >= 0xE0 ? 3 : value >= 0xC0 ? 2 : 1;
            return needed > back ? back : 0;
        }

        return 0;
    }
}
