using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Atoll.Platform.Audio;

/// <summary>Reads wav files, the same way for learning and for predicting: PCM of 8, 16, 24 and 32 bits and 32-bit floats, channels mixed to one.</summary>
/// <remarks>Source: Multimedia Programming Interface and Data Specifications 1.0 (1991); Multiple Channel Audio Data and WAVE Files (2007).</remarks>
internal static class WavFile
{
    /// <summary>Longer sounds are for transcripts, not for a label.</summary>
    public const double SecondsMaxDefault = 60;

    public const int RateLeast = 4_000;
    public const int RateMost = 192_000;

    private const int ChannelsMax = 8;
    private const int FormatPcm = 1, FormatFloat = 3, FormatExtensible = 0xFFFE;
    private const int ExtensibleBytes = 40;

    // What a writer puts for a length that it does not know.
    private const uint UnknownLength = uint.MaxValue;

    // Far outside of what any writer means, and squares of it still fit into 32 bits.
    private const float LoudestSample = 1e6f;

    private const string Remedy = "Convert it, such as with: ffmpeg -i sound -c:a pcm_s16le sound.wav.";

    /// <summary>The last 14 bytes of the formats that an extensible head names.</summary>
    private static ReadOnlySpan<byte> SubformatTail => [0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80, 0x00, 0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71];

    /// <summary>What the head says, after a look at the sizes; samples are not read.</summary>
    public static AudioInfo Probe(ReadOnlySpan<byte> bytes, double secondsMax = SecondsMaxDefault) => Open(bytes, secondsMax).Info;

    /// <summary>The samples, channels mixed to one.</summary>
    /// <exception cref="AudioFormatException">It cannot be used.</exception>
    public static AudioClip Decode(ReadOnlySpan<byte> bytes, double secondsMax = SecondsMaxDefault)
    {
        var (info, bits, isFloat, data) = Open(bytes, secondsMax);
        var samples = new float[info.Frames];
        switch (bits)
        {
            // Of all widths only this one has no sign: silence is 128.
            case 8:
                Mix(data, samples, info.Channels, 1, static sample => (sample[0] - 128) / 128f);
                break;

            case 16 when info.Channels == 1 && BitConverter.IsLittleEndian:
                var shorts = MemoryMarshal.Cast<byte, short>(data);
                for (var i = 0; i < samples.Length; i++) samples[i] = shorts[i] * (1 / 32_768f);
                break;

            case 16:
                Mix(data, samples, info.Channels, 2, static sample => BinaryPrimitives.ReadInt16LittleEndian(sample) * (1 / 32_768f));
                break;

            case 24:
                Mix(data, samples, info.Channels, 3, static sample => (sample[0] | sample[1] << 8 | (sbyte)sample[2] << 16) * (1 / 8_388_608f));
                break;

            case 32 when !isFloat:
                Mix(data, samples, info.Channels, 4, static sample => BinaryPrimitives.ReadInt32LittleEndian(sample) * (1 / 2_147_483_648f));
                break;

            default:
                Mix(data, samples, info.Channels, 4, BinaryPrimitives.ReadSingleLittleEndian);
                CheckNumbers(samples);
                break;
        }
        return new AudioClip(info.Rate, samples);
    }

    private delegate float ReadSample(ReadOnlySpan<byte> sample);

    private static void Mix(ReadOnlySpan<byte> data, float[] samples, int channels, int width, ReadSample read)
    {
        var share = 1f / channels;
        for (var i = 0; i < samples.Length; i++)
        {
            float sum = 0;
            for (var channel = 0; channel < channels; channel++) sum += read(data.Slice((i * channels + channel) * width, width));
            samples[i] = channels == 1 ? sum : sum * share;
        }
    }

    private static void CheckNumbers(float[] samples)
    {
        for (var i = 0; i < samples.Length; i++)
        {
            // Also false for NaN.
            if (Math.Abs(samples[i]) <= LoudestSample) continue;
            throw new AudioFormatException(
                AudioFault.Damaged, string.Create(CultureInfo.InvariantCulture, $"Sample {i + 1} of the sound is {samples[i]}, no number between -1 and 1. Write the file again."));
        }
    }

    private static Content Open(ReadOnlySpan<byte> bytes, double secondsMax)
    {
        if (bytes.IsEmpty) throw new AudioFormatException(AudioFault.Empty, "The file is empty.");
        if (bytes.Length < 12 || !bytes.StartsWith("RIFF"u8) || !bytes[8..].StartsWith("WAVE"u8)) throw NoWav(bytes);

        // The length in front is wrong in so many good files that it is not looked at: the chunks tell.
        Head? head = null;
        long position = 12;
        while (position + 8 <= bytes.Length)
        {
            var name = bytes.Slice((int)position, 4);
            var announced = BinaryPrimitives.ReadUInt32LittleEndian(bytes[((int)position + 4)..]);
            position += 8;
            if (name.SequenceEqual("data"u8))
            {
                if (head is not { } read)
                    throw new AudioFormatException(AudioFault.Damaged, "The sound comes before the part ('fmt ') that says how it is written. Write the file again.");
                return Describe(read, bytes[(int)position..], announced, secondsMax);
            }
            if (announced > bytes.Length - position)
                throw new AudioFormatException(AudioFault.Damaged, $"The part '{Printable(name)}' announces {announced:N0} bytes and {bytes.Length - position:N0} are there; the file is cut off. Upload it again.");
            if (name.SequenceEqual("fmt "u8))
            {
                if (head is not null) throw new AudioFormatException(AudioFault.Damaged, "The file has two parts ('fmt ') that say how it is written. Write the file again.");
                head = Head.Read(bytes.Slice((int)position, (int)announced));
            }

            // Parts begin at even places.
            position += announced + (announced & 1);
        }
        throw head is null
            ? new AudioFormatException(AudioFault.Damaged, "The file has no part ('fmt ') that says how the sound is written; it is cut off or damaged. Write it again.")
            : new AudioFormatException(AudioFault.Damaged, "The file has no sound ('data'); it is cut off or damaged. Write it again.");
    }

    private static Content Describe(Head head, ReadOnlySpan<byte> rest, uint announced, double secondsMax)
    {
        if (announced == UnknownLength) announced = (uint)(rest.Length / head.BlockBytes * head.BlockBytes);
        if (announced == 0) throw new AudioFormatException(AudioFault.Empty, "There is no sound in the file. Record it again, or take it out.");
        if (announced > rest.Length)
            throw new AudioFormatException(AudioFault.Damaged, $"The head announces {announced:N0} bytes of sound and {rest.Length:N0} are there; the file is cut off. Upload it again.");
        if (announced % head.BlockBytes != 0)
            throw new AudioFormatException(AudioFault.Damaged, $"The sound has {announced:N0} bytes, which are no whole samples of {head.BlockBytes} bytes. Write the file again.");

        var frames = (int)(announced / head.BlockBytes);
        if (frames > secondsMax * head.Rate)
        {
            throw new AudioFormatException(
                AudioFault.TooLong, string.Create(CultureInfo.InvariantCulture, $"The sound lasts {(double)frames / head.Rate:F1} seconds, at most {secondsMax:0.#} are allowed. Cut it into parts."));
        }
        var format = head.IsFloat ? "float" : $"{head.Bits}";
        return new Content(new AudioInfo(head.Rate, head.Channels, format, frames), head.Bits, head.IsFloat, rest[..(int)announced]);
    }

    private static AudioFormatException NoWav(ReadOnlySpan<byte> bytes)
    {
        var name = bytes.StartsWith("ID3"u8) || (bytes.Length > 1 && bytes[0] == 0xFF && (bytes[1] & 0xE0) == 0xE0) ? "MP3 or AAC"
            : bytes.StartsWith("fLaC"u8) ? "FLAC"
            : bytes.StartsWith("OggS"u8) ? "Ogg"
            : bytes.StartsWith("FORM"u8) ? "AIFF"
            : bytes.StartsWith(".snd"u8) ? "AU"
            : bytes.StartsWith("RF64"u8) || bytes.StartsWith("BW64"u8) ? "Wav of 64 bits (RF64)"
            : bytes.StartsWith("RIFX"u8) ? "Wav in big-endian order (RIFX)"
            : bytes.StartsWith("#!AMR"u8) ? "AMR"
            : bytes.StartsWith((ReadOnlySpan<byte>)[0x1A, 0x45, 0xDF, 0xA3]) ? "WebM or Matroska"
            : bytes.StartsWith((ReadOnlySpan<byte>)[0x30, 0x26, 0xB2, 0x75]) ? "WMA"
            : bytes.Length >= 12 && bytes[4..].StartsWith("ftyp"u8) ? "M4A or video"
            : null;
        if (name is not null) return new AudioFormatException(AudioFault.Unsupported, $"{name} is not supported. {Remedy}");
        return bytes.StartsWith("RIFF"u8) && bytes.Length < 12
            ? new AudioFormatException(AudioFault.Damaged, "The file ends within its head. Upload it again.")
            : new AudioFormatException(AudioFault.NotAudio, "The content is not a wav file.");
    }

    private static string Printable(ReadOnlySpan<byte> name) =>
        string.Create(4, name.ToArray(), static (text, bytes) =>
        {
            for (var i = 0; i < text.Length; i++) text[i] = bytes[i] is >= 32 and < 127 ? (char)bytes[i] : '?';
        });

    /// <summary>A file whose head is understood.</summary>
    private readonly ref struct Content(AudioInfo info, int bits, bool isFloat, ReadOnlySpan<byte> data)
    {
        public AudioInfo Info { get; } = info;

        private readonly int _bits = bits;
        private readonly bool _isFloat = isFloat;
        private readonly ReadOnlySpan<byte> _data = data;

        public void Deconstruct(out AudioInfo info, out int bits, out bool isFloat, out ReadOnlySpan<byte> data)
        {
            info = Info;
            bits = _bits;
            isFloat = _isFloat;
            data = _data;
        }
    }

    /// <summary>How the samples are written.</summary>
    private readonly record struct Head(int Channels, int Rate, int Bits, bool IsFloat)
    {
        public int BlockBytes => Channels * Bits / 8;

        public static Head Read(ReadOnlySpan<byte> part)
        {
            if (part.Length < 16) throw new AudioFormatException(AudioFault.Damaged, $"The part 'fmt ' has {part.Length} bytes, at least 16 are needed. Write the file again.");
            int format = BinaryPrimitives.ReadUInt16LittleEndian(part), channels = BinaryPrimitives.ReadUInt16LittleEndian(part[2..]);
            var rate = BinaryPrimitives.ReadUInt32LittleEndian(part[4..]);
            int block = BinaryPrimitives.ReadUInt16LittleEndian(part[12..]), bits = BinaryPrimitives.ReadUInt16LittleEndian(part[14..]);
            if (format == FormatExtensible)
            {
                if (part.Length < ExtensibleBytes)
                    throw new AudioFormatException(AudioFault.Damaged, $"The part 'fmt ' has {part.Length} bytes, an extensible one needs {ExtensibleBytes}. Write the file again.");
                format = part[26..].StartsWith(SubformatTail) ? BinaryPrimitives.ReadUInt16LittleEndian(part[24..]) : FormatExtensible;
            }

            if (format is not (FormatPcm or FormatFloat)) throw new AudioFormatException(AudioFault.Unsupported, $"The sound is packed as {NameOf(format)}, which is not supported. {Remedy}");
            if (channels is 0 or > ChannelsMax)
                throw new AudioFormatException(channels == 0 ? AudioFault.Damaged : AudioFault.Unsupported, $"The sound has {channels} channels, 1 to {ChannelsMax} can be read. {Remedy}");
            if (rate is < RateLeast or > RateMost)
                throw new AudioFormatException(AudioFault.Unsupported, $"The sound has {rate:N0} samples a second, {RateLeast:N0} to {RateMost:N0} can be read. Convert it, such as with: ffmpeg -i sound.wav -ar 16000 new.wav.");
            if (format == FormatPcm ? bits is not (8 or 16 or 24 or 32) : bits != 32)
                throw new AudioFormatException(AudioFault.Unsupported, $"The samples have {bits} bits{(format == FormatFloat ? " as floats" : "")}; 8, 16, 24 and 32 bits and floats of 32 can be read. {Remedy}");
            if (block != channels * bits / 8)
                throw new AudioFormatException(AudioFault.Damaged, $"The head contradicts itself: {channels} channels of {bits} bits are {channels * bits / 8} bytes, it says {block}. Write the file again.");
            return new Head(channels, (int)rate, bits, format == FormatFloat);
        }

        private static string NameOf(int format) => format switch
        {
            2 or 0x11 => "ADPCM",
            6 => "A-law",
            7 => "mu-law",
            0x50 or 0x55 => "MP3",
            0xFF or 0x1600 or 0x1602 => "AAC",
            _ => string.Create(CultureInfo.InvariantCulture, $"format {format:X4}"),
        };
    }
}
