namespace Atoll.Serving.Onnx;

/// <summary>What kind of value an input or output is; the numbers are ONNX Runtime's.</summary>
internal enum OnnxValueKind
{
    Unknown = 0,
    Tensor = 1,
    Sequence = 2,
    Map = 3,
    Opaque = 4,
    SparseTensor = 5,
    Optional = 6,
}

/// <summary>An input or output of a model. A dimension of -1 is free.</summary>
internal sealed record OnnxValueInfo(string Name, TensorElementType Type, long[] Shape)
{
    public OnnxValueKind Kind { get; init; } = OnnxValueKind.Tensor;

    /// <summary>False when the model says nothing about the shape; <see cref="Shape"/> is empty then, as for a scalar.</summary>
    public bool HasShape { get; init; } = true;

    /// <summary>The names of free dimensions, empty where there is none.</summary>
    public IReadOnlyList<string> DimensionNames { get; init; } = [];

    /// <summary>The way the value is shown in messages: <c>Float [N, 20]</c>.</summary>
    public string Describe()
    {
        if (Kind != OnnxValueKind.Tensor) return Kind.ToString();
        if (!HasShape) return $"{Type} of any shape";
        return OnnxTensor.Describe(Type, Shape, DimensionNames);
    }
}
