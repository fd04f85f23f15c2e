using System.Runtime.ExceptionServices;
using Atoll.Serving.Onnx;

namespace Atoll.Training.Autodiff;

/// <summary>A training under way: the sessions of a <see cref="TrainingGraph"/> and the state that they carry from step to step.</summary>
/// <remarks>
/// Each session has one thread: the kernel behind <see cref="Embedding"/> needs that, and two shards on two cores are faster
/// than two threads in one session. The result depends on the number of shards, never on the number of cores.
/// </remarks>
internal sealed class NetworkTraining : IDisposable
{
    private readonly TrainingGraph _graph;
    private readonly AdamSettings _adam;
    private readonly Shard[] _shards;
    private readonly OnnxSession _update;
    private readonly OnnxTensor _rate = OnnxTensor.Allocate<float>();
    private readonly OnnxTensor _epsilon = OnnxTensor.Allocate<float>();
    private readonly OnnxTensor _decay = OnnxTensor.Allocate<float>();
    private readonly OnnxTensor[] _updateInputs;

    // Two sets, swapped each step: a run never reads and writes the same buffer.
    private OnnxTensor[] _state;
    private OnnxTensor[] _nextState;
    private int _steps;

    /// <param name="network">Describes the network on a tape, for a batch of one shard, and returns its loss.</param>
    /// <param name="adam">Settings of the optimiser.</param>
    /// <param name="shards">The parts into which a batch is cut; they are computed at the same time.</param>
    /// <param name="seed">Of the first weights and the dropout masks.</param>
    public NetworkTraining(Func<Tape, Tensor> network, AdamSettings adam, int shards, int seed)
    {
        _adam = adam;
        _graph = TrainingGraph.Write(network, adam, shards, seed);
        _state = AllocateState();
        _nextState = AllocateState();
        Start(_graph.Parameters, _state[0].Span<float>(), seed);
        _state[1].Span<float>().Clear();
        _state[2].Span<float>().Clear();
        if (_graph.AverageCount > 0) Start(_graph.Averages, _state[3].Span<float>(), seed);

        _shards = [.. _graph.Gradients.Select(bytes => new Shard(bytes, _graph))];
        _update = OnnxSession.Load(_graph.Update, SessionOptions);
        _updateInputs = new OnnxTensor[_update.Inputs.Count];
    }

    /// <summary>The network's weights, in the order of their declaration.</summary>
    public IReadOnlyList<Parameter> Parameters => _graph.Parameters;

    public int ShardCount => _shards.Length;

    public int WeightCount => _graph.WeightCount;

    // Static shapes make the arena's plan exact: without it every large buffer of a step would be mapped and unmapped again.
    public static OnnxSessionOptions SessionOptions => new() { MemoryArena = true, MemoryPattern = true };

    /// <summary>The tensor to fill with a shard's part of the next batch.</summary>
    public OnnxTensor Input(int shard, string name)
    {
        for (var i = 0; i < _graph.Inputs.Count; i++)
            if (_graph.Inputs[i] == name) return _shards[shard].Inputs[i];
        throw new ArgumentException($"The network has no input {name}.");
    }

    /// <summary>Learns from one batch and returns its loss, from before the step.</summary>
    /// <param name="learningRate">Of Adam.</param>
    /// <param name="fill">Fills the inputs of a shard; called for all shards at the same time.</param>
    public float Step(float learningRate, Action<int> fill)
    {
        RunShards(fill);

        // Adam's corrections of its first steps, as factors of the rate and epsilon.
        _steps++;
        var correction = Math.Sqrt(1 - Math.Pow(_adam.Beta2, _steps));
        _rate.Span<float>()[0] = (float)(learningRate * correction / (1 - Math.Pow(_adam.Beta1, _steps)));
        _epsilon.Span<float>()[0] = (float)(_adam.Epsilon * correction);
        _decay.Span<float>()[0] = learningRate * _adam.WeightDecay;
        var i = 0;
        foreach (var tensor in _state.AsSpan(0, 3)) _updateInputs[i++] = tensor;
        _updateInputs[i++] = _rate;
        _updateInputs[i++] = _epsilon;
        _updateInputs[i++] = _decay;
        foreach (var shard in _shards) _updateInputs[i++] = shard.Gradient;
        if (_graph.AverageCount > 0)
        {
            _updateInputs[i++] = _state[3];
            foreach (var shard in _shards) _updateInputs[i++] = shard.Observed;
        }
        _update.Run(_updateInputs, _nextState);
        (_state, _nextState) = (_nextState, _state);

        float loss = 0;
        foreach (var shard in _shards) loss += shard.Loss;
        return loss;
    }

    /// <summary>A copy of what has been learned so far.</summary>
    public NetworkWeights Snapshot() => new(
        _graph.Parameters, _state[0].Span<float>(),
        _graph.Averages, _graph.AverageCount > 0 ? _state[3].Span<float>() : []);

    public void Dispose()
    {
        foreach (var shard in _shards) shard.Dispose();
        _update.Dispose();
        foreach (var tensor in _state.Concat(_nextState)) tensor.Dispose();
        _rate.Dispose();
        _epsilon.Dispose();
        _decay.Dispose();
    }

    private void RunShards(Action<int> fill)
    {
        if (_shards.Length == 1)
        {
            Run(0);
            return;
        }
        try
        {
            Parallel.For(0, _shards.Length, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, Run);
        }
        catch (AggregateException exception)
        {
            // One failure is enough to know, and callers know its type.
            ExceptionDispatchInfo.Throw(exception.InnerExceptions[0]);
        }

        void Run(int shard)
        {
            fill(shard);
            _shards[shard].Run(_state[0]);
        }
    }

    private OnnxTensor[] AllocateState()
    {
        var state = new List<OnnxTensor>();
        for (var i = 0; i < 3; i++) state.Add(OnnxTensor.Allocate<float>(_graph.WeightCount));
        if (_graph.AverageCount > 0) state.Add(OnnxTensor.Allocate<float>(_graph.AverageCount));
        return [.. state];
    }

    private static void Start(IReadOnlyList<Parameter> parameters, Span<float> values, int seed)
    {
        // One stream per parameter, so that another layer does not change the start of those behind it.
        for (var i = 0; i < parameters.Count; i++)
            parameters[i].Start.Fill(values.Slice(parameters[i].Offset, parameters[i].Count), new Random(unchecked(seed * 7919 + i)));
    }

    /// <summary>One session with the buffers around it.</summary>
    private sealed class Shard : IDisposable
    {
        private readonly OnnxSession _session;
        private readonly OnnxTensor[] _inputs;
        private readonly OnnxTensor[] _outputs;

        public Shard(byte[] gradient, TrainingGraph graph)
        {
            _session = OnnxSession.Load(gradient, SessionOptions);
            _inputs = new OnnxTensor[graph.Inputs.Count + 1];
            for (var i = 0; i < graph.Inputs.Count; i++) _inputs[i] = Allocate(_session.Inputs[i]);
            _outputs =
            [
                OnnxTensor.Allocate<float>(),
                OnnxTensor.Allocate<float>(graph.WeightCount),
                .. graph.AverageCount > 0 ? (OnnxTensor[])[OnnxTensor.Allocate<float>(graph.AverageCount)] : [],
            ];
        }

        public ReadOnlySpan<OnnxTensor> Inputs => _inputs;

        public float Loss => _outputs[0].Span<float>()[0];

        public OnnxTensor Gradient => _outputs[1];

        public OnnxTensor Observed => _outputs[2];

        public void Run(OnnxTensor weights)
        {
            _inputs[^1] = weights;
            _session.Run(_inputs, _outputs);
        }

        public void Dispose()
        {
            _session.Dispose();
            // The last input is the weights, which all shards share.
            foreach (var tensor in _inputs.AsSpan(0, _inputs.Length - 1)) tensor.Dispose();
            foreach (var tensor in _outputs) tensor.Dispose();
        }

        private static OnnxTensor Allocate(OnnxValueInfo input) => input.Type switch
        {
            TensorElementType.Float => OnnxTensor.Allocate<float>(input.Shape),
            TensorElementType.Int64 => OnnxTensor.Allocate<long>(input.Shape),
            TensorElementType.UInt8 => OnnxTensor.Allocate<byte>(input.Shape),
            _ => throw new NotSupportedException($"Input {input.Name} of a training graph has elements of type {input.Type}."),
        };
    }
}
