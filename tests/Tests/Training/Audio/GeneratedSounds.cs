using Atoll.Platform.Audio;
using Atoll.Training;

namespace Atoll.Tests.Training.Audio;

/// <summary>Sounds that are made, with the label that they were made for.</summary>
internal static class GeneratedSounds
{
    public static readonly string[] Names = ["fall", "rise", "steady"];

    /// <summary>A tone that falls, rises or stays, of random height, length, loudness and place, over a little noise.</summary>
    public static AudioClip Make(Random random, int label, int rate = 8_000)
    {
        var count = (int)(rate * (0.2 + 0.15 * random.NextDouble()));
        var (height, loudness, first) = (500 + 700 * random.NextDouble(), 0.1 + 0.6 * random.NextDouble(), (int)(0.2 * random.NextDouble() * count));
        var slope = label == 2 ? 1 : label == 1 ? 2 : 0.5;
        var samples = new float[count];
        var phase = 0.0;
        for (var i = 0; i < count; i++)
        {
            var done = (double)i / count;
            phase += 2 * Math.PI * height * Math.Pow(slope, 2 * done - 1) / rate;
            samples[i] = (float)((i >= first ? loudness * Math.Sin(phase) : 0) + 0.002 * (random.NextDouble() - 0.5));
        }
        return new AudioClip(rate, samples);
    }

    /// <summary>As many of every label, at several rates.</summary>
    public static SoundExamples Examples(int seed, int count)
    {
        var random = new Random(seed);
        var clips = Enumerable.Range(0, count).Select(i => Make(random, i % Names.Length, i % 5 == 0 ? 11_025 : 8_000)).ToArray();
        return new SoundExamples(count, i => clips[i], [.. Enumerable.Range(0, count).Select(i => (int[])[i % Names.Length])], Names);
    }
}
