using Atoll.Platform.Imaging;
using Atoll.Serving.Onnx;
using Atoll.Training;
using Atoll.Training.Autodiff;
using Atoll.Training.Images;

namespace Atoll.Tests.Training.Images;

/// <summary>How images come to the network's size, and that learning and serving do it alike.</summary>
public class PreparedImagesTests
{
    private const int Seed = 11;

    [Theory]
    [InlineData(28, 28, null, 28, 28)]
    [InlineData(160, 120, null, 96, 72)]
    [InlineData(120, 160, null, 72, 96)]
    [InlineData(64, 64, null, 64, 64)]
    [InlineData(1000, 10, null, 96, 24)]
    [InlineData(160, 120, 64, 64, 48)]
    public void Network_size_follows_the_images(int width, int height, int? size, int expectedWidth, int expectedHeight)
    {
        var images = Read([.. Enumerable.Range(0, 3).Select(i => GeneratedImages.Noise(new Random(i), width, height))], size);
        Assert.Equal((expectedWidth, expectedHeight), (images.Width, images.Height));
    }

    [Fact]
    public void Network_size_is_square_when_shapes_differ()
    {
        var images = Read([.. Enumerable.Range(0, 10).Select(i => GeneratedImages.Noise(new Random(i), i % 2 == 0 ? 160 : 120, i % 2 == 0 ? 120 : 160))]);
        Assert.Equal((96, 96), (images.Width, images.Height));
    }

    [Fact]
    public void Images_are_grey_only_if_all_of_them_are()
    {
        var random = new Random(Seed);
        var grey = GeneratedImages.Stripes(random, true, 16, 16);
        Assert.Equal(1, Read([grey, grey]).Channels);
        Assert.Equal(3, Read([grey, GeneratedImages.Noise(random, 16, 16)]).Channels);
    }

    [Fact]
    public void Every_image_is_decoded_once()
    {
        var counts = new int[200];
        var image = GeneratedImages.Noise(new Random(Seed), 16, 16);
        Read(new ImageExamples(counts.Length, i => { counts[i]++; return image; }, [.. counts.Select(_ => (int[])[0])], ["one"]));
        Assert.All(counts, count => Assert.Equal(1, count));
    }

    [Fact]
    public void Image_of_the_network_size_is_not_changed()
    {
        var image = GeneratedImages.Noise(new Random(Seed), 20, 20);
        var pixels = Read([image]).Pixels[0];
        for (var i = 0; i < image.Pixels.Length; i++) Assert.Equal(image.Pixels[i], pixels[i % 3 * 400 + i / 3]);
    }

    [Fact]
    public void Shrinking_takes_every_pixel_into_account()
    {
        // A fine checkerboard is grey from afar; without antialiasing it would come out black or white.
        var image = new RgbImage(256, 256, new byte[256 * 256 * 3]);
        for (var i = 0; i < image.Pixels.Length; i++) image.Pixels[i] = (byte)((i / 3 % 256 + i / 3 / 256) % 2 * 255);
        Assert.All(Read([image], 16).Pixels[0], value => Assert.InRange(value, 118, 137));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Served_model_sees_the_pixels_that_were_learned_from(bool areGrey)
    {
        var random = new Random(Seed);
        var raw = Enumerable.Range(0, 6)
            .Select(i => areGrey ? GeneratedImages.Stripes(random, i % 2 == 0, 150 + i, 110) : GeneratedImages.Noise(random, 150 + i, 110)).ToArray();
        var images = Read(raw);
        Assert.Equal(areGrey ? 1 : 3, images.Channels);
        using var session = images.Preparation.Load();
        for (var i = 0; i < raw.Length; i++)
        {
            using var input = OnnxTensor.Create<byte>(raw[i].Pixels, 1, raw[i].Height, raw[i].Width, 3);
            using var prepared = session.Run(input)[0];
            Assert.True(prepared.Span<byte>().SequenceEqual(images.Pixels[i]), $"Image {i} was prepared in two ways.");
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Exported_model_gives_raw_images_the_probabilities_that_were_measured(bool areGrey)
    {
        const int count = 8;
        var random = new Random(Seed);
        var raw = Enumerable.Range(0, count)
            .Select(i => areGrey ? GeneratedImages.Stripes(random, i % 2 == 0, 60, 45) : GeneratedImages.Noise(random, 60, 45)).ToArray();
        var labels = Enumerable.Range(0, count).Select(i => (int[])[i % 3]).ToArray();
        int[] indices = [.. Enumerable.Range(0, count)];
        var images = Read(raw);
        var labelled = new LabelledImages(images, labels, ["a", "b", "c"], IsMultiLabel: false);
        var (means, deviations) = images.Statistics(indices);
        var network = new ConvolutionalNetwork(images.Preparation, 3, means, deviations);
        var batches = new ImageBatches(labelled, indices, new ImageAugmentation(images, true), [true, false, true], count, 2, Seed);
        using var training = new NetworkTraining(tape => batches.Loss(tape, network), new AdamSettings(), 2, Seed);
        for (var step = 0; step < 4; step++) training.Step(0.003f, shard => batches.Fill(training, shard, 0));

        var measured = ImageMeasurement.Take(network, training.Snapshot(), labelled, indices, threads: 2);
        using var session = OnnxSession.Load(ImageModel.Write(network, training.Snapshot(), labelled.LabelNames, thresholds: null));
        using var input = OnnxTensor.Create<byte>([.. raw.SelectMany(image => image.Pixels)], count, 45, 60, 3);
        var outputs = session.Run(input);
        var probabilities = outputs[1].Span<float>();
        for (var i = 0; i < probabilities.Length; i++) Assert.Equal(measured.Probabilities[i], probabilities[i], 1e-5f);
        for (var i = 0; i < count; i++)
        {
            var row = measured.Probabilities.AsSpan(i * 3, 3).ToArray();
            Assert.Equal("abc"[Array.IndexOf(row, row.Max())].ToString(), outputs[0].ToStrings()[i]);
        }
        foreach (var output in outputs) output.Dispose();
    }

    private static PreparedImages Read(RgbImage[] images, int? size = null) =>
        Read(new ImageExamples(images.Length, i => images[i], [.. images.Select(_ => (int[])[0])], ["one"]), size);

    private static PreparedImages Read(ImageExamples examples, int? size = null) =>
        PreparedImages.Read(examples, size, new SilentTrainingReport(), CancellationToken.None);
}
