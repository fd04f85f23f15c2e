using System.Runtime.InteropServices;
using Atoll.Serving.Onnx.Proto;
using Google.Protobuf;

namespace Atoll.Serving.Onnx;

/// <summary>Builds an ONNX graph node by node. Values are named by strings, as in the format itself.</summary>
/// <remarks>Source: ONNX IR specification (onnx/onnx: docs/IR.md).</remarks>
internal sealed class OnnxGraphBuilder(string name)
{
    // What we emit is opset 20 of ai.onnx and 3 of ai.onnx.ml; IR 9 is the version that was released with them.
    private const int IrVersion = 9;
    private const int OnnxOpset = 20;
    private const int MlOpset = 3;

    private readonly GraphProto _graph = new() { Name = name };
    private readonly HashSet<string> _names = [];
    private readonly HashSet<string> _domains = [""];

    public int NodeCount => _graph.Node.Count;

    /// <summary>Declares a graph input. A dimension is a number, or a name for one that is free (<c>"N"</c>).</summary>
    public string Input(string inputName, TensorElementType type, params ReadOnlySpan<object> dimensions)
    {
        _names.Add(inputName);
        _graph.Input.Add(Describe(inputName, type, dimensions));
        return inputName;
    }

    /// <summary>Makes <paramref name="value"/> a graph output called <paramref name="outputName"/>.</summary>
    public void Output(string outputName, string value, TensorElementType type, params ReadOnlySpan<object> dimensions)
    {
        if (outputName != value)
        {
            _names.Add(outputName);
            _graph.Node.Add(new NodeProto { OpType = "Identity", Input = { value }, Output = { outputName } });
        }
        _graph.Output.Add(Describe(outputName, type, dimensions));
    }

    public string Constant(string hint, ReadOnlySpan<float> values, params ReadOnlySpan<long> dimensions) =>
        Initializer(hint, TensorElementType.Float, MemoryMarshal.AsBytes(values), values.Length, dimensions);

    public string Constant(string hint, ReadOnlySpan<long> values, params ReadOnlySpan<long> dimensions) =>
        Initializer(hint, TensorElementType.Int64, MemoryMarshal.AsBytes(values), values.Length, dimensions);

    public string Constant(string hint, ReadOnlySpan<int> values, params ReadOnlySpan<long> dimensions) =>
        Initializer(hint, TensorElementType.Int32, MemoryMarshal.AsBytes(values), values.Length, dimensions);

    public string Constant(string hint, ReadOnlySpan<byte> values, params ReadOnlySpan<long> dimensions) =>
        Initializer(hint, TensorElementType.UInt8, values, values.Length, dimensions);

    public string Constant(string hint, ReadOnlySpan<sbyte> values, params ReadOnlySpan<long> dimensions) =>
        Initializer(hint, TensorElementType.Int8, MemoryMarshal.AsBytes(values), values.Length, dimensions);

    public string Constant(string hint, IReadOnlyList<string> values, params ReadOnlySpan<long> dimensions)
    {
        var tensor = new TensorProto { Name = Unique(hint), DataType = (int)TensorElementType.String };
        SetDimensions(tensor, dimensions, values.Count);
        foreach (var value in values) tensor.StringData.Add(ByteString.CopyFromUtf8(value));
        _graph.Initializer.Add(tensor);
        return tensor.Name;
    }

    /// <summary>A constant of any element type that has a .NET type: for those without an overload (double, bool, Half ...).</summary>
    public string ConstantOf<T>(string hint, ReadOnlySpan<T> values, params ReadOnlySpan<long> dimensions) where T : unmanaged =>
        Initializer(hint, TensorElements.Of<T>(), MemoryMarshal.AsBytes(values), values.Length, dimensions);

    /// <summary>A constant without dimensions.</summary>
    public string Scalar(string hint, float value) =>
        Initializer(hint, TensorElementType.Float, MemoryMarshal.AsBytes([value]), 1, [], scalar: true);

    /// <inheritdoc cref="Scalar(string, float)"/>
    public string Scalar(string hint, long value) =>
        Initializer(hint, TensorElementType.Int64, MemoryMarshal.AsBytes([value]), 1, [], scalar: true);

    /// <inheritdoc cref="Scalar(string, float)"/>
    public string Scalar(string hint, bool value) =>
        Initializer(hint, TensorElementType.Bool, [value ? (byte)1 : (byte)0], 1, [], scalar: true);

    /// <summary>Adds a node with one output and returns the output's name.</summary>
    public string Node(string operation, ReadOnlySpan<string> inputs, params ReadOnlySpan<AttributeProto> attributes) =>
        Node("", operation, inputs, 1, attributes)[0];

    /// <summary>Adds a node of another operator domain, such as <c>ai.onnx.ml</c> or <c>com.microsoft</c>.</summary>
    public string[] Node(
        string domain, string operation, ReadOnlySpan<string> inputs, int outputs, params ReadOnlySpan<AttributeProto> attributes)
    {
        _domains.Add(domain);
        var node = new NodeProto { OpType = operation, Domain = domain };
        foreach (var input in inputs) node.Input.Add(input);
        foreach (var attribute in attributes) node.Attribute.Add(attribute);
        var names = new string[outputs];
        for (var i = 0; i < outputs; i++)
        {
            names[i] = Unique(operation);
            node.Output.Add(names[i]);
        }
        _graph.Node.Add(node);
        return names;
    }

    /// <summary>The finished model in ONNX's binary form.</summary>
    public byte[] ToBytes(IEnumerable<KeyValuePair<string, string>>? metadata = null) => ToModel(metadata).ToByteArray();

    public ModelProto ToModel(IEnumerable<KeyValuePair<string, string>>? metadata = null)
    {
        var model = new ModelProto { IrVersion = IrVersion, ProducerName = "atoll", Graph = _graph };
        foreach (var domain in _domains.Order(StringComparer.Ordinal))
        {
            var version = domain switch { "" => OnnxOpset, "ai.onnx.ml" => MlOpset, _ => 1 };
            model.OpsetImport.Add(new OperatorSetIdProto { Domain = domain, Version = version });
        }
        foreach (var (key, value) in metadata ?? [])
            model.MetadataProps.Add(new StringStringEntryProto { Key = key, Value = value });
        return model;
    }

    /// <summary>
    /// This graph as the body of a Loop, Scan or If of another one. A body sees the values of the outer graph by name, so the
    /// names of the two must differ where they do not mean the same.
    /// </summary>
    public AttributeProto ToBody(string attributeName, OnnxGraphBuilder outer)
    {
        outer._domains.UnionWith(_domains);
        return new AttributeProto { Name = attributeName, Type = AttributeProto.Types.AttributeType.Graph, G = _graph };
    }

    /// <summary>A name that no value of this graph has yet.</summary>
    public string Unique(string hint)
    {
        var candidate = hint;
        for (var i = 1; !_names.Add(candidate); i++) candidate = $"{hint}_{i}";
        return candidate;
    }

    public static AttributeProto Attribute(string attributeName, long value) =>
        new() { Name = attributeName, Type = AttributeProto.Types.AttributeType.Int, I = value };

    public static AttributeProto Attribute(string attributeName, float value) =>
        new() { Name = attributeName, Type = AttributeProto.Types.AttributeType.Float, F = value };

    public static AttributeProto Attribute(string attributeName, string value) =>
        new() { Name = attributeName, Type = AttributeProto.Types.AttributeType.String, S = ByteString.CopyFromUtf8(value) };

    public static AttributeProto Attribute(string attributeName, TensorProto value) =>
        new() { Name = attributeName, Type = AttributeProto.Types.AttributeType.Tensor, T = value };

    public static AttributeProto Attribute(string attributeName, IEnumerable<long> values) =>
        new() { Name = attributeName, Type = AttributeProto.Types.AttributeType.Ints, Ints = { values } };

    public static AttributeProto Attribute(string attributeName, IEnumerable<float> values) =>
        new() { Name = attributeName, Type = AttributeProto.Types.AttributeType.Floats, Floats = { values } };

    public static AttributeProto Attribute(string attributeName, IEnumerable<string> values) =>
        new() { Name = attributeName, Type = AttributeProto.Types.AttributeType.Strings, Strings = { values.Select(ByteString.CopyFromUtf8) } };

    private string Initializer(
        string hint, TensorElementType type, ReadOnlySpan<byte> bytes, int count, ReadOnlySpan<long> dimensions, bool scalar = false)
    {
        var tensor = new TensorProto { Name = Unique(hint), DataType = (int)type, RawData = ByteString.CopyFrom(bytes) };
        if (!scalar) SetDimensions(tensor, dimensions, count);
        _graph.Initializer.Add(tensor);
        return tensor.Name;
    }

    private static void SetDimensions(TensorProto tensor, ReadOnlySpan<long> dimensions, int count)
    {
        if (dimensions.IsEmpty)
        {
            tensor.Dims.Add(count);
            return;
        }
        long product = 1;
        foreach (var dimension in dimensions)
        {
            tensor.Dims.Add(dimension);
            product *= dimension;
        }
        if (product != count)
            throw new ArgumentException($"{count} values do not fill a tensor of shape [{string.Join(',', dimensions.ToArray())}].");
    }

    private static ValueInfoProto Describe(string valueName, TensorElementType type, ReadOnlySpan<object> dimensions)
    {
        var shape = new TensorShapeProto();
        foreach (var dimension in dimensions)
        {
            shape.Dim.Add(dimension switch
            {
                string free => new TensorShapeProto.Types.Dimension { DimParam = free },
                int number => new TensorShapeProto.Types.Dimension { DimValue = number },
                long number => new TensorShapeProto.Types.Dimension { DimValue = number },
                _ => throw new ArgumentException($"A dimension is a number or a name, not {dimension}."),
            });
        }
        return new ValueInfoProto
        {
            Name = valueName,
            Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)type, Shape = shape } },
        };
    }
}
