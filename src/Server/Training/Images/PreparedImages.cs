using Atoll.Platform.Imaging;
using Atoll.Serving.Onnx;

namespace Atoll.Training.Images;

/// <summary>All images of a training at the network's size, [channels, height, width] bytes each.</summary>
internal sealed record PreparedImages(ImagePreparation Preparation, byte[][] Pixels)
{
    // To learn sizes from: enough images to tell, few enough bytes to hold at once.
    private const int SampleCountMax = 64;
    private const long SampleBytesMax = 256L << 20;

    // Up to here images are icons or digits, and every pixel counts.
    private const int SmallSide = 40;
    private const int LongestSideDefault = 96;

    public int Count => Pixels.Length;

    public int Channels => Preparation.Channels;

    public int Height => Preparation.Height;

    public int Width => Preparation.Width;

    /// <summary>Decodes every image once, chooses the network's size and brings the images to it.</summary>
    public static PreparedImages Read(
        ImageExamples examples, int? longestSide, ITrainingReport report, CancellationToken cancellationToken)
    {
        // Spread over all images, because they come ordered by label.
        var sample = new Dictionary<int, RgbImage>();
        long bytes = 0;
        var wanted = Math.Min(examples.Count, SampleCountMax);
        for (var i = 0; i < wanted && bytes < SampleBytesMax; i++)
        {
            var index = (int)((long)i * examples.Count / wanted);
            var image = Decode(examples, index);
            bytes += image.Pixels.Length;
            sample.Add(index, image);
        }
        var (height, width) = ChooseSize(sample.Values, longestSide);

        var colour = new ImagePreparation(height, width, IsGrey: false);
        using var session = colour.Load();
        using var prepared = OnnxTensor.Allocate<byte>(1, 3, height, width);
        var pixels = new byte[examples.Count][];
        var isGrey = true;
        for (var i = 0; i < pixels.Length; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!sample.Remove(i, out var image)) image = Decode(examples, i);
            using (var raw = OnnxTensor.Create<byte>(image.Pixels, 1, image.Height, image.Width, 3)) session.Run([raw], [prepared]);
            pixels[i] = prepared.Span<byte>().ToArray();
            isGrey &= IsGrey(pixels[i]);
            if ((i & 63) == 0) report.Progress("images", (double)i / pixels.Length);
        }
        report.Progress("images", 1);
        if (!isGrey) return new PreparedImages(colour, pixels);

        // Of equal colours the luma is the colour, so that one plane is what the grey preparation gives.
        for (var i = 0; i < pixels.Length; i++) pixels[i] = pixels[i][..(height * width)];
        return new PreparedImages(colour with { IsGrey = true }, pixels);
    }

    /// <summary>Mean and deviation of every channel over some of the images.</summary>
    public (float[] Means, float[] Deviations) Statistics(IReadOnlyList<int> indices)
    {
        var (means, deviations) = (new float[Channels], new float[Channels]);
        var plane = Height * Width;
        for (var channel = 0; channel < Channels; channel++)
        {
            long sum = 0, squares = 0;
            foreach (var index in indices)
            {
                foreach (var value in Pixels[index].AsSpan(channel * plane, plane))
                {
                    sum += value;
                    squares += value * value;
                }
            }
            var count = (double)indices.Count * plane;
            var mean = sum / count;
            means[channel] = (float)mean;
            // Images of one colour have no deviation to divide by.
            deviations[channel] = (float)Math.Max(1, Math.Sqrt(squares / count - mean * mean));
        }
        return (means, deviations);
    }

    private static RgbImage Decode(ImageExamples examples, int index)
    {
        try
        {
            var image = examples.Decode(index);
            if (image.Width > 0 && image.Height > 0 && image.Pixels.Length == 3L * image.Width * image.Height) return image;
            throw new InvalidDataException($"{image.Pixels.Length} bytes are no image of {image.Width} x {image.Height} pixels.");
        }
        catch (Exception exception) when (exception is not OperationCanceledException and not OutOfMemoryException)
        {
            throw new TrainingRefusedException($"Image {index} cannot be read: {exception.Message}", index, exception);
        }
    }

    /// <summary>The usual shape of the images, scaled down if it is large; square where shapes differ.</summary>
    private static (int Height, int Width) ChooseSize(IReadOnlyCollection<RgbImage> images, int? longestSide)
    {
        var ratios = images.Select(image => (double)image.Width / image.Height).Order().ToArray();
        var longest = images.Select(image => Math.Max(image.Width, image.Height)).Order().ElementAt(images.Count / 2);
        var ratio = ratios[ratios.Length / 2];
        var shapesDiffer = ratios[ratios.Length * 9 / 10] / ratios[ratios.Length / 10] > 1.25;
        var side = longestSide ?? (longest <= SmallSide ? Math.Max(longest, 8) : Math.Min(longest, LongestSideDefault));
        if (shapesDiffer) return (side, side);

        // Multiples of 8 stay whole through three halvings; a side is at least a quarter of the other.
        var shorter = Math.Max(ratio, 1 / ratio) is var factor && factor < 1.02
            ? side
            : Math.Clamp((int)Math.Round(side / factor / 8) * 8, Math.Max(8, side / 4), side);
        return ratio >= 1 ? (shorter, side) : (side, shorter);
    }

    private static bool IsGrey(ReadOnlySpan<byte> planar)
    {
        var plane = planar.Length / 3;
        var red = planar[..plane];
        return red.SequenceEqual(planar.Slice(plane, plane)) && red.SequenceEqual(planar.Slice(2 * plane, plane));
    }
}
