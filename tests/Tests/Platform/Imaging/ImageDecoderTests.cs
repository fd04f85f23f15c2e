using System.Diagnostics;
using Atoll.Platform.Imaging;

namespace Atoll.Tests.Platform.Imaging;

public sealed class ImageDecoderTests
{
    private static readonly int[] Red = [255, 0, 0];
    private static readonly int[] Blue = [0, 0, 255];

    public static TheoryData<string> Formats => ["Jpeg", "WebP", "Tiff", "MovingGif"];

    [Theory]
    [MemberData(nameof(Formats))]
    public void Every_format_gives_the_picture_that_was_stored(string name)
    {
        var bytes = File(name);
        var expected = name switch { "WebP" => ImageFormat.WebP, "Tiff" => ImageFormat.Tiff, "MovingGif" => ImageFormat.Gif, _ => ImageFormat.Jpeg };

        Assert.Equal(new ImageInfo(expected, 16, 8), ImageDecoder.Probe(bytes));
        var image = ImageDecoder.Decode(bytes);

        Assert.Equal((16, 8, 16 * 8 * 3), (image.Width, image.Height, image.Pixels.Length));
        AssertColour(image, 2, 2, Red, tolerance: 6);
        AssertColour(image, 13, 6, Blue, tolerance: 6);
    }

    [Fact]
    public void A_picture_that_asks_to_be_turned_is_turned()
    {
        Assert.Equal(new ImageInfo(ImageFormat.Jpeg, 8, 16), ImageDecoder.Probe(TestImages.JpegTurnedRight));

        var image = ImageDecoder.Decode(TestImages.JpegTurnedRight);

        Assert.Equal((8, 16), (image.Width, image.Height));
        AssertColour(image, 4, 2, Red, tolerance: 8);
        AssertColour(image, 4, 13, Blue, tolerance: 8);
    }

    [Fact]
    public void Four_inks_become_three_lights()
    {
        var image = ImageDecoder.Decode(TestImages.CmykJpeg);

        Assert.Equal(16 * 8 * 3, image.Pixels.Length);
        var (left, right) = (Pixel(image, 2, 4), Pixel(image, 13, 4));
        Assert.True(left[0] > 150 && left[0] > left[2] + 80, string.Join(",", left));
        Assert.True(right[2] > right[0] + 30, string.Join(",", right));
    }

    [Theory]
    [InlineData(1, 8)]
    [InlineData(1, 16)]
    [InlineData(3, 16)]
    public void Grey_and_deep_pictures_become_eight_bit_rgb(int channels, int bits)
    {
        var image = ImageDecoder.Decode(TestImages.Png(5, 3, channels, (x, _) => Enumerable.Repeat((byte)(x * 50), channels).ToArray(), bits));

        Assert.Equal((5, 3, 45), (image.Width, image.Height, image.Pixels.Length));
        for (int x = 0; x < 5; x++) AssertColour(image, x, 1, [x * 50, x * 50, x * 50], tolerance: 1);
    }

    [Fact]
    public void Transparency_is_laid_over_white()
    {
        var image = ImageDecoder.Decode(TestImages.Png(3, 1, 4, (x, _) => [200, 0, 0, (byte)(x * 127.5)]));

        AssertColour(image, 0, 0, [255, 255, 255], tolerance: 0);
        AssertColour(image, 1, 0, [228, 128, 128], tolerance: 2);
        AssertColour(image, 2, 0, [200, 0, 0], tolerance: 0);
    }

    [Fact]
    public void Pixels_are_exact_when_the_format_is()
    {
        var image = ImageDecoder.Decode(TestImages.Png(7, 9, 3, (x, y) => [(byte)(x * 30), (byte)(y * 25), (byte)(x * y)]));

        for (int y = 0; y < 9; y++)
        {
            for (int x = 0; x < 7; x++) AssertColour(image, x, y, [x * 30, y * 25, x * y], tolerance: 0);
        }
    }

    public static TheoryData<string, string> Refusals => new()
    {
        { "empty", nameof(ImageFault.Empty) },
        { "text", nameof(ImageFault.NotAnImage) },
        { "svg", nameof(ImageFault.Unsupported) },
        { "pdf", nameof(ImageFault.Unsupported) },
        { "bmp", nameof(ImageFault.Unsupported) },
        { "avif", nameof(ImageFault.Unsupported) },
        { "jpeg head only", nameof(ImageFault.Damaged) },
        { "half a jpeg", nameof(ImageFault.Damaged) },
        { "half a png", nameof(ImageFault.Damaged) },
        { "half a gif", nameof(ImageFault.Damaged) },
        { "half a webp", nameof(ImageFault.Damaged) },
        { "half a tiff", nameof(ImageFault.Damaged) },
        { "png that lies about its size", nameof(ImageFault.Damaged) },
        { "png that announces too much", nameof(ImageFault.TooManyPixels) },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public void What_cannot_be_read_is_refused_with_its_reason(string what, string fault)
    {
        var png = TestImages.SolidPng(1, 2, 3, 32);
        byte[] bytes = what switch
        {
            "empty" => [],
            "text" => "name,value\n1,2\n"u8.ToArray(),
            "svg" => "<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"/>"u8.ToArray(),
            "pdf" => "%PDF-1.7\n"u8.ToArray(),
            "bmp" => [.. "BM"u8, .. new byte[60]],
            "avif" => TestImages.Avif,
            "jpeg head only" => TestImages.Jpeg[..20],
            "half a jpeg" => TestImages.Jpeg[..(TestImages.Jpeg.Length - 30)],
            "half a png" => png[..(png.Length - 30)],
            "half a gif" => TestImages.MovingGif[..30],
            "half a webp" => TestImages.WebP[..30],
            "half a tiff" => TestImages.Tiff[..40],
            "png that lies about its size" => TestImages.PngOf(500, 500, 3, 8, png[41..^16]),
            _ => TestImages.PngOf(30_000, 30_000, 3, 8, [1, 2, 3]),
        };

        var refused = Assert.Throws<ImageFormatException>(() => ImageDecoder.Decode(bytes));
        Assert.Equal(fault, refused.Fault.ToString());
        Assert.EndsWith(".", refused.Message);
    }

    [Fact]
    public void The_limit_on_pixels_is_checked_before_decoding()
    {
        var bytes = TestImages.SolidPng(9, 9, 9, 10);

        Assert.Equal(100, ImageDecoder.Decode(bytes, pixelsMax: 100).Pixels.Length / 3);
        Assert.Equal(ImageFault.TooManyPixels, Assert.Throws<ImageFormatException>(() => ImageDecoder.Probe(bytes, pixelsMax: 99)).Fault);
    }

    [Fact]
    public void Damaged_bytes_never_do_more_than_raise_a_format_exception()
    {
        const int Seed = 20261;
        var random = new Random(Seed);
        byte[][] originals =
            [TestImages.Jpeg, TestImages.JpegTurnedRight, TestImages.WebP, TestImages.Tiff, TestImages.MovingGif, TestImages.CmykJpeg, TestImages.SolidPng(1, 2, 3)];
        int refused = 0, read = 0;
        for (int round = 0; round < 1500; round++)
        {
            var bytes = originals[random.Next(originals.Length)].ToArray();
            for (int change = random.Next(1, 6); change > 0; change--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            if (random.Next(3) == 0) bytes = bytes[..random.Next(bytes.Length)];
            try
            {
                var image = ImageDecoder.Decode(bytes, pixelsMax: 1_000_000);
                Assert.Equal(image.Width * image.Height * 3, image.Pixels.Length);
                read++;
            }
            catch (ImageFormatException)
            {
                refused++;
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"seed {Seed}: {read} read, {refused} refused");
        Assert.True(read > 0 && refused > 0);
    }

    [Fact]
    public void Thousands_of_decodes_on_several_threads_leave_no_memory_behind()
    {
        var large = TestImages.Png(160, 160, 4, (x, y) => [(byte)x, (byte)y, 7, 200]);
        byte[][] files = [large, TestImages.Jpeg, TestImages.JpegTurnedRight, TestImages.CmykJpeg, TestImages.WebP, large[..(large.Length / 2)]];

        Run(200);
        long before = Resident();
        Run(3000);
        long grown = Resident() - before;

        // One leaked image of 160 x 160 in each round would be more than 200 MB.
        Assert.True(grown < 60_000_000, $"grew by {grown / 1_000_000} MB");

        void Run(int rounds) => Parallel.For(0, rounds, new ParallelOptions { MaxDegreeOfParallelism = 4 }, round =>
        {
            try
            {
                ImageDecoder.Decode(files[round % files.Length]);
            }
            catch (ImageFormatException)
            {
                Assert.Equal(files.Length - 1, round % files.Length);
            }
        });
    }

    private static long Resident()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    private static byte[] File(string name) => name switch
    {
        "WebP" => TestImages.WebP,
        "Tiff" => TestImages.Tiff,
        "MovingGif" => TestImages.MovingGif,
        _ => TestImages.Jpeg,
    };

    private static int[] Pixel(RgbImage image, int x, int y) => [.. image.Pixels.AsSpan(((y * image.Width) + x) * 3, 3).ToArray().Select(value => (int)value)];

    private static void AssertColour(RgbImage image, int x, int y, int[] expected, int tolerance)
    {
        var actual = Pixel(image, x, y);
        for (int channel = 0; channel < 3; channel++)
        {
            Assert.True(Math.Abs(expected[channel] - actual[channel]) <= tolerance, $"({x},{y}): {string.Join(",", actual)} instead of {string.Join(",", expected)}");
        }
    }
}
