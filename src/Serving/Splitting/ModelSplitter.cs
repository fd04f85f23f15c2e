using System.Security.Cryptography;
using Atoll.Serving.Onnx;
using Atoll.Serving.Onnx.Proto;
using Atoll.Serving.Operators;
using Google.Protobuf;

namespace Atoll.Serving.Splitting;

/// <summary>A model in two parts: a graph that others may have too, and its weights in the order of the graph's further inputs.</summary>
/// <param name="Graph">ONNX, optimised, with inputs <c>i0 ...</c>, <c>w0 ...</c> and outputs <c>o0 ...</c>.</param>
internal sealed record SplitModel(byte[] Graph, IReadOnlyList<OnnxWeight> Weights)
{
    /// <summary>SHA-256 of the graph in hexadecimal: models with the same one can share a session.</summary>
    public string GraphDigest { get; } = Convert.ToHexStringLower(SHA256.HashData(Graph));
}

/// <summary>A model that cannot be split; the message says why.</summary>
internal sealed class ModelSplitException(string message) : Exception(message);

/// <summary>
/// Separates what models of one kind have in common from what each has learned: initialisers become inputs, trees and dictionaries
/// leave their attributes, and all names are replaced, so that the graph's bytes depend on its structure only.
/// </summary>
internal static partial class ModelSplitter
{
    /// <summary>Which initialisers become inputs.</summary>
    public enum Extent
    {
        /// <summary>All but those that tell an operator shapes, axes or counts.</summary>
        Everything,

        /// <summary>Floating-point tensors only, for graphs with operators that insist on constants.</summary>
        FloatingPoint,
    }

    private const string Ml = "ai.onnx.ml";

    // Inputs that change what an operator does rather than what it computes with: part of the structure.
    private static readonly Dictionary<string, int[]> StructuralInputs = new(StringComparer.Ordinal)
    {
        ["Reshape"] = [1], ["Expand"] = [1], ["Slice"] = [1, 2, 3, 4], ["Unsqueeze"] = [1], ["Squeeze"] = [1], ["Pad"] = [1, 3], ["Tile"] = [1],
        ["ConstantOfShape"] = [0], ["Range"] = [0, 1, 2], ["TopK"] = [1], ["Split"] = [1], ["OneHot"] = [1], ["Resize"] = [1, 2, 3], ["Upsample"] = [1],
        ["CumSum"] = [1], ["Trilu"] = [1], ["ReduceSum"] = [1], ["ReduceMean"] = [1], ["ReduceMax"] = [1], ["ReduceMin"] = [1], ["ReduceProd"] = [1],
        ["ReduceL1"] = [1], ["ReduceL2"] = [1], ["ReduceLogSum"] = [1], ["ReduceLogSumExp"] = [1], ["ReduceSumSquare"] = [1],
        ["CenterCropPad"] = [1], ["DFT"] = [1, 2], ["STFT"] = [1, 3], ["MelWeightMatrix"] = [0, 1, 2, 3, 4], ["BlackmanWindow"] = [0],
        ["HannWindow"] = [0], ["HammingWindow"] = [0], ["Dropout"] = [1, 2], ["NonMaxSuppression"] = [2], ["Tokenizer"] = [],
    };

    /// <summary>Splits an optimised model.</summary>
    /// <exception cref="ModelSplitException">It has parts that cannot be shared.</exception>
    public static SplitModel Split(ReadOnlySpan<byte> optimised, Extent extent = Extent.Everything)
    {
        ModelProto model;
        try
        {
            model = ModelProto.Parser.ParseFrom(optimised.ToArray());
        }
        catch (InvalidProtocolBufferException broken)
        {
            throw new ModelSplitException($"It is not in ONNX's binary form: {broken.Message}");
        }
        try
        {
            return new Splitting(model, extent).Run();
        }
        catch (ArgumentException odd)
        {
            // A node without the inputs, outputs or attributes that its operator has, or with one of them twice.
            throw new ModelSplitException($"Its nodes are not put together as their operators demand: {odd.Message}");
        }
    }

    private sealed partial class Splitting(ModelProto model, Extent extent)
    {
        private readonly GraphProto _graph = model.Graph ?? throw new ModelSplitException("It has no graph.");
        private readonly Dictionary<string, TensorProto> _constants = new(StringComparer.Ordinal);
        private readonly Dictionary<string, string> _names = new(StringComparer.Ordinal) { [""] = "" };
        private readonly List<TensorProto> _kept = [];
        private readonly List<OnnxWeight> _weights = [];
        private readonly List<ValueInfoProto> _weightInputs = [];
        private readonly HashSet<string> _structural = new(StringComparer.Ordinal);
        private int _values;

        public SplitModel Run()
        {
            if (model.Functions.Count > 0) throw new ModelSplitException("It has functions of its own.");
            if (_graph.SparseInitializer.Count > 0) throw new ModelSplitException("It has sparse initialisers.");
            foreach (var tensor in _graph.Initializer) _constants[tensor.Name] = tensor;
            var inputs = _graph.Input.Where(input => !_constants.ContainsKey(input.Name)).ToList();
            var outputs = _graph.Output.ToList();
            var nodes = Rewrite();
            foreach (var node in nodes)
            {
                if (node.Attribute.Any(attribute => attribute.G is not null || attribute.Graphs.Count > 0))
                    throw new ModelSplitException($"It has control flow ({node.OpType}).");
                if (!StructuralInputs.TryGetValue(node.OpType, out var positions)) continue;
                foreach (var position in positions)
                    if (position < node.Input.Count) _structural.Add(node.Input[position]);
            }

            for (var i = 0; i < inputs.Count; i++) _names[inputs[i].Name] = $"i{i}";
            for (var i = 0; i < outputs.Count; i++)
            {
                if (!_names.TryAdd(outputs[i].Name, $"o{i}") || _constants.ContainsKey(outputs[i].Name))
                    throw new ModelSplitException($"Its output '{outputs[i].Name}' is one of its inputs or constants.");
            }

            var result = new GraphProto { Name = "split" };
            foreach (var node in nodes)
            {
                var copy = new NodeProto { OpType = node.OpType, Domain = node.Domain };
                foreach (var input in node.Input) copy.Input.Add(NameOf(input));
                foreach (var output in node.Output) copy.Output.Add(_names.TryGetValue(output, out var known) ? known : _names[output] = $"v{_values++}");
                copy.Attribute.Add(node.Attribute.OrderBy(attribute => attribute.Name, StringComparer.Ordinal));
                result.Node.Add(copy);
            }
            for (var i = 0; i < inputs.Count; i++) result.Input.Add(WithoutSizes($"i{i}", inputs[i]));
            result.Input.Add(_weightInputs);
            for (var i = 0; i < outputs.Count; i++) result.Output.Add(WithoutSizes($"o{i}", outputs[i]));
            result.Initializer.Add(_kept);

            var split = new ModelProto { IrVersion = model.IrVersion, Graph = result };
            var domains = result.Node.Select(node => node.Domain).Append("").ToHashSet(StringComparer.Ordinal);
            // Once a session of the process knew our operators, the optimiser lists their domain, too: the digest must not depend on that.
            split.OpsetImport.Add(model.OpsetImport.Where(set => domains.Contains(set.Domain) && set.Domain != AtollOperators.Domain).OrderBy(set => set.Domain, StringComparer.Ordinal));
            if (domains.Contains(AtollOperators.Domain)) split.OpsetImport.Add(new OperatorSetIdProto { Domain = AtollOperators.Domain, Version = 1 });
            return new SplitModel(split.ToByteArray(), _weights);
        }

        /// <summary>The nodes, with constants as initialisers and trees as tensors.</summary>
        private List<NodeProto> Rewrite()
        {
            var nodes = new List<NodeProto>(_graph.Node.Count);
            foreach (var node in _graph.Node)
            {
                if (node is { OpType: "Constant", Domain: "" } && node.Attribute.Count == 1 && node.Attribute[0].T is { } value)
                    _constants[node.Output[0]] = new TensorProto(value) { Name = node.Output[0] };
                else if (node.Domain == Ml && node.OpType is "TreeEnsembleRegressor" or "TreeEnsembleClassifier")
                    WriteTrees(node, nodes);
                else if (node is { OpType: "LabelEncoder", Domain: Ml } && Dictionary(node, out var operation) is { } dictionary)
                    nodes.Add(new NodeProto
                    {
                        OpType = operation, Domain = AtollOperators.Domain, Output = { node.Output[0] },
                        Input = { node.Input[0], Constant("dictionary", TensorElementType.UInt8, [dictionary.Length], dictionary) },
                    });
                else if (node.Domain == Ml && TryRewrite(node, nodes))
                {
                    // Done.
                }
                else if (node.OpType.StartsWith("Random", StringComparison.Ordinal) || node.OpType is "Multinomial" or "Bernoulli")
                    throw new ModelSplitException($"It rolls dice ({node.OpType}), and a session that others use would roll them for all.");
                else if (node.Domain == AtollOperators.Domain)
                    throw new ModelSplitException($"It has a node {node.OpType} of Atoll's own, which models from outside must not use.");
                else if (node.Domain == Ml && node.Attribute.Any(attribute => attribute.Floats.Count + attribute.Strings.Count + attribute.Ints.Count > 0 || attribute.T is not null))
                    throw new ModelSplitException($"Its {node.OpType} keeps what was learned in attributes.");
                else
                    nodes.Add(node);
            }
            return nodes;
        }

        private void WriteTrees(NodeProto node, List<NodeProto> nodes)
        {
            var table = TreeConversion.Convert(node, out var reason) ?? throw new ModelSplitException($"Its trees stay with ONNX Runtime: {reason}.");
            var isClassifier = node.OpType == "TreeEnsembleClassifier";
            var name = Constant("trees", TensorElementType.UInt8, [table.Length], table);
            var scores = isClassifier ? Unused(node.Output.ElementAtOrDefault(1), "scores") : node.Output[0];
            nodes.Add(new NodeProto { OpType = AtollOperators.TreeEnsemble, Domain = AtollOperators.Domain, Input = { node.Input[0], name }, Output = { scores } });
            if (!isClassifier || string.IsNullOrEmpty(node.Output[0])) return;

            var index = Unused(null, "index");
            var transform = TransformOf(table);
            if (transform >= TreeTransform.Complement)
            {
                var (second, isSecond) = (Unused(null, "second"), Unused(null, "is_second"));
                nodes.Add(new NodeProto
                {
                    OpType = "Gather", Input = { scores, Constant("one", TensorElementType.Int64, [], BitConverter.GetBytes(1L)) }, Output = { second },
                    Attribute = { OnnxGraphBuilder.Attribute("axis", 1) },
                });
                nodes.Add(new NodeProto
                {
                    OpType = "Greater", Output = { isSecond },
                    Input = { second, Constant("limit", TensorElementType.Float, [], BitConverter.GetBytes(TreeConversion.LimitOf(transform))) },
                });
                nodes.Add(new NodeProto
                {
                    OpType = "Cast", Input = { isSecond }, Output = { index },
                    Attribute = { OnnxGraphBuilder.Attribute("to", (long)TensorElementType.Int64) },
                });
            }
            else
            {
                nodes.Add(new NodeProto
                {
                    OpType = "ArgMax", Input = { scores }, Output = { index },
                    Attribute = { OnnxGraphBuilder.Attribute("axis", 1), OnnxGraphBuilder.Attribute("keepdims", 0L) },
                });
            }
            nodes.Add(new NodeProto { OpType = "Gather", Input = { Labels(node), index }, Output = { node.Output[0] } });
        }

        /// <summary>The dictionary of a node from strings or whole numbers to whole numbers, or null when it is another one.</summary>
        private static byte[]? Dictionary(NodeProto node, out string operation)
        {
            operation = "";
            // Defaults of other types mean nothing here; tensors of keys, values or defaults would.
            if (node.Attribute.Any(attribute => attribute.Name is not ("keys_strings" or "keys_int64s" or "values_int64s" or "default_int64" or "default_string" or "default_float")))
                return null;
            AttributeProto? Get(string name) => node.Attribute.FirstOrDefault(attribute => attribute.Name == name);
            var strings = Get("keys_strings")?.Strings;
            operation = strings is { Count: > 0 } ? AtollOperators.StringLookup : AtollOperators.IntegerLookup;
            ReadOnlyMemory<byte>[] keys = strings is { Count: > 0 }
                ? [.. strings.Select(key => key.Memory)]
                : [.. (Get("keys_int64s")?.Ints ?? []).Select(key => new ReadOnlyMemory<byte>(BitConverter.GetBytes(key)))];
            var values = Get("values_int64s")?.Ints;
            if (values is null || keys.Length == 0 || keys.Length != values.Count) return null;
            // What ONNX says comes out for unknown keys.
            return LookupTable.Write(keys, values, Get("default_int64")?.I ?? -1);
        }

        private static unsafe TreeTransform TransformOf(byte[] table)
        {
            fixed (byte* bytes = table) return new TreeTable(bytes).Transform;
        }

        private string Labels(NodeProto node)
        {
            foreach (var attribute in node.Attribute)
            {
                switch (attribute.Name)
                {
                    case "classlabels_strings" when attribute.Strings.Count > 0:
                        var tensor = new TensorProto { Name = Unused(null, "labels"), DataType = (int)TensorElementType.String, Dims = { attribute.Strings.Count } };
                        tensor.StringData.Add(attribute.Strings);
                        _constants[tensor.Name] = tensor;
                        return tensor.Name;
                    case "classlabels_int64s" when attribute.Ints.Count > 0:
                        return Constant("labels", TensorElementType.Int64, [attribute.Ints.Count], [.. attribute.Ints.SelectMany(BitConverter.GetBytes)]);
                    default:
                        break;
                }
            }
            throw new ModelSplitException("Its trees have no labels.");
        }

        private string Constant(string hint, TensorElementType type, long[] shape, byte[] bytes)
        {
            var tensor = new TensorProto { Name = Unused(null, hint), DataType = (int)type, RawData = ByteString.CopyFrom(bytes) };
            tensor.Dims.Add(shape);
            _constants[tensor.Name] = tensor;
            return tensor.Name;
        }

        // No model has a name with this character in it by chance; a clash would only fail the parity check.
        private string Unused(string? name, string hint) => string.IsNullOrEmpty(name) ? $"\u0001{hint}{_constants.Count + _values++}" : name;

        private string NameOf(string value)
        {
            if (_names.TryGetValue(value, out var name)) return name;
            if (!_constants.TryGetValue(value, out var tensor)) throw new ModelSplitException($"A node takes '{value}', which nothing gives.");
            return _names[value] = IsWeight(tensor) ? Extract(tensor) : Keep(tensor);
        }

        private bool IsWeight(TensorProto tensor) =>
            !_structural.Contains(tensor.Name) && (extent == Extent.Everything
                ? true
                : (TensorElementType)tensor.DataType is TensorElementType.Float or TensorElementType.Double or TensorElementType.Float16 or TensorElementType.BFloat16
                  || tensor.Name.StartsWith('\u0001'));

        private string Keep(TensorProto tensor)
        {
            var name = $"k{_kept.Count}";
            _kept.Add(new TensorProto(tensor) { Name = name, DocString = "" });
            return name;
        }

        private string Extract(TensorProto tensor)
        {
            var name = $"w{_weights.Count}";
            _weights.Add(TensorProtos.Read(tensor));
            var shape = new TensorShapeProto();
            for (var i = 0; i < tensor.Dims.Count; i++) shape.Dim.Add(new TensorShapeProto.Types.Dimension());
            _weightInputs.Add(new ValueInfoProto
            {
                Name = name,
                Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = tensor.DataType, Shape = shape } },
            });
            return name;
        }

        /// <summary>Type and number of dimensions: their sizes are the model's own, and checked before a run.</summary>
        private static ValueInfoProto WithoutSizes(string name, ValueInfoProto value)
        {
            var type = new TypeProto(value.Type ?? throw new ModelSplitException($"'{value.Name}' has no type."));
            if (type.TensorType is not { } tensor) throw new ModelSplitException($"'{value.Name}' is not a tensor.");
            if (tensor.Shape is { } shape)
            {
                var dimensions = shape.Dim.Count;
                tensor.Shape = new TensorShapeProto();
                for (var i = 0; i < dimensions; i++) tensor.Shape.Dim.Add(new TensorShapeProto.Types.Dimension());
            }
            type.Denotation = "";
            return new ValueInfoProto { Name = name, Type = type };
        }
    }
}
