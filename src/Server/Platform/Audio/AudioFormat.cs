namespace Atoll.Platform.Audio;

/// <summary>What the head of a sound file says.</summary>
/// <param name="Rate">Samples a second.</param>
/// <param name="Channels">1 is mono, 2 stereo.</param>
/// <param name="Format">How a sample is written: <c>8</c>, <c>16</c>, <c>24</c> or <c>32</c> bits, or <c>float</c>.</param>
/// <param name="Frames">Samples of each channel.</param>
internal sealed record AudioInfo(int Rate, int Channels, string Format, int Frames)
{
    public double Seconds => (double)Frames / Rate;
}

/// <summary>A sound as one channel of samples, from -1 to 1.</summary>
internal sealed record AudioClip(int Rate, float[] Samples);

/// <summary>Why bytes could not be read as a sound.</summary>
internal enum AudioFault
{
    /// <summary>There are no bytes, or there is no sound in them.</summary>
    Empty,

    /// <summary>The bytes are no sound of any format known here.</summary>
    NotAudio,

    /// <summary>A sound in a format that is refused.</summary>
    Unsupported,

    /// <summary>The file is cut off, or what it holds contradicts its head.</summary>
    Damaged,

    /// <summary>It lasts longer than allowed.</summary>
    TooLong,
}

/// <summary>The bytes of a person's sound cannot be used; the message says why in words fit for that person.</summary>
internal sealed class AudioFormatException(AudioFault fault, string message) : Exception(message)
{
    public AudioFault Fault { get; } = fault;
}
