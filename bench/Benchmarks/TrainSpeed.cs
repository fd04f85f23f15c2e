using System.Diagnostics;
using System.Globalization;
using Atoll.Serving.Onnx;
using Atoll.Training;
using Atoll.Training.Autodiff;
using Atoll.Training.Images;

namespace Atoll.Benchmarks;

/// <summary>Images a second through the training graphs, steps of batch 64, random variants of the images included.</summary>
internal static class TrainSpeed
{
    private const int Batch = 64;
    private static readonly (int Height, int Width, bool IsGrey)[] Sizes = [(28, 28, true), (32, 32, false), (72, 96, false)];

    public static bool Run()
    {
        Console.WriteLine("| image | shards | weights | ms a step | images a second |");
        Console.WriteLine("|---|---|---|---|---|");
        foreach (var (height, width, isGrey) in Sizes)
        foreach (var shards in (int[])[1, 2])
        {
            var images = new PreparedImages(new ImagePreparation(height, width, isGrey), []);
            var pixels = new byte[Batch][];
            var random = new Random(1);
            for (var i = 0; i < pixels.Length; i++)
            {
                pixels[i] = new byte[images.Channels * height * width];
                random.NextBytes(pixels[i]);
            }
            images = images with { Pixels = pixels };
            var labels = Enumerable.Range(0, Batch).Select(i => (int[])[i % 10]).ToArray();
            int[] indices = [.. Enumerable.Range(0, Batch)];
            var (means, deviations) = images.Statistics(indices);
            var network = new ConvolutionalNetwork(images.Preparation, 10, means, deviations);
            var labelled = new LabelledImages(images, labels, [.. Enumerable.Range(0, 10).Select(i => $"label {i}")], IsMultiLabel: false);
            var batches = new ImageBatches(labelled, indices, new ImageAugmentation(images, augment: true), new bool[10], Batch, shards, 1);
            using var training = new NetworkTraining(tape => batches.Loss(tape, network), new AdamSettings(), shards, 1);

            // The best of several bursts: others may be using the machine.
            var best = double.MaxValue;
            for (var burst = 0; burst < 6; burst++)
            {
                var clock = Stopwatch.StartNew();
                const int steps = 8;
                for (var step = 0; step < steps; step++) training.Step(1e-4f, shard => batches.Fill(training, shard, 0));
                if (burst > 0) best = Math.Min(best, clock.Elapsed.TotalMilliseconds / steps);
            }
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {height} x {width} x {images.Channels} | {shards} | {training.WeightCount} | {best:F1} | {Batch / best * 1000:F0} |"));
        }
        MeasurePreparation();
        return true;
    }

    /// <summary>What it costs to bring raw images to the network's size, alone and as part of every prediction.</summary>
    private static void MeasurePreparation()
    {
        Console.WriteLine();
        Console.WriteLine("| raw image | to | ms |");
        Console.WriteLine("|---|---|---|");
        foreach (var (height, width) in ((int, int)[])[(28, 28), (120, 160), (480, 640), (3000, 4000)])
        {
            var isSmall = height == 28;
            var preparation = new ImagePreparation(isSmall ? 28 : 72, isSmall ? 28 : 96, IsGrey: isSmall);
            using var session = preparation.Load();
            using var input = OnnxTensor.Allocate<byte>(1, height, width, 3);
            new Random(1).NextBytes(input.Span<byte>());
            using var output = OnnxTensor.Allocate<byte>(1, preparation.Channels, preparation.Height, preparation.Width);
            var best = double.MaxValue;
            for (var run = 0; run < 10; run++)
            {
                var clock = Stopwatch.StartNew();
                session.Run([input], [output]);
                best = Math.Min(best, clock.Elapsed.TotalMilliseconds);
            }
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"| {width} x {height} | {preparation.Width} x {preparation.Height} | {best:F2} |"));
        }
    }
}
