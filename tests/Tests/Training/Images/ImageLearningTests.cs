using Atoll.Platform.Imaging;
using Atoll.Training;
using Atoll.Training.Images;
using Atoll.Training.Networks;

namespace Atoll.Tests.Training.Images;

/// <summary>The parts around the network: splits, variants of images, mirrors, rates and thresholds.</summary>
public class ImageLearningTests
{
    private const int Seed = 17;

    [Fact]
    public void Split_keeps_the_same_share_of_every_label_and_loses_nothing()
    {
        var labels = Enumerable.Range(0, 100).Select(i => (int[])[i < 70 ? 0 : i < 97 ? 1 : 2]).ToArray();
        var (train, validation) = StratifiedSplit.Make(labels, 0.1, Seed);

        Assert.Equal(Enumerable.Range(0, 100), train.Concat(validation).Order());
        Assert.Equal(7, validation.Count(i => labels[i][0] == 0));
        Assert.Equal(3, validation.Count(i => labels[i][0] == 1));
        // Three images of a label are too few to spare one.
        Assert.Equal(0, validation.Count(i => labels[i][0] == 2));
        Assert.Equal(validation, StratifiedSplit.Make(labels, 0.1, Seed).Validation);
        Assert.NotEqual(validation, StratifiedSplit.Make(labels, 0.1, Seed + 1).Validation);
    }

    [Theory]
    [InlineData(20, 20)]
    [InlineData(60, 44)]
    public void Variant_of_an_image_depends_on_its_seed_alone(int width, int height)
    {
        var images = Prepare(GeneratedImages.Noise(new Random(Seed), width, height));
        var augmentation = new ImageAugmentation(images, augment: true);
        byte[] Vary(ulong seed)
        {
            var target = new byte[images.Pixels[0].Length];
            augmentation.Vary(images.Pixels[0], target, mayMirror: true, new SplitMix64(seed));
            return target;
        }
        Assert.Equal(Vary(1), Vary(1));
        Assert.True(Enumerable.Range(0, 8).Select(i => Convert.ToHexString(Vary((ulong)i))).Distinct().Count() > 4);
    }

    [Fact]
    public void Without_augmentation_an_image_stays_as_it_is_or_is_mirrored()
    {
        var images = Prepare(GeneratedImages.Noise(new Random(Seed), 20, 18));
        var source = images.Pixels[0];
        var target = new byte[source.Length];
        var augmentation = new ImageAugmentation(images, augment: false);
        augmentation.Vary(source, target, mayMirror: false, new SplitMix64(1));
        Assert.Equal(source, target);

        var mirrored = 0;
        for (var seed = 0; seed < 100; seed++)
        {
            augmentation.Vary(source, target, mayMirror: true, new SplitMix64((ulong)seed));
            if (source.AsSpan().SequenceEqual(target)) continue;
            mirrored++;
            var width = images.Width;
            for (var i = 0; i < source.Length; i++) Assert.Equal(source[i / width * width + width - 1 - i % width], target[i]);
        }
        Assert.InRange(mirrored, 30, 70);
    }

    [Fact]
    public void Variant_of_a_flat_image_stays_flat()
    {
        // Whatever the crop, interpolation must not invent edges, nor overflow at the ends of the range.
        foreach (var value in (byte[])[0, 128, 255])
        {
            var pixels = new byte[60 * 50 * 3];
            Array.Fill(pixels, value);
            var images = Prepare(new RgbImage(60, 50, pixels), GeneratedImages.Noise(new Random(Seed), 60, 50));
            var target = new byte[images.Pixels[0].Length];
            for (var seed = 0; seed < 20; seed++)
            {
                new ImageAugmentation(images, augment: true).Vary(images.Pixels[0], target, mayMirror: true, new SplitMix64((ulong)seed));
                Assert.Single(target.Distinct());
            }
        }
    }

    [Fact]
    public void Mirrors_are_used_of_labels_that_look_alike_in_one_and_of_no_others()
    {
        // Stripes look alike in a mirror; wedges to the left and to the right are each other's mirror image.
        var random = new Random(Seed);
        var drawn = Enumerable.Range(0, 90).Select(i =>
        {
            if (i % 3 == 0) return GeneratedImages.Stripes(random, false, 16, 16);
            var pixels = new byte[16 * 16 * 3];
            for (var p = 0; p < pixels.Length; p++)
            {
                var x = p / 3 % 16;
                pixels[p] = (byte)((i % 3 == 1 ? x : 15 - x) * 12 + random.Next(40));
            }
            return new RgbImage(16, 16, pixels);
        }).ToArray();
        var labels = Enumerable.Range(0, drawn.Length).Select(i => (int[])[i % 3]).ToArray();
        var images = new LabelledImages(Prepare(drawn), labels, ["stripes", "right", "left"], IsMultiLabel: false);
        Assert.Equal([true, false, false], MirrorCheck.Examine(images, [.. Enumerable.Range(0, drawn.Length)], Seed));
    }

    [Theory]
    [InlineData(28, 28, 10_000, 64)]
    [InlineData(72, 96, 2_000, 64)]
    [InlineData(28, 28, 300, 32)]
    [InlineData(28, 28, 5, 8)]
    [InlineData(224, 224, 10_000, 8)]
    [InlineData(512, 512, 10_000, 8)]
    public void Batch_is_smaller_for_few_and_for_large_images(int height, int width, int count, int expected) => Assert.Equal(
        expected, ImageTrainer.ChooseBatch(count, new ConvolutionalNetwork(new ImagePreparation(height, width, IsGrey: false), 2, [0], [1])));

    [Fact]
    public void Learning_rate_climbs_to_its_peak_and_falls_to_zero()
    {
        Assert.Equal(0.0004f, LearningRateTriangle.At(0.004f, 0), 1e-6f);
        Assert.Equal(0.004f, LearningRateTriangle.At(0.004f, LearningRateTriangle.PeakAt), 1e-6f);
        Assert.Equal(0.002f, LearningRateTriangle.At(0.004f, (1 + LearningRateTriangle.PeakAt) / 2), 1e-6f);
        Assert.Equal(0, LearningRateTriangle.At(0.004f, 1));
        Assert.Equal(0, LearningRateTriangle.At(0.004f, 1.2));
    }

    [Fact]
    public void Threshold_lies_where_it_separates_a_label()
    {
        // Label 0 is separated at 0.3, label 1 never occurs.
        var (probabilities, labels) = (new List<float>(), new List<int[]>());
        for (var i = 0; i < 400; i++)
        {
            probabilities.AddRange([i % 2 == 0 ? 0.32f : 0.22f, 0.1f]);
            labels.Add(i % 2 == 0 ? [0] : []);
        }
        var thresholds = LabelThresholds.Choose(probabilities.ToArray(), labels, 2);
        Assert.InRange(thresholds[0], 0.22f, 0.32f);
        Assert.InRange(thresholds[1], 0.22f, 0.6f);
        Assert.Equal([0.5f, 0.5f], LabelThresholds.Choose([], [], 2));
    }

    private static PreparedImages Prepare(params RgbImage[] images) => PreparedImages.Read(
        new ImageExamples(images.Length, i => images[i], [.. images.Select(_ => (int[])[0])], ["one"]),
        null, new SilentTrainingReport(), CancellationToken.None);
}
