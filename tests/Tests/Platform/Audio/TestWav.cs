using System.Buffers.Binary;
using System.Text;

namespace Atoll.Tests.Platform.Audio;

/// <summary>Writes wav files, also odd and broken ones.</summary>
internal static class TestWav
{
    public const int Pcm = 1, Float = 3, Extensible = 0xFFFE;

    /// <summary>A tone of 16 bits.</summary>
    public static byte[] Tone(double hertz, int rate = 8_000, double seconds = 0.1, double loudness = 0.5) => Of(rate, 1, 16, Pcm, Sine(hertz, rate, seconds, loudness));

    public static float[] Sine(double hertz, int rate, double seconds, double loudness = 0.5) =>
        [.. Enumerable.Range(0, (int)(rate * seconds)).Select(i => (float)(loudness * Math.Sin(2 * Math.PI * hertz * i / rate)))];

    /// <summary>Samples of all channels in turn, from -1 to 1.</summary>
    public static byte[] Of(int rate, int channels, int bits, int format, params float[] samples) =>
        File(Part("fmt ", Head(rate, channels, bits, format)), Part("data", Data(samples, bits, format)));

    /// <summary>The parts behind the name of the format.</summary>
    public static byte[] File(params byte[][] parts)
    {
        var body = parts.SelectMany(part => part).ToArray();
        return [.. "RIFF"u8, .. Four(body.Length + 4), .. "WAVE"u8, .. body];
    }

    /// <summary>A part with its length, filled up to an even one; the length may lie.</summary>
    public static byte[] Part(string name, byte[] content, long? length = null)
    {
        byte[] part = [.. Encoding.ASCII.GetBytes(name), .. Four(length ?? content.Length), .. content];
        return content.Length % 2 == 0 ? part : [.. part, 0];
    }

    /// <summary>What stands in the part <c>fmt </c>.</summary>
    public static byte[] Head(int rate, int channels, int bits, int format, int? block = null, int? subformat = null)
    {
        var bytes = block ?? channels * bits / 8;
        byte[] head = [.. Two(format), .. Two(channels), .. Four(rate), .. Four(rate * (long)bytes), .. Two(bytes), .. Two(bits)];
        return format != Extensible ? head
            : [.. head, .. Two(22), .. Two(bits), .. Four(0), .. Two(subformat ?? Pcm), 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];
    }

    public static byte[] Data(float[] samples, int bits, int format) => [.. samples.SelectMany(sample => bits switch
    {
        8 => [(byte)Math.Clamp(Math.Round(sample * 128 + 128), 0, 255)],
        16 => Two((int)Math.Clamp(Math.Round(sample * 32_768), -32_768, 32_767)),
        24 => Four((long)Math.Clamp(Math.Round(sample * 8_388_608), -8_388_608, 8_388_607))[..3],
        _ when format == Float => BitConverter.GetBytes(sample),
        _ => Four((long)Math.Clamp(Math.Round(sample * 2_147_483_648), int.MinValue, int.MaxValue)),
    })];

    private static byte[] Two(int value)
    {
        var bytes = new byte[2];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, unchecked((ushort)value));
        return bytes;
    }

    private static byte[] Four(long value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, unchecked((uint)value));
        return bytes;
    }
}
