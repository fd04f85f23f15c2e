using System.Globalization;
using Atoll.Serving.Onnx;
using Atoll.Serving.Onnx.Proto;

namespace Atoll.Serving.Splitting;

/// <summary>
/// Takes <c>ZipMap</c> away, which converters put behind the probabilities of a classifier: it makes a sequence of maps of them, which no
/// protocol can carry. The output keeps its name and is the tensor of probabilities; what the maps were keyed by are its labels.
/// </summary>
internal static class ZipMaps
{
    private const string Ml = "ai.onnx.ml";

    // Any version has Identity; for models without an operator of the standard set.
    private const int StandardVersion = 13;

    /// <summary>Changes the model. What is left alone are maps that the model uses itself, and those whose labels do not fit.</summary>
    /// <returns>The labels of each output that became a tensor, in the order of its last dimension.</returns>
    public static IReadOnlyDictionary<string, IReadOnlyList<string>> Remove(ModelProto model)
    {
        var labels = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        if (model.Graph is not { } graph) return labels;
        foreach (var node in graph.Node)
        {
            if (node is not { OpType: "ZipMap", Domain: Ml, Input.Count: 1, Output.Count: 1 }) continue;
            var output = graph.Output.FirstOrDefault(value => value.Name == node.Output[0]);
            var keys = KeysOf(node);
            if (output?.Type?.SequenceType is null || keys.Length == 0 || graph.Node.Any(other => other.Input.Contains(output.Name))) continue;
            if (TypeOf(graph, node.Input[0], keys.Length) is not { } type) continue;
            labels[output.Name] = keys;
            output.Type = type;
            node.OpType = "Identity";
            node.Domain = "";
            node.Attribute.Clear();
        }
        if (labels.Count > 0 && model.OpsetImport.All(set => set.Domain != "")) model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = StandardVersion });
        return labels;
    }

    private static string[] KeysOf(NodeProto node)
    {
        foreach (var attribute in node.Attribute)
        {
            if (attribute is { Name: "classlabels_strings", Strings.Count: > 0 }) return [.. attribute.Strings.Select(text => text.ToStringUtf8())];
            if (attribute is { Name: "classlabels_int64s", Ints.Count: > 0 }) return [.. attribute.Ints.Select(number => number.ToString(CultureInfo.InvariantCulture))];
        }
        return [];
    }

    /// <summary>What the tensor before the maps is; null when it does not fit to its labels, which ONNX Runtime would refuse at every run.</summary>
    private static TypeProto? TypeOf(GraphProto graph, string tensor, int labels)
    {
        var known = graph.ValueInfo.Concat(graph.Input).FirstOrDefault(value => value.Name == tensor)?.Type;
        if (known?.TensorType is { Shape: { } shape })
        {
            var last = shape.Dim.Count == 0 ? null : shape.Dim[^1];
            if (last is null || (last.HasDimValue && last.DimValue != labels)) return null;
            return known.Clone();
        }
        var rows = new TensorShapeProto.Types.Dimension();
        return new TypeProto
        {
            TensorType = new TypeProto.Types.Tensor
            {
                ElemType = (int)TensorElementType.Float,
                Shape = new TensorShapeProto { Dim = { rows, new TensorShapeProto.Types.Dimension { DimValue = labels } } },
            },
        };
    }
}
