using Atoll.Serving.Onnx;
using Atoll.Serving.Onnx.Proto;
using Atoll.Serving.Operators;
using Google.Protobuf;

namespace Atoll.Serving.Splitting;

/// <summary>The session of a graph that models share, each with weights of its own.</summary>
internal sealed class SharedGraph : IDisposable
{
    private static readonly OnnxSessionOptions Options = new() { Optimized = true, AtollOperators = true };

    private readonly OnnxSession _session;
    private readonly int[] _trees;
    private readonly int[] _dictionaries;

    private SharedGraph(OnnxSession session, int[] trees, int[] dictionaries)
    {
        _session = session;
        _trees = trees;
        _dictionaries = dictionaries;
    }

    /// <exception cref="OnnxException">It cannot be loaded.</exception>
    public static SharedGraph Load(ReadOnlyMemory<byte> graph)
    {
        var (trees, dictionaries) = FindTables(graph);
        return new SharedGraph(OnnxSession.Load(graph.Span, Options), trees, dictionaries);
    }

    /// <summary>The model of a pack; it keeps the session alive even when this graph is disposed.</summary>
    public OnnxSession Bind(ServingPack pack)
    {
        // The operators trust what they get.
        foreach (var input in _trees) TreeTable.Check(BytesOf(input));
        foreach (var input in _dictionaries) LookupTable.Check(BytesOf(input));
        return _session.Bind(pack.Inputs, pack.Outputs, pack.Weights);

        // The weights are the graph's last inputs, behind those of the model.
        ReadOnlySpan<byte> BytesOf(int input) => input - pack.Inputs.Length is var index && index >= 0 && index < pack.Weights.Count
            ? pack.Weights[index].Bytes.Span
            : throw new OnnxException(OnnxErrorCode.InvalidGraph, "The graph reads a table from what clients send.");
    }

    public void Dispose() => _session.Dispose();

    /// <summary>Which inputs of the graph are trees and dictionaries. Nothing else may come where an operator reads one.</summary>
    private static (int[] Trees, int[] Dictionaries) FindTables(ReadOnlyMemory<byte> graph)
    {
        GraphProto parsed;
        try
        {
            var model = ModelProto.Parser.ParseFrom(graph.Span);
            parsed = model.Graph ?? throw Refuse("has no nodes");
            if (model.Functions.Count > 0) throw Refuse("has functions");
        }
        catch (InvalidProtocolBufferException broken)
        {
            throw new OnnxException(OnnxErrorCode.InvalidProtobuf, $"The graph of the model is damaged: {broken.Message}");
        }
        // Nodes inside of others could read a table from anywhere.
        if (parsed.Node.Any(node => node.Attribute.Any(attribute => attribute.G is not null || attribute.Graphs.Count > 0))) throw Refuse("has graphs inside");
        var inputs = parsed.Input.Select(input => input.Name).ToList();
        var constants = parsed.Initializer.Select(tensor => tensor.Name).ToHashSet(StringComparer.Ordinal);
        if (inputs.Distinct(StringComparer.Ordinal).Count() != inputs.Count || inputs.Any(constants.Contains)) throw Refuse("has a name twice");
        var (trees, dictionaries) = (new SortedSet<int>(), new SortedSet<int>());
        foreach (var node in parsed.Node.Where(node => node.Domain == AtollOperators.Domain))
        {
            var index = node.Input.Count == 2 ? inputs.IndexOf(node.Input[1]) : -1;
            if (index < 0) throw Refuse($"has a node {node.OpType} that does not take its table from the weights");
            if (node.OpType == AtollOperators.TreeEnsemble) trees.Add(index);
            else if (node.OpType is AtollOperators.StringLookup or AtollOperators.IntegerLookup) dictionaries.Add(index);
            else throw Refuse($"has a node {node.OpType}, which is unknown");
        }
        return ([.. trees], [.. dictionaries]);
    }

    private static OnnxException Refuse(string reason) => new(OnnxErrorCode.InvalidGraph, $"The graph of a serving form {reason}.");
}
