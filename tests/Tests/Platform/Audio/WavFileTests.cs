using Atoll.Platform.Audio;

namespace Atoll.Tests.Platform.Audio;

/// <summary>Wav files of every kind that is read give the samples that were written; any damage ends in a message.</summary>
public sealed class WavFileTests
{
    private static readonly float[] Samples = [0, 0.5f, -0.5f, 0.25f, -1, 0.75f];

    [Theory]
    [InlineData(8, TestWav.Pcm, 1 / 128f)]
    [InlineData(16, TestWav.Pcm, 1 / 32_768f)]
    [InlineData(24, TestWav.Pcm, 1e-6f)]
    [InlineData(32, TestWav.Pcm, 1e-7f)]
    [InlineData(32, TestWav.Float, 0f)]
    [InlineData(16, TestWav.Extensible, 1 / 32_768f)]
    [InlineData(24, TestWav.Extensible, 1e-6f)]
    public void Samples_of_every_width_are_what_was_written(int bits, int format, float error)
    {
        var clip = WavFile.Decode(TestWav.Of(22_050, 1, bits, format, Samples));

        Assert.Equal(22_050, clip.Rate);
        Assert.Equal(Samples.Length, clip.Samples.Length);
        for (var i = 0; i < Samples.Length; i++) Assert.InRange(clip.Samples[i], Samples[i] - error, Samples[i] + error);
    }

    [Fact]
    public void Floats_in_an_extensible_head_are_floats()
    {
        var file = TestWav.File(
            TestWav.Part("fmt ", TestWav.Head(48_000, 1, 32, TestWav.Extensible, subformat: TestWav.Float)), TestWav.Part("data", TestWav.Data(Samples, 32, TestWav.Float)));

        Assert.Equal(Samples, WavFile.Decode(file).Samples);
        Assert.Equal(new AudioInfo(48_000, 1, "float", 6), WavFile.Probe(file));
    }

    [Theory]
    [InlineData(8)]
    [InlineData(16)]
    [InlineData(24)]
    [InlineData(32)]
    public void Channels_are_mixed_to_their_mean(int bits)
    {
        var clip = WavFile.Decode(TestWav.Of(8_000, 2, bits, TestWav.Pcm, 0.5f, 0.25f, -0.5f, -0.25f, 0, 0.5f));

        Assert.Equal(3, clip.Samples.Length);
        Assert.Equal([0.375f, -0.375f, 0.25f], clip.Samples);
        Assert.Equal(2, WavFile.Probe(TestWav.Of(8_000, 2, bits, TestWav.Pcm, 0, 0)).Channels);
    }

    [Fact]
    public void Other_parts_of_any_length_are_passed_over()
    {
        var file = TestWav.File(
            TestWav.Part("LIST", new byte[7]), TestWav.Part("fmt ", [.. TestWav.Head(8_000, 1, 16, TestWav.Pcm), 0, 0]), TestWav.Part("fact", new byte[4]), TestWav.Part("odd ", [1]),
            TestWav.Part("data", TestWav.Data(Samples, 16, TestWav.Pcm)), TestWav.Part("id3 ", new byte[33]), [1, 2, 3]);

        Assert.Equal(Samples.Length, WavFile.Decode(file).Samples.Length);
    }

    [Fact]
    public void A_length_that_was_not_known_is_the_rest_of_the_file()
    {
        var file = TestWav.File(TestWav.Part("fmt ", TestWav.Head(8_000, 1, 16, TestWav.Pcm)), TestWav.Part("data", [.. TestWav.Data(Samples, 16, TestWav.Pcm), 9], uint.MaxValue));

        Assert.Equal(Samples.Length, WavFile.Decode(file[..^1]).Samples.Length);
    }

    [Fact]
    public void Sounds_are_as_long_as_they_may_be_and_no_longer()
    {
        Assert.Equal(16_000, WavFile.Decode(TestWav.Tone(440, seconds: 2), 2).Samples.Length);
        Assert.Equal(AudioFault.TooLong, Assert.Throws<AudioFormatException>(() => WavFile.Probe(TestWav.Tone(440, seconds: 2.01), 2)).Fault);
    }

    [Fact]
    public void Any_damage_ends_in_samples_or_a_message_and_nothing_else()
    {
        const int Seed = 40404;
        var random = new Random(Seed);
        byte[][] originals =
        [
            TestWav.Of(8_000, 1, 16, TestWav.Pcm, Samples), TestWav.Of(44_100, 2, 24, TestWav.Extensible, Samples), TestWav.Of(16_000, 1, 32, TestWav.Float, Samples),
            TestWav.File(TestWav.Part("LIST", new byte[9]), TestWav.Part("fmt ", TestWav.Head(8_000, 1, 8, TestWav.Pcm)), TestWav.Part("data", TestWav.Data(Samples, 8, TestWav.Pcm))),
        ];
        int taken = 0, refused = 0;
        for (var round = 0; round < 40_000; round++)
        {
            var bytes = originals[round % originals.Length].ToArray();
            for (var change = random.Next(1, 5); change > 0; change--) bytes[random.Next(bytes.Length)] = random.Next(3) == 0 ? (byte)0xFF : (byte)random.Next(256);
            if (random.Next(4) == 0) bytes = bytes[..random.Next(bytes.Length)];
            try
            {
                var clip = WavFile.Decode(bytes);
                Assert.True(clip.Samples.Length > 0 && clip.Samples.All(float.IsFinite) && clip.Rate is >= WavFile.RateLeast and <= WavFile.RateMost, $"seed {Seed}, round {round}");
                taken++;
            }
            catch (AudioFormatException refusal)
            {
                Assert.EndsWith(".", refusal.Message);
                refused++;
            }
            catch (Exception failure) when (failure is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"seed {Seed}, round {round}: {failure}");
            }
        }

        Assert.True(taken > 1_000 && refused > 1_000, $"seed {Seed}: {taken} taken, {refused} refused");
    }
}
