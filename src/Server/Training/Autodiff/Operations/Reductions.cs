using Atoll.Serving.Onnx;

namespace Atoll.Training.Autodiff;

/// <summary>Sums, means and maxima over axes, which stay with size 1.</summary>
internal static class Reductions
{
    /// <summary>The sum of all elements, without dimensions.</summary>
    public static Tensor SumAll(this Tensor x) =>
        x.Tape.Record("ReduceSum", [x], [], [(d, _) => d.Expand(x.Shape)], OnnxGraphBuilder.Attribute("keepdims", 0L));

    public static Tensor Sum(this Tensor x, params int[] axes) =>
        Reduce("ReduceSum", x, axes, (d, _) => d.Expand(x.Shape));

    public static Tensor Mean(this Tensor x, params int[] axes)
    {
        var count = axes.Aggregate(1L, (product, axis) => product * x.Shape[x.Axis(axis)]);
        return Reduce("ReduceMean", x, axes, (d, _) => (d * (1f / count)).Expand(x.Shape));
    }

    /// <summary>The largest element; where several are equal each gets the gradient.</summary>
    public static Tensor Max(this Tensor x, params int[] axes) =>
        Reduce("ReduceMax", x, axes, (d, y) => d * x.IsEqualTo(y));

    /// <summary>1 where two tensors agree, otherwise 0. Not differentiable.</summary>
    public static Tensor IsEqualTo(this Tensor x, Tensor other) =>
        x.Tape.Emit("Equal", [x, other], Broadcasting.Shape(x.Shape, other.Shape), TensorElementType.Bool).Cast(TensorElementType.Float);

    private static Tensor Reduce(string operation, Tensor x, int[] axes, Func<Tensor, Tensor, Tensor> gradient)
    {
        var shape = (long[])x.Shape.Clone();
        foreach (var axis in axes) shape[x.Axis(axis)] = 1;
        var positions = x.Tape.Int64s(Array.ConvertAll(axes, axis => (long)x.Axis(axis)));
        return x.Tape.Record(operation, [x, positions], shape, [gradient, null]);
    }
}
