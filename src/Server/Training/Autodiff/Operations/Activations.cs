using Atoll.Serving.Onnx;

namespace Atoll.Training.Autodiff;

/// <summary>Functions of one element.</summary>
internal static class Activations
{
    /// <remarks>The mask is a cast of a comparison: Where and Sign take two to three times as long.</remarks>
    public static Tensor Relu(this Tensor x) => Unary("Relu", x, (d, y) => d.Mul(y.IsAbove(0)));

    /// <summary>The exact form, by the error function.</summary>
    public static Tensor Gelu(this Tensor x) => Unary("Gelu", x, (d, _) =>
    {
        var cumulative = (x.Tape.Emit("Erf", [x * (1 / MathF.Sqrt(2))], x.Shape) + 1) * 0.5f;
        var density = (x * x * -0.5f).Exp() * (1 / MathF.Sqrt(2 * MathF.PI));
        return d * (cumulative + x * density);
    });

    public static Tensor Sigmoid(this Tensor x) => Unary("Sigmoid", x, (d, y) => d * (y - y * y));

    public static Tensor Tanh(this Tensor x) => Unary("Tanh", x, (d, y) => d - d * (y * y));

    public static Tensor Exp(this Tensor x) => Unary("Exp", x, (d, y) => d * y);

    public static Tensor Log(this Tensor x) => Unary("Log", x, (d, _) => d / x);

    public static Tensor Sqrt(this Tensor x) => Unary("Sqrt", x, (d, y) => d * 0.5f / y);

    public static Tensor Softplus(this Tensor x) => Unary("Softplus", x, (d, _) => d * x.Sigmoid());

    public static Tensor Negate(this Tensor x) => Unary("Neg", x, (d, _) => d.Negate());

    /// <summary>1 where an element is above a bound, otherwise 0. Not differentiable.</summary>
    public static Tensor IsAbove(this Tensor x, float bound) =>
        x.Tape.Emit("Greater", [x, x.Tape.Scalar(bound)], x.Shape, TensorElementType.Bool).Cast(TensorElementType.Float);

    /// <summary>Changes the element type. Not differentiable.</summary>
    public static Tensor Cast(this Tensor x, TensorElementType type) =>
        x.Tape.Emit("Cast", [x], x.Shape, type, OnnxGraphBuilder.Attribute("to", (long)type));

    private static Tensor Unary(string operation, Tensor x, Func<Tensor, Tensor, Tensor> gradient) =>
        x.Tape.Record(operation, [x], x.Shape, [gradient]);
}
