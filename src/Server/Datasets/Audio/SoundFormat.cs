using Atoll.Contracts;
using Atoll.Platform.Audio;

namespace Atoll.Datasets;

/// <summary>Sounds in a zip file, one folder per label or with a list of labels: a sample is the wav file as it was uploaded.</summary>
internal sealed class SoundFormat : IDatasetFormat
{
    private static readonly ZipContent Content = new()
    {
        Noun = "sound",
        NotOfKind = ImportProblemCodes.NotAudio,
        TakesList = true,
        Check = Check,
    };

    public string Type => DatasetTypes.Audio;

    public DatasetSchema Import(IReadOnlyList<SourceFile> files, ImportSettings settings, SampleSink sink, CancellationToken cancellationToken)
    {
        LabelledZip.ImportAll(files, settings, sink, Content, cancellationToken);
        return new DatasetSchema();
    }

    public SampleResponse Describe(SampleResponse sample, ReadOnlySpan<byte> payload, DatasetSchema schema)
    {
        var info = WavFile.Probe(payload, double.MaxValue);
        return sample with { Audio = new SoundShape(info.Seconds, info.Rate, info.Channels, info.Format) };
    }

    public string ContentType(ReadOnlySpan<byte> payload) => "audio/wav";

    private static Action? Check(byte[] bytes, string extension, Place place, SampleSink sink)
    {
        try
        {
            // All of it, so that what is taken can be learned from.
            var info = WavFile.Probe(bytes, sink.Settings.Limits.AudioSecondsMax);
            var clip = WavFile.Decode(bytes, sink.Settings.Limits.AudioSecondsMax);
            if (extension is not (".wav" or ".wave"))
                sink.Warn(ImportProblemCodes.MisleadingExtension, $"The file is named {(extension.Length == 0 ? "without extension" : extension)} and holds a wav file; it was taken as what it is.", place);
            if (Array.TrueForAll(clip.Samples, sample => sample == clip.Samples[0]))
                sink.Warn(ImportProblemCodes.SilentAudio, "There is nothing to hear: all samples are equal. Take it out, unless silence is what the label means.", place);

            return () =>
            {
                sink.AudioSeconds.Add(info.Seconds);
                var rate = $"{info.Rate}";
                sink.AudioRates[rate] = sink.AudioRates.GetValueOrDefault(rate) + 1;
            };
        }
        catch (AudioFormatException exception)
        {
            var code = exception.Fault switch
            {
                AudioFault.Empty => ImportProblemCodes.EmptyFile,
                AudioFault.NotAudio => ImportProblemCodes.NotAudio,
                AudioFault.Unsupported => ImportProblemCodes.UnsupportedAudio,
                AudioFault.TooLong => ImportProblemCodes.AudioTooLong,
                _ => ImportProblemCodes.DamagedAudio,
            };
            sink.Bad(code, exception.Message, place);
            return null;
        }
    }
}
