using System.Globalization;
using Atoll.Serving.Onnx;

namespace Atoll.Training.Autodiff;

/// <summary>The graphs that train a network, written from standard ONNX operators: forward and backward, and the Adam step.</summary>
/// <remarks>
/// Weights <c>w</c>, moments <c>m</c> and <c>v</c> and running averages <c>s</c> are one flat vector each, so that a step costs
/// a dozen nodes however many parameters there are, and the whole state of a training is four arrays.
/// </remarks>
internal sealed record TrainingGraph
{
    /// <summary>
    /// Per shard a graph with the inputs of the network, in order, and <c>w</c>; it gives <c>loss</c>, <c>gradient</c> and,
    /// if the network has running averages, <c>observed</c>. Shards differ in their dropout masks only.
    /// </summary>
    public required IReadOnlyList<byte[]> Gradients { get; init; }

    /// <summary>
    /// From <c>w m v rate epsilon decay</c>, a <c>gradient_i</c> per shard and, if the network has running averages, <c>s</c> and an
    /// <c>observed_i</c> per shard, to <c>w2 m2 v2</c> and <c>s2</c>.
    /// </summary>
    public required byte[] Update { get; init; }

    /// <summary>The network's own inputs.</summary>
    public required IReadOnlyList<string> Inputs { get; init; }

    public required IReadOnlyList<Parameter> Parameters { get; init; }

    public required IReadOnlyList<Parameter> Averages { get; init; }

    public int WeightCount => Total(Parameters);

    public int AverageCount => Total(Averages);

    /// <param name="network">Describes the network on a tape, for a batch of one shard, and returns its loss.</param>
    /// <param name="adam">Settings of the optimiser.</param>
    /// <param name="shards">The parts into which a batch is cut, each with its own run of a gradient graph.</param>
    /// <param name="seed">Of the dropout masks.</param>
    public static TrainingGraph Write(Func<Tape, Tensor> network, AdamSettings adam, int shards, long seed)
    {
        var gradients = new List<byte[]>();
        Tape? tape = null;
        for (var shard = 0; shard < shards; shard++)
        {
            var graph = new OnnxGraphBuilder("gradient");
            tape = Tape.ForTraining(graph, seed * shards + shard);
            WriteGradient(tape, network);
            gradients.Add(graph.ToBytes());
        }
        return new TrainingGraph
        {
            Gradients = gradients,
            Update = WriteUpdate(tape!, adam, shards),
            Inputs = tape!.Inputs,
            Parameters = tape.Parameters,
            Averages = tape.Averages,
        };
    }

    private static void WriteGradient(Tape tape, Func<Tape, Tensor> network)
    {
        tape.Graph.Unique(Tape.WeightsInput);
        var loss = network(tape);
        var gradients = tape.Gradients(loss, tape.ParameterTensors);
        var count = Total(tape.Parameters);
        tape.Graph.Input(Tape.WeightsInput, TensorElementType.Float, count);
        tape.Graph.Output("loss", loss.Name, TensorElementType.Float);
        tape.Graph.Output("gradient", Join(gradients).Name, TensorElementType.Float, count);
        if (tape.Averages.Count > 0)
            tape.Graph.Output("observed", Join(tape.Observations).Name, TensorElementType.Float, Total(tape.Averages));
    }

    private static Tensor Join(IReadOnlyList<Tensor> tensors) =>
        Shapes.Concat(0, [.. tensors.Select(tensor => tensor.Reshape(Tensor.Free))]);

    private static byte[] WriteUpdate(Tape network, AdamSettings adam, int shards)
    {
        var graph = new OnnxGraphBuilder("update");
        var tape = Tape.ForTraining(graph, 0);
        long[] shape = [Total(network.Parameters)];
        Tensor Input(string name, params long[] inputShape) => tape.Input(name, TensorElementType.Float, inputShape);

        var (w, m, v) = (Input("w", shape), Input("m", shape), Input("v", shape));
        var (rate, epsilon, decay) = (Input("rate"), Input("epsilon"), Input("decay"));
        var gradient = SumOf("gradient", shape);
        var m2 = m * adam.Beta1 + gradient * (1 - adam.Beta1);
        var v2 = v * adam.Beta2 + gradient * gradient * (1 - adam.Beta2);
        var w2 = w - rate * m2 / (v2.Sqrt() + epsilon);
        if (adam.WeightDecay > 0)
        {
            var mask = new float[shape[0]];
            foreach (var parameter in network.Parameters.Where(p => p.Decays)) mask.AsSpan(parameter.Offset, parameter.Count).Fill(1);
            w2 -= tape.Constant(mask, shape) * decay * w;
        }
        graph.Output("w2", w2.Name, TensorElementType.Float, shape[0]);
        graph.Output("m2", m2.Name, TensorElementType.Float, shape[0]);
        graph.Output("v2", v2.Name, TensorElementType.Float, shape[0]);

        if (network.Averages.Count > 0)
        {
            long[] averages = [Total(network.Averages)];
            var s = Input("s", averages);
            var observed = SumOf("observed", averages) * (1f / shards);
            var s2 = s + (observed - s) * adam.AverageMomentum;
            graph.Output("s2", s2.Name, TensorElementType.Float, averages[0]);
        }
        return graph.ToBytes();

        // Always in the order of the shards, so that the sum is the same bit for bit.
        Tensor SumOf(string name, long[] partShape)
        {
            var sum = Input($"{name}_0", partShape);
            for (var shard = 1; shard < shards; shard++)
                sum += Input(string.Create(CultureInfo.InvariantCulture, $"{name}_{shard}"), partShape);
            return sum;
        }
    }

    private static int Total(IReadOnlyList<Parameter> parameters) =>
        parameters.Count == 0 ? 0 : parameters[^1].Offset + parameters[^1].Count;
}
