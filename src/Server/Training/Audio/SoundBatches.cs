using System.Numerics.Tensors;
using Atoll.Serving.Onnx;
using Atoll.Training.Autodiff;
using Atoll.Training.Networks;
using Tensor = Atoll.Training.Autodiff.Tensor;

namespace Atoll.Training.Audio;

/// <summary>Hands out the pictures of training sounds in batches, each a new variant, and fills the shards with them.</summary>
internal sealed class SoundBatches : ITrainingBatches
{
    private const float Smoothing = 0.1f;

    private readonly PreparedSounds _sounds;
    private readonly IReadOnlyList<int[]> _labels;
    private readonly float[] _labelWeights;
    private readonly int[] _order;
    private readonly SoundAugmentation? _augmentation;
    private readonly ulong _seed;
    private readonly int _rowsPerShard;
    private int _epoch;

    /// <param name="sounds">All sounds.</param>
    /// <param name="labels">Their labels.</param>
    /// <param name="labelWeights">What a sound of each label counts.</param>
    /// <param name="indices">The sounds to learn from.</param>
    /// <param name="augmentation">How they are varied; null leaves them as they are.</param>
    /// <param name="batch">Sounds per step, at most.</param>
    /// <param name="shards">Parts of a batch.</param>
    /// <param name="seed">Of the order and the variants.</param>
    public SoundBatches(
        PreparedSounds sounds, IReadOnlyList<int[]> labels, float[] labelWeights, int[] indices, SoundAugmentation? augmentation, int batch, int shards, int seed)
    {
        _sounds = sounds;
        _labels = labels;
        _labelWeights = labelWeights;
        _order = [.. indices];
        _augmentation = augmentation;
        _rowsPerShard = batch / shards;
        Batch = _rowsPerShard * shards;
        _seed = (ulong)seed;
        StepsPerEpoch = (indices.Length + Batch - 1) / Batch;
    }

    public int Batch { get; }

    public int StepsPerEpoch { get; }

    /// <summary>The network with its loss, for one shard.</summary>
    public Tensor Loss(Tape tape, SoundNetwork network)
    {
        var pictures = tape.Input("pictures", TensorElementType.Float, [_rowsPerShard, 1, SoundPreparation.Bands, network.Preparation.Frames]);
        var targets = tape.Input("targets", TensorElementType.Float, [_rowsPerShard, network.LabelCount]);
        var weights = tape.Input("weights", TensorElementType.Float, [_rowsPerShard]);
        return network.Scores(pictures).SoftCrossEntropy(targets, weights);
    }

    public void BeginEpoch(int epoch)
    {
        _epoch = epoch;
        RandomStreams.Of(_seed, epoch, -1).Shuffle<int>(_order);
    }

    public void Fill(NetworkTraining training, int shard, int step)
    {
        var pictures = training.Input(shard, "pictures").Span<float>();
        var targets = training.Input(shard, "targets").Span<float>();
        var weights = training.Input(shard, "weights").Span<float>();
        var size = pictures.Length / _rowsPerShard;
        var labelCount = _labelWeights.Length;
        var first = step * Batch;
        var count = Math.Min(Batch, _order.Length - first);
        var source = new float[size];
        for (var row = 0; row < _rowsPerShard; row++)
        {
            // Row by row over the shards, so that each has real sounds in the last batch; behind the end the epoch's first ones fill up
            // and count for nothing.
            var position = first + row * training.ShardCount + shard;
            var sound = _order[position % _order.Length];
            var label = _labels[sound][0];
            weights[row] = position < first + count ? _labelWeights[label] / count : 0;
            var target = pictures.Slice(row * size, size);
            TensorPrimitives.ConvertToSingle(_sounds.Pictures[sound], source);
            if (_augmentation is null) source.CopyTo(target);
            else _augmentation.Vary(source, target, RandomStreams.Of(_seed, _epoch, position));
            var wanted = targets.Slice(row * labelCount, labelCount);
            wanted.Fill(Smoothing / labelCount);
            wanted[label] += 1 - Smoothing;
        }
    }
}
