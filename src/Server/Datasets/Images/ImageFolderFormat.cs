using Atoll.Contracts;
using Atoll.Platform.Imaging;

namespace Atoll.Datasets;

/// <summary>Images in a zip file, one folder per label: a sample is the file as it was uploaded.</summary>
internal sealed class ImageFolderFormat : IDatasetFormat
{
    private static readonly ZipContent Content = new()
    {
        Noun = "image",
        NotOfKind = ImportProblemCodes.NotAnImage,
        Check = Check,
    };

    public string Type => DatasetTypes.Image;

    public DatasetSchema Import(IReadOnlyList<SourceFile> files, ImportSettings settings, SampleSink sink, CancellationToken cancellationToken)
    {
        LabelledZip.ImportAll(files, settings, sink, Content, cancellationToken);
        return new DatasetSchema();
    }

    public SampleResponse Describe(SampleResponse sample, ReadOnlySpan<byte> payload, DatasetSchema schema)
    {
        var info = ImageDecoder.Probe(payload, long.MaxValue);
        return sample with { Image = new ImageSize(info.Width, info.Height, NameOf(info.Format)) };
    }

    public string ContentType(ReadOnlySpan<byte> payload) => $"image/{NameOf(ImageSignature.Detect(payload))}";

    private static string NameOf(ImageFormat format) => format.ToString().ToLowerInvariant();

    private static Action? Check(byte[] bytes, string extension, Place place, SampleSink sink)
    {
        try
        {
            var info = ImageDecoder.Verify(bytes, sink.Settings.Limits.PixelsMax);
            if (!Fits(extension, info.Format))
            {
                sink.Warn(ImportProblemCodes.MisleadingExtension, $"The file is named {(extension.Length == 0 ? "without extension" : extension)} and holds {NameOf(info.Format)}; it was taken as what it is.", place);
            }

            return () =>
            {
                sink.ImageWidths.Add(info.Width);
                sink.ImageHeights.Add(info.Height);
                var format = NameOf(info.Format);
                sink.ImageFormats[format] = sink.ImageFormats.GetValueOrDefault(format) + 1;
            };
        }
        catch (ImageFormatException exception)
        {
            var code = exception.Fault switch
            {
                ImageFault.Empty => ImportProblemCodes.EmptyFile,
                ImageFault.NotAnImage => ImportProblemCodes.NotAnImage,
                ImageFault.Unsupported => ImportProblemCodes.UnsupportedImage,
                ImageFault.TooManyPixels => ImportProblemCodes.ImageTooLarge,
                _ => ImportProblemCodes.DamagedImage,
            };
            sink.Bad(code, exception.Message, place);
            return null;
        }
    }

    private static bool Fits(string extension, ImageFormat format) => format switch
    {
        ImageFormat.Jpeg => extension is ".jpg" or ".jpeg" or ".jpe" or ".jfif",
        ImageFormat.Png => extension == ".png",
        ImageFormat.Gif => extension == ".gif",
        ImageFormat.WebP => extension == ".webp",
        _ => extension is ".tif" or ".tiff",
    };
}
