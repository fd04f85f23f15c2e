namespace Atoll.Training.Audio;

/// <summary>Random variants of a sound's picture, as another voice, room or microphone might have made it.</summary>
internal sealed class SoundAugmentation(int bands, int frames, float hidden)
{
    private const float StretchMost = 1.15f;
    private const float BandsMost = 2;
    private const float ShiftShare = 0.1f;
    private const float HiddenShare = 0.15f;

    // In nepers of power: 1.4 are 6 dB.
    private const float TiltMost = 1.4f;
    private const float NoiseLeast = -14, NoiseMost = -5;

    /// <summary>Writes a variant of <paramref name="source"/>; both are [bands, frames], from <see cref="SoundPreparation.Floor"/> to 0.</summary>
    public void Vary(ReadOnlySpan<float> source, Span<float> target, SplitMix64 random)
    {
        Move(source, target, ref random);
        if (random.Next(2) == 0) Drown(target, ref random);

        // A part is hidden as the mean, which is nothing to the network.
        if (random.Next(2) == 0) Hide(target, ref random, inTime: true);
        if (random.Next(2) == 0) Hide(target, ref random, inTime: false);
    }

    /// <summary>Earlier or later, faster or slower, higher or lower, and with a slope of the gain over the bands.</summary>
    private void Move(ReadOnlySpan<float> source, Span<float> target, ref SplitMix64 random)
    {
        var speed = MathF.Pow(StretchMost, Signed(ref random));
        var shift = ShiftShare * frames * Signed(ref random);
        var higher = BandsMost * Signed(ref random);
        var tilt = TiltMost * Signed(ref random);
        var middle = (frames - 1) / 2f;
        for (var band = 0; band < bands; band++)
        {
            // Beyond the highest and lowest band there is what is in them.
            var place = Math.Clamp(band - higher, 0, bands - 1);
            var low = Math.Min((int)place, bands - 2);
            var share = place - low;
            var gain = tilt * (2f * band / (bands - 1) - 1);
            for (var frame = 0; frame < frames; frame++)
            {
                var time = middle + (frame - middle) * speed - shift;
                var value = At(source, low, time) * (1 - share) + At(source, low + 1, time) * share;
                target[band * frames + frame] = value <= SoundPreparation.Floor ? value : Math.Clamp(value + gain, SoundPreparation.Floor, 0);
            }
        }
    }

    /// <summary>Between two frames; silence before and after.</summary>
    private float At(ReadOnlySpan<float> source, int band, float time)
    {
        var first = (int)MathF.Floor(time);
        var share = time - first;
        var before = first >= 0 && first < frames ? source[band * frames + first] : SoundPreparation.Floor;
        var after = first + 1 >= 0 && first + 1 < frames ? source[band * frames + first + 1] : SoundPreparation.Floor;
        return before + (after - before) * share;
    }

    /// <summary>Adds noise: the power of a band of it has an exponential distribution.</summary>
    private static void Drown(Span<float> target, ref SplitMix64 random)
    {
        var level = MathF.Exp(NoiseLeast + (NoiseMost - NoiseLeast) * (float)random.NextDouble());
        foreach (ref var value in target)
            value = Math.Min(0, MathF.Log(MathF.Exp(value) - level * MathF.Log(1 - (float)random.NextDouble() * 0.9999f)));
    }

    private void Hide(Span<float> target, ref SplitMix64 random, bool inTime)
    {
        var all = inTime ? frames : bands;
        var length = 1 + random.Next(Math.Max(1, (int)(HiddenShare * all)));
        var first = random.Next(all - length + 1);
        for (var i = first; i < first + length; i++)
        {
            if (!inTime) target.Slice(i * frames, frames).Fill(hidden);
            else for (var band = 0; band < bands; band++) target[band * frames + i] = hidden;
        }
    }

    private static float Signed(ref SplitMix64 random) => (float)random.NextDouble() * 2 - 1;
}
