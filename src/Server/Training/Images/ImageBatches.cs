using Atoll.Serving.Onnx;
using Atoll.Training.Autodiff;
using Atoll.Training.Networks;

namespace Atoll.Training.Images;

/// <summary>Hands out the training images in batches, in another order each epoch, and fills the shards with them.</summary>
internal sealed class ImageBatches : ITrainingBatches
{
    private const float Smoothing = 0.1f;

    private readonly LabelledImages _images;
    private readonly int[] _order;
    private readonly ImageAugmentation _augmentation;
    private readonly bool[] _mayMirror;
    private readonly ulong _seed;
    private readonly int _rowsPerShard;
    private int _epoch;

    /// <param name="images">All images.</param>
    /// <param name="indices">Those to learn from.</param>
    /// <param name="augmentation">How they are varied.</param>
    /// <param name="mayMirror">Per label whether images are mirrored; an image is if all its labels allow it.</param>
    /// <param name="batch">Images per step, at most.</param>
    /// <param name="shards">Parts of a batch.</param>
    /// <param name="seed">Of the order and the variants.</param>
    public ImageBatches(
        LabelledImages images, int[] indices, ImageAugmentation augmentation, bool[] mayMirror, int batch, int shards, int seed)
    {
        _images = images;
        _order = [.. indices];
        _augmentation = augmentation;
        _mayMirror = mayMirror;
        _rowsPerShard = batch / shards;
        Batch = _rowsPerShard * shards;
        _seed = (ulong)seed;
        StepsPerEpoch = (indices.Length + Batch - 1) / Batch;
    }

    public int Batch { get; }

    public int StepsPerEpoch { get; }

    /// <summary>The network with its loss, for one shard.</summary>
    public Tensor Loss(Tape tape, ConvolutionalNetwork network)
    {
        var prepared = _images.Prepared;
        var images = tape.Input("images", TensorElementType.UInt8, [_rowsPerShard, prepared.Channels, prepared.Height, prepared.Width]);
        var targets = tape.Input("targets", TensorElementType.Float, [_rowsPerShard, _images.LabelCount]);
        var weights = tape.Input("weights", TensorElementType.Float, [_rowsPerShard]);
        var scores = network.Scores(images);
        return _images.IsMultiLabel ? scores.BinaryCrossEntropy(targets, weights) : scores.SoftCrossEntropy(targets, weights);
    }

    public void BeginEpoch(int epoch)
    {
        _epoch = epoch;
        RandomStreams.Of(_seed, epoch, -1).Shuffle<int>(_order);
    }

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
            _augmentation.Vary(
                _images.Prepared.Pixels[image], pixels.Slice(row * size, size), Array.TrueForAll(_images.Labels[image], label => _mayMirror[label]),
                RandomStreams.Of(_seed, _epoch, position));
            FillTargets(targets.Slice(row * _images.LabelCount, _images.LabelCount), image);
        }
    }

    private void FillTargets(Span<float> targets, int image)
    {
        targets.Fill(_images.IsMultiLabel ? 0 : Smoothing / _images.LabelCount);
        foreach (var label in _images.Labels[image]) targets[label] += _images.IsMultiLabel ? 1 : 1 - Smoothing;
    }
}
