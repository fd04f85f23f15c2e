using System.Globalization;
using Atoll.Contracts;
using Atoll.Registry;
using Atoll.Serving.Onnx;
using Atoll.Serving.Onnx.Proto;
using Atoll.Serving.Operators;
using Atoll.Serving.Splitting;
using Google.Protobuf;

namespace Atoll.ModelImports;

/// <summary>Reads an ONNX file of a stranger: what it may not have, what it consists of, and what has to change before it is served.</summary>
internal static class OnnxFile
{
    private const string Ml = "ai.onnx.ml";
    private const int NamesShown = 5;
    private const int ExternalData = 1;

    // Sets whose operators ONNX Runtime brings along. Others would need code that a model must not bring.
    private static readonly string[] Domains = ["", "ai.onnx", Ml, "com.microsoft"];

    /// <exception cref="ModelRefusedException">It cannot be used.</exception>
    public static ModelFile Read(byte[] source, IReadOnlyList<string>? labels)
    {
        var model = Parse(source);
        Check(model);
        var signature = SignatureMetadata.Read(model);
        var named = signature?.Labels is { } said && said.All(label => label is not null) ? said : ClassesOf(model);
        if (named is not null && labels is not null)
            throw new ModelRefusedException($"The file names its classes itself ({string.Join(", ", named.Take(NamesShown))}). Leave 'labels' out.");
        var notes = new List<string>();
        return new ModelFile
        {
            Format = ModelFormats.Onnx,
            Served = WithoutZipMap(model, notes) ? model.ToByteArray() : source,
            Producer = model.ProducerName.Length > 0 ? $"{model.ProducerName} {model.ProducerVersion}".TrimEnd() : null,
            Algorithm = "ONNX",
            Labels = named ?? labels,
            Signature = signature,
            Notes = notes,
        };
    }

    /// <exception cref="ModelRefusedException">It is not an ONNX model.</exception>
    public static ModelProto Parse(byte[] source)
    {
        ModelProto model;
        try
        {
            model = ModelProto.Parser.ParseFrom(source);
        }
        catch (InvalidProtocolBufferException broken)
        {
            throw new ModelRefusedException($"The file is not a model that Atoll can read. It was taken for ONNX, and is cut off, damaged or of another kind: {broken.Message}");
        }
        return model.Graph is { Node.Count: > 0, Output.Count: > 0 }
            ? model
            : throw new ModelRefusedException("The file is not a model that Atoll can read. It was taken for ONNX, and has no graph with nodes and outputs.");
    }

    public static IReadOnlyDictionary<string, string> Opsets(ModelProto model) =>
        model.OpsetImport.GroupBy(set => set.Domain.Length > 0 ? set.Domain : "ai.onnx", StringComparer.Ordinal).OrderBy(sets => sets.Key, StringComparer.Ordinal)
            .ToDictionary(sets => sets.Key, sets => sets.Max(set => set.Version).ToString(CultureInfo.InvariantCulture), StringComparer.Ordinal);

    public static IReadOnlyList<OperatorCount> Operators(ModelProto model) =>
        [.. Nodes(model).GroupBy(NameOf, StringComparer.Ordinal).Select(nodes => new OperatorCount(nodes.Key, nodes.Count()))
            .OrderByDescending(found => found.Count).ThenBy(found => found.Name, StringComparer.Ordinal)];

    private static void Check(ModelProto model)
    {
        var own = model.Functions.Select(function => function.Domain).Where(domain => !Domains.Contains(domain)).ToHashSet(StringComparer.Ordinal);
        foreach (var node in Nodes(model))
        {
            if (node.Domain == AtollOperators.Domain || own.Contains(AtollOperators.Domain))
                throw new ModelRefusedException($"The model uses the operator {NameOf(node)}, which is Atoll's own and takes its tables on trust. Import the model from which it was made.");
            if (!Domains.Contains(node.Domain) && !own.Contains(node.Domain))
                throw new ModelRefusedException($"The model uses the operator {NameOf(node)}, and its set '{node.Domain}' is not known here. Export it with the operators of {string.Join(", ", Domains.Skip(1))}.");
        }
        foreach (var tensor in Tensors(model))
        {
            if (tensor.DataLocation == ExternalData || tensor.ExternalData.Count > 0)
                throw new ModelRefusedException($"The weights '{tensor.Name}' lie in another file. Save the model as one file (onnx.save with save_as_external_data=False).");
        }
    }

    private static string NameOf(NodeProto node) => node.Domain is "" or "ai.onnx" ? node.OpType : $"{node.Domain}.{node.OpType}";

    private static IEnumerable<NodeProto> Nodes(ModelProto model) => Nodes(model.Graph).Concat(model.Functions.SelectMany(function => function.Node.SelectMany(Nodes)));

    // The parser refuses files whose messages are nested more deeply than a hundred times, so these end.
    private static IEnumerable<NodeProto> Nodes(GraphProto graph) => graph.Node.SelectMany(Nodes);

    private static IEnumerable<NodeProto> Nodes(NodeProto node) => node.Attribute.SelectMany(Graphs).SelectMany(Nodes).Prepend(node);

    private static IEnumerable<GraphProto> Graphs(AttributeProto attribute) => attribute.G is { } graph ? attribute.Graphs.Prepend(graph) : attribute.Graphs;

    private static IEnumerable<TensorProto> Tensors(ModelProto model) =>
        Tensors(model.Graph).Concat(model.Functions.SelectMany(function => function.AttributeProto.Concat(function.Node.SelectMany(node => node.Attribute)).SelectMany(Tensors)));

    private static IEnumerable<TensorProto> Tensors(GraphProto graph) =>
        graph.Initializer.Concat(graph.SparseInitializer.SelectMany(Tensors)).Concat(graph.Node.SelectMany(node => node.Attribute).SelectMany(Tensors));

    private static IEnumerable<TensorProto> Tensors(AttributeProto attribute) =>
        attribute.Tensors.Append(attribute.T).Concat(attribute.SparseTensors.Append(attribute.SparseTensor).OfType<SparseTensorProto>().SelectMany(Tensors)).OfType<TensorProto>()
            .Concat(Graphs(attribute).SelectMany(Tensors));

    private static IEnumerable<TensorProto> Tensors(SparseTensorProto sparse) => new[] { sparse.Values, sparse.Indices }.OfType<TensorProto>();

    /// <summary>The classes that a classifier of the model names.</summary>
    private static IReadOnlyList<string>? ClassesOf(ModelProto model)
    {
        foreach (var attribute in model.Graph.Node.Where(node => node.Domain == Ml).Reverse().SelectMany(node => node.Attribute))
        {
            switch (attribute.Name)
            {
                case "classlabels_strings" when attribute.Strings.Count > 1:
                    return [.. attribute.Strings.Select(label => label.ToStringUtf8())];
                case "classlabels_ints" or "classlabels_int64s" when attribute.Ints.Count > 1:
                    return [.. attribute.Ints.Select(label => label.ToString(CultureInfo.InvariantCulture))];
                default:
                    break;
            }
        }
        return null;
    }

    /// <summary>Takes out the operator that makes maps of probabilities: the tensor that it reads has them all.</summary>
    private static bool WithoutZipMap(ModelProto model, List<string> notes)
    {
        var labels = ZipMaps.Remove(model);
        foreach (var (output, names) in labels)
            notes.Add($"The output '{output}' was a list of maps (ZipMap); it is served as a tensor of {names.Count} probabilities a row, in the order of the classes.");
        return labels.Count > 0;
    }
}
