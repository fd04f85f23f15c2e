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
        foreach (var index in _trees) TreeTable.Check(BytesOf(index));
        foreach (var index in _dictionaries) LookupTable.Check(BytesOf(index));
        return _session.Bind(pack.Inputs, pack.Outputs, pack.Weights);

        ReadOnlySpan<byte> BytesOf(int index) => index < pack.Weights.Count ? pack.Weights[index].Bytes.Span : [];
    }

    public void Dispose() => _session.Dispose();

    /// <summary>Which weights are trees and dictionaries. Nothing else may come where an operator reads one.</summary>
    private static (int[] Trees, int[] Dictionaries) FindTables(ReadOnlyMemory<byte> graph)
    {
        GraphProto? parsed;
        try
        {
            parsed = ModelProto.Parser.ParseFrom(graph.Span).Graph;
        }
        catch (InvalidProtocolBufferException broken)
        {
            throw new OnnxException(OnnxErrorCode.InvalidProtobuf, $"The graph of the model is damaged: {broken.Message}");
        }
        var weights = (parsed?.Input ?? []).Select(input => input.Name).SkipWhile(name => !name.StartsWith('w')).ToList();
        var (trees, dictionaries) = (new SortedSet<int>(), new SortedSet<int>());
        foreach (var node in (parsed?.Node ?? []).Where(node => node.Domain == AtollOperators.Domain))
        {
            var index = node.Input.Count == 2 ? weights.IndexOf(node.Input[1]) : -1;
            if (index >= 0 && node.OpType == AtollOperators.TreeEnsemble)
                trees.Add(index);
            else if (index >= 0 && node.OpType is AtollOperators.StringLookup or AtollOperators.IntegerLookup)
                dictionaries.Add(index);
            else
                throw new OnnxException(OnnxErrorCode.InvalidGraph, $"The graph has a node {node.OpType} that does not take its table from the weights.");
        }
        return ([.. trees], [.. dictionaries]);
    }
}
