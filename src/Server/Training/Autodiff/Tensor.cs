using Atoll.Serving.Onnx;

namespace Atoll.Training.Autodiff;

/// <summary>A value of a network under construction: its name in the graph, its element type and its shape.</summary>
internal sealed class Tensor
{
    /// <summary>The size of a dimension that is known only when the model runs; at most one per shape, and only when serving.</summary>
    public const long Free = -1;

    internal Tensor(Tape tape, string name, TensorElementType type, long[] shape, bool needsGradient)
    {
        if (shape.Count(size => size == Free) > 1)
            throw new ArgumentException($"{name} has more than one free dimension: [{string.Join(',', shape)}].");
        Tape = tape;
        Name = name;
        Type = type;
        Shape = shape;
        NeedsGradient = needsGradient;
    }

    public Tape Tape { get; }

    public string Name { get; }

    public TensorElementType Type { get; }

    public long[] Shape { get; }

    public bool NeedsGradient { get; }

    public int Rank => Shape.Length;

    /// <summary>The number of elements, or <see cref="Free"/>.</summary>
    public long Count => Shape.Contains(Free) ? Free : Shape.Aggregate(1L, (product, size) => product * size);

    /// <summary>The axis counted from the front, for axes that may be counted from the back (-1 is the last).</summary>
    public int Axis(int axis) => axis < 0 ? axis + Rank : axis;

    public static Tensor operator +(Tensor a, Tensor b) => a.Add(b);

    public static Tensor operator -(Tensor a, Tensor b) => a.Sub(b);

    public static Tensor operator *(Tensor a, Tensor b) => a.Mul(b);

    public static Tensor operator /(Tensor a, Tensor b) => a.Div(b);

    public static Tensor operator +(Tensor a, float b) => a.Add(a.Tape.Scalar(b));

    public static Tensor operator -(Tensor a, float b) => a.Sub(a.Tape.Scalar(b));

    public static Tensor operator *(Tensor a, float b) => a.Mul(a.Tape.Scalar(b));

    public override string ToString() => $"{Name} {Type}[{string.Join(',', Shape)}]";
}
