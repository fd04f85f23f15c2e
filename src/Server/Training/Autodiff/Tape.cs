using System.Globalization;
using Atoll.Serving.Onnx;
using Atoll.Serving.Onnx.Proto;

namespace Atoll.Training.Autodiff;

/// <summary>
/// Writes a network into an ONNX graph and, when training, remembers every operation so that the gradients can be written behind it.
/// </summary>
/// <remarks>
/// The same function that describes a network runs on two kinds of tape: a training tape, where the weights are cut from a
/// flat input vector and shapes are fixed, and a serving tape, where the weights are constants and the batch size is free.
/// </remarks>
internal sealed class Tape
{
    /// <summary>Inputs of the training graph that hold its state.</summary>
    public const string WeightsInput = "w";

    private readonly NetworkWeights? _weights;
    private readonly List<Parameter> _parameters = [];
    private readonly List<Tensor> _parameterTensors = [];
    private readonly List<Parameter> _averages = [];
    private readonly List<Tensor> _observations = [];
    private readonly List<string> _inputs = [];
    private readonly List<Entry> _entries = [];
    private readonly Dictionary<string, Tensor> _constants = new(StringComparer.Ordinal);
    private bool _isRecording;
    private long _dropouts;

    private Tape(OnnxGraphBuilder graph, NetworkWeights? weights, long seed)
    {
        Graph = graph;
        _weights = weights;
        _isRecording = weights is null;
        Seed = seed;
    }

    public OnnxGraphBuilder Graph { get; }

    public bool IsTraining => _weights is null;

    /// <summary>The flat vector's parts, in the order in which the network asked for them.</summary>
    public IReadOnlyList<Parameter> Parameters => _parameters;

    public IReadOnlyList<Tensor> ParameterTensors => _parameterTensors;

    /// <summary>Running averages that the network asked for, such as those of batch norm.</summary>
    public IReadOnlyList<Parameter> Averages => _averages;

    /// <summary>What the batch at hand adds to each of <see cref="Averages"/>.</summary>
    public IReadOnlyList<Tensor> Observations => _observations;

    /// <summary>The inputs that the network declared, in order.</summary>
    public IReadOnlyList<string> Inputs => _inputs;

    private long Seed { get; }

    /// <param name="graph">Where the nodes go.</param>
    /// <param name="seed">Of the dropout masks.</param>
    public static Tape ForTraining(OnnxGraphBuilder graph, long seed) => new(graph, null, seed);

    public static Tape ForServing(OnnxGraphBuilder graph, NetworkWeights weights) => new(graph, weights, 0);

    /// <summary>Declares an input of the graph.</summary>
    /// <param name="name">Its name, of which the caller makes sure that it is free.</param>
    /// <param name="type">Of its elements.</param>
    /// <param name="shape">With fixed sizes when training; the first one may be <see cref="Tensor.Free"/> when serving.</param>
    /// <param name="needsGradient">Whether <see cref="Gradients"/> will be asked for it.</param>
    public Tensor Input(string name, TensorElementType type, long[] shape, bool needsGradient = false)
    {
        Graph.Input(name, type, Array.ConvertAll(shape, size => size == Tensor.Free ? (object)"N" : size));
        _inputs.Add(name);
        return new Tensor(this, name, type, shape, needsGradient);
    }

    /// <summary>A value that exists in the graph already, such as the output of hand-written nodes in front of a network.</summary>
    public Tensor Existing(string name, TensorElementType type, long[] shape) => new(this, name, type, shape, needsGradient: false);

    /// <summary>Weights to learn; a constant when serving.</summary>
    public Tensor Parameter(string name, long[] shape, Initializer start)
    {
        if (_weights is not null) return Constant(_weights[name], shape);

        var offset = _parameters.Count == 0 ? 0 : _parameters[^1].Offset + _parameters[^1].Count;
        var parameter = new Parameter(name, shape, offset, start);
        if (_parameters.Exists(p => p.Name == name)) throw new ArgumentException($"The network has two parameters named {name}.");
        var flat = Existing(WeightsInput, TensorElementType.Float, [Tensor.Free]);
        var slice = Emit("Slice", [flat, Int64s(offset), Int64s(offset + parameter.Count), Int64s(0)], [parameter.Count]);
        var reshaped = Emit("Reshape", [slice, Int64s(shape)], shape);
        var tensor = new Tensor(this, reshaped.Name, TensorElementType.Float, shape, needsGradient: true);
        _parameters.Add(parameter);
        _parameterTensors.Add(tensor);
        return tensor;
    }

    /// <summary>The learned values of a parameter or a running average, to compute constants of the serving graph from.</summary>
    public float[] Learned(string name) =>
        (_weights ?? throw new InvalidOperationException("Learned values exist only when serving."))[name];

    /// <summary>Keeps a running average of <paramref name="observed"/> over the steps of a training.</summary>
    public void TrackAverage(string name, Tensor observed, Initializer start)
    {
        var offset = _averages.Count == 0 ? 0 : _averages[^1].Offset + _averages[^1].Count;
        _averages.Add(new Parameter(name, [observed.Count], offset, start));
        _observations.Add(observed);
    }

    public Tensor Constant(ReadOnlySpan<float> values, params long[] shape) =>
        new(this, Graph.Constant("c", values, shape), TensorElementType.Float, shape, needsGradient: false);

    /// <summary>A constant that equal layers share: <paramref name="key"/> must say all that the values depend on.</summary>
    public Tensor Shared(string key, Func<Tensor> make)
    {
        if (!_constants.TryGetValue(key, out var constant)) _constants.Add(key, constant = make());
        return constant;
    }

    public Tensor Scalar(float value) => Shared(
        string.Create(CultureInfo.InvariantCulture, $"f{value:R}"),
        () => new Tensor(this, Graph.Scalar("c", value), TensorElementType.Float, [], needsGradient: false));

    public Tensor Int64(long value) => Shared(
        string.Create(CultureInfo.InvariantCulture, $"i{value}"),
        () => new Tensor(this, Graph.Scalar("i", value), TensorElementType.Int64, [], needsGradient: false));

    /// <summary>A vector of whole numbers: a shape, axes, bounds of a slice.</summary>
    public Tensor Int64s(params long[] values) => Shared(
        $"i[{string.Join(',', values)}]",
        () => new Tensor(this, Graph.Constant("i", values, values.Length), TensorElementType.Int64, [values.Length], needsGradient: false));

    /// <summary>The row vector [1, count] of one value: a sum over rows is a product with it, several times faster than ReduceSum.</summary>
    public Tensor Row(long count, float value) => Shared(
        string.Create(CultureInfo.InvariantCulture, $"row{count}x{value:R}"),
        () =>
        {
            var values = new float[count];
            Array.Fill(values, value);
            return Constant(values, 1, count);
        });

    /// <summary>Tells the dropouts of a network apart; the same number always gives the same stream of masks.</summary>
    public long NextDropoutSeed() => unchecked(Seed * 1_000_003 + ++_dropouts) & int.MaxValue;

    /// <summary>Adds a node that no gradient flows through.</summary>
    public Tensor Emit(string operation, ReadOnlySpan<Tensor> inputs, long[] shape, params ReadOnlySpan<AttributeProto> attributes) =>
        Emit(operation, inputs, shape, TensorElementType.Float, attributes);

    /// <inheritdoc cref="Emit(string, ReadOnlySpan{Tensor}, long[], ReadOnlySpan{AttributeProto})"/>
    public Tensor Emit(
        string operation, ReadOnlySpan<Tensor> inputs, long[] shape, TensorElementType type,
        params ReadOnlySpan<AttributeProto> attributes) =>
        new(this, Graph.Node(operation, Names(inputs), attributes), type, shape, needsGradient: false);

    /// <summary>Adds a node with several outputs that no gradient flows through, and returns the outputs' names.</summary>
    public string[] EmitMany(
        string operation, ReadOnlySpan<Tensor> inputs, int outputs, params ReadOnlySpan<AttributeProto> attributes) =>
        Graph.Node("", operation, Names(inputs), outputs, attributes);

    /// <summary>Adds a node and remembers how to write its gradient.</summary>
    /// <param name="operation">The ONNX operator.</param>
    /// <param name="inputs">Its inputs; the output has the element type of the first.</param>
    /// <param name="shape">Of its output.</param>
    /// <param name="gradients">
    /// Per input: from the gradient of the output and the output itself to the gradient of that input. Null for an input
    /// that has none, such as indices.
    /// </param>
    /// <param name="attributes">Of the node.</param>
    public Tensor Record(
        string operation, Tensor[] inputs, long[] shape, Func<Tensor, Tensor, Tensor>?[] gradients,
        params ReadOnlySpan<AttributeProto> attributes) =>
        Record(Emit(operation, inputs, shape, inputs[0].Type, attributes), inputs, gradients);

    /// <summary>Remembers how to write the gradient of an output that several nodes made together.</summary>
    public Tensor Record(Tensor output, Tensor[] inputs, params Func<Tensor, Tensor, Tensor>?[] gradients)
    {
        if (!_isRecording || !inputs.Any(input => input.NeedsGradient)) return output;
        var recorded = new Tensor(this, output.Name, output.Type, output.Shape, needsGradient: true);
        _entries.Add(new Entry(recorded, inputs, gradients));
        return recorded;
    }

    /// <summary>Writes the gradients of a scalar behind the network.</summary>
    public Tensor[] Gradients(Tensor loss, IReadOnlyList<Tensor> of)
    {
        if (loss.Rank != 0) throw new ArgumentException($"Only a scalar has gradients here, and {loss} is none.");
        _isRecording = false;
        // By name: a value and the record of it are two objects.
        var gradients = new Dictionary<string, Tensor>(StringComparer.Ordinal) { [loss.Name] = Scalar(1) };
        for (var i = _entries.Count - 1; i >= 0; i--)
        {
            var (output, inputs, backward) = _entries[i];
            if (!gradients.Remove(output.Name, out var d)) continue;
            for (var j = 0; j < inputs.Length; j++)
            {
                if (!inputs[j].NeedsGradient || backward[j] is not { } gradient) continue;
                var part = gradient(d, output);
                if (!part.Shape.AsSpan().SequenceEqual(inputs[j].Shape))
                    throw new InvalidOperationException($"The gradient of {inputs[j]} came out as {part}.");
                gradients[inputs[j].Name] = gradients.TryGetValue(inputs[j].Name, out var sum) ? sum.Add(part) : part;
            }
        }
        var found = new Tensor[of.Count];
        for (var i = 0; i < found.Length; i++)
        {
            found[i] = gradients.TryGetValue(of[i].Name, out var gradient)
                ? gradient
                : throw new ArgumentException($"The loss does not depend on {of[i]}.");
        }
        return found;
    }

    private static string[] Names(ReadOnlySpan<Tensor> tensors)
    {
        var names = new string[tensors.Length];
        for (var i = 0; i < names.Length; i++) names[i] = tensors[i].Name;
        return names;
    }

    private sealed record Entry(Tensor Output, Tensor[] Inputs, Func<Tensor, Tensor, Tensor>?[] Gradients);
}
