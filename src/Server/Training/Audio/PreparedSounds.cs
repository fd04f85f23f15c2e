using System.Numerics.Tensors;
using Atoll.Platform.Audio;
using Atoll.Serving.Onnx;

namespace Atoll.Training.Audio;

/// <summary>The pictures of all sounds of a training, [bands, frames] each.</summary>
/// <param name="Pictures">In half precision: a hundred times finer than a person hears.</param>
internal sealed record PreparedSounds(SoundPreparation Preparation, Half[][] Pictures)
{
    private const int RateLow = 8_000, RateHigh = 16_000;

    // Telephones and what is like them; a higher rate would hold nothing more.
    private const int RateLowMost = 11_025;
    private const double RateShare = 0.9;

    // As much of a sound is seen as nearly all of them last.
    private const double LengthShare = 0.95;
    private const double SecondsLeast = 0.25, SecondsMost = 10;

    private const int FramesMost = 96;
    private const int SampleCountMax = 2_000;

    public int Count => Pictures.Length;

    /// <summary>Decodes sounds, chooses rate and length from them, and makes their pictures.</summary>
    public static PreparedSounds Read(SoundExamples examples, SoundParameters parameters, ITrainingReport report, CancellationToken cancellationToken)
    {
        var preparation = Choose(examples, parameters, cancellationToken);
        using var session = preparation.Load();
        var pictures = new Half[examples.Count][];
        for (var i = 0; i < pictures.Length; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var samples = Decode(examples, i, preparation.Rate);
            using var input = OnnxTensor.Create<float>(samples, 1, samples.Length);
            using var picture = session.Run(input)[0];
            pictures[i] = new Half[SoundPreparation.Bands * preparation.Frames];
            TensorPrimitives.ConvertToHalf(picture.Span<float>(), pictures[i]);
            if ((i & 63) == 0) report.Progress("sounds", (double)i / pictures.Length);
        }
        report.Progress("sounds", 1);
        return new PreparedSounds(preparation, pictures);
    }

    /// <summary>Mean and deviation over some of the pictures.</summary>
    public (float Mean, float Deviation) Statistics(IReadOnlyList<int> indices)
    {
        double sum = 0, squares = 0;
        long count = 0;
        foreach (var index in indices)
        {
            foreach (var value in Pictures[index])
            {
                sum += (float)value;
                squares += (double)(float)value * (float)value;
            }
            count += Pictures[index].Length;
        }
        var mean = sum / count;
        // Nothing but silence has no deviation to divide by.
        return ((float)mean, (float)Math.Sqrt(Math.Max(1e-4, squares / count - mean * mean)));
    }

    private static SoundPreparation Choose(SoundExamples examples, SoundParameters parameters, CancellationToken cancellationToken)
    {
        // Spread over all sounds, because they come ordered by label.
        var wanted = Math.Min(examples.Count, SampleCountMax);
        var (lengths, low) = (new double[wanted], 0);
        for (var i = 0; i < wanted; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var clip = Decode(examples, (int)((long)i * examples.Count / wanted));
            lengths[i] = (double)clip.Samples.Length / clip.Rate;
            if (clip.Rate <= RateLowMost) low++;
        }
        Array.Sort(lengths);
        var rate = parameters.Rate ?? (low >= RateShare * wanted ? RateLow : RateHigh);
        return SoundPreparation.For(rate, parameters.Seconds ?? Math.Clamp(lengths[(int)((wanted - 1) * LengthShare)], SecondsLeast, SecondsMost), FramesMost);
    }

    private static float[] Decode(SoundExamples examples, int index, int rate)
    {
        var clip = Decode(examples, index);
        return Resampler.Resample(clip.Samples, clip.Rate, rate);
    }

    private static AudioClip Decode(SoundExamples examples, int index)
    {
        try
        {
            return examples.Decode(index);
        }
        catch (AudioFormatException exception)
        {
            throw new TrainingRefusedException($"Sound {index} cannot be read: {exception.Message}", index, exception);
        }
    }
}
