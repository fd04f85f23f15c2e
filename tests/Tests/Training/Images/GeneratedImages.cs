using Atoll.Platform.Imaging;
using Atoll.Training;

namespace Atoll.Tests.Training.Images;

/// <summary>Images that are drawn, with the label that they were drawn for.</summary>
internal static class GeneratedImages
{
    public static readonly string[] Directions = ["level", "upright"];

    /// <summary>Stripes of random width, place and strength over noise; grey.</summary>
    public static RgbImage Stripes(Random random, bool areUpright, int width, int height)
    {
        var pixels = new byte[width * height * 3];
        var (period, phase) = (width * (0.2 + 0.1 * random.NextDouble()), random.NextDouble() * 6.3);
        for (var y = 0; y < height; y++)
        for (var x = 0; x < width; x++)
        {
            var value = 128 + 70 * Math.Sin((areUpright ? x : y) * 6.283 / period + phase) + 40 * (random.NextDouble() - 0.5);
            pixels.AsSpan((y * width + x) * 3, 3).Fill((byte)Math.Clamp(value, 0, 255));
        }
        return new RgbImage(width, height, pixels);
    }

    /// <summary>Alternating level and upright stripes.</summary>
    public static ImageExamples Stripes(int seed, int count, int width = 16, int height = 16)
    {
        var random = new Random(seed);
        var images = Enumerable.Range(0, count).Select(i => Stripes(random, i % 2 == 1, width, height)).ToArray();
        return new ImageExamples(count, i => images[i], [.. Enumerable.Range(0, count).Select(i => (int[])[i % 2])], Directions);
    }

    /// <summary>A dark image with a red square for label 0, a blue one for label 1, both, or none.</summary>
    public static ImageExamples Squares(int seed, int count, int side = 16)
    {
        var random = new Random(seed);
        var labels = Enumerable.Range(0, count).Select(i => (int[])((i % 4) switch { 0 => [], 1 => [0], 2 => [1], _ => [0, 1] })).ToArray();
        var images = Array.ConvertAll(labels, set =>
        {
            var pixels = new byte[side * side * 3];
            for (var i = 0; i < pixels.Length; i++) pixels[i] = (byte)random.Next(60);
            foreach (var label in set)
            {
                var (top, left) = (random.Next(side - 6), random.Next(side - 6));
                for (var y = top; y < top + 6; y++)
                for (var x = left; x < left + 6; x++)
                    pixels[(y * side + x) * 3 + 2 * label] = 230;
            }
            return new RgbImage(side, side, pixels);
        });
        return new ImageExamples(count, i => images[i], labels, ["red", "blue"]);
    }

    public static RgbImage Noise(Random random, int width, int height)
    {
        var pixels = new byte[width * height * 3];
        random.NextBytes(pixels);
        return new RgbImage(width, height, pixels);
    }
}
