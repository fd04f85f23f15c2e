using Atoll.Training.Autodiff;

namespace Atoll.Training.Images;

/// <summary>Hands out the training images in batches, in another order each epoch, and fills the shards with them.</summary>
internal sealed class ImageBatches
{
    private const float Smoothing = 0.1f;

    private readonly PreparedImages _images;
    private readonly IReadOnlyList<int[]> _labels;
    private readonly int[] _order;
    private readonly ImageAugmentation _augmentation;
    private readonly ulong _seed;
    private readonly int _labelCount;
    private readonly int _rowsPerShard;
    private int _epoch;

    public ImageBatches(
        PreparedImages images, IReadOnlyList<int[]> labels, int labelCount, bool isMultiLabel, int[] indices,
        ImageAugmentation augmentation, int batch, int shards, int seed)
    {
        _images = images;
        _labels = labels;
        _labelCount = labelCount;
        IsMultiLabel = isMultiLabel;
        _order = [.. indices];
        _augmentation = augmentation;
        _rowsPerShard = batch / shards;
        Batch = _rowsPerShard * shards;
        _seed = (ulong)seed;
        StepsPerEpoch = (indices.Length + Batch - 1) / Batch;
    }

    public int Batch { get; }

    public int StepsPerEpoch { get; }

    private bool IsMultiLabel { get; }

    /// <summary>The network with its loss, for one shard.</summary>
    public Tensor Loss(Tape tape, ConvolutionalNetwork network)
    {
        var images = tape.Input(
            "images", Serving.Onnx.TensorElementType.UInt8, [_rowsPerShard, _images.Channels, _images.Height, _images.Width]);
        var targets = tape.Input("targets", Serving.Onnx.TensorElementType.Float, [_rowsPerShard, _labelCount]);
        var weights = tape.Input("weights", Serving.Onnx.TensorElementType.Float, [_rowsPerShard]);
        var scores = network.Scores(images);
        return IsMultiLabel ? scores.BinaryCrossEntropy(targets, weights) : scores.SoftCrossEntropy(targets, weights);
    }

    public void BeginEpoch(int epoch)
    {
        _epoch = epoch;
        new SplitMix64(Mix(_seed, epoch, -1)).Shuffle<int>(_order);
    }

    /// <summary>Fills a shard's inputs for a step of the epoch. Safe for several shards at once.</summary>
    public void Fill(NetworkTraining training, int shard, int step)
    {
        var pixels = training.Input(shard, "images").Span<byte>();
        var targets = training.Input(shard, "targets").Span<float>();
        var weights = training.Input(shard, "weights").Span<float>();
        var size = pixels.Length / _rowsPerShard;
        var first = step * Batch;
        var count = Math.Min(Batch, _order.Length - first);
        for (var row = 0; row < _rowsPerShard; row++)
        {
            // Row by row over the shards, so that each has real images in the last batch; behind the end the epoch's first images
            // fill up and count for nothing.
            var position = first + row * training.ShardCount + shard;
            var image = _order[position % _order.Length];
            weights[row] = position < first + count ? 1f / count : 0;
            _augmentation.Vary(_images.Pixels[image], pixels.Slice(row * size, size), new SplitMix64(Mix(_seed, _epoch, position)));
            FillTargets(targets.Slice(row * _labelCount, _labelCount), image);
        }
    }

    private void FillTargets(Span<float> targets, int image)
    {
        targets.Fill(IsMultiLabel ? 0 : Smoothing / _labelCount);
        foreach (var label in _labels[image]) targets[label] += IsMultiLabel ? 1 : 1 - Smoothing;
    }

    private static ulong Mix(ulong seed, int epoch, int position)
    {
        var random = new SplitMix64(seed);
        random = new SplitMix64(random.Next() ^ (uint)epoch);
        random = new SplitMix64(random.Next() ^ (uint)position);
        return random.Next();
    }
}
