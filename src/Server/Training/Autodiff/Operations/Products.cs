using Atoll.Serving.Onnx;

namespace Atoll.Training.Autodiff;

/// <summary>Products of matrices.</summary>
internal static class Products
{
    /// <summary>A product over the last two axes; leading axes are a batch, and may be broadcast.</summary>
    /// <remarks>Transposes in the gradients are folded into the product when the runtime optimises the graph.</remarks>
    public static Tensor MatMul(this Tensor a, Tensor b)
    {
        if (b.Rank == 2 && a.Rank > 2)
        {
            // Flattened, the gradient of b is one product instead of a batch of them and a sum.
            var shape = a.Shape[..^1].Append(b.Shape[1]).ToArray();
            return a.Reshape(Tensor.Free, a.Shape[^1]).MatMul(b).Reshape(shape);
        }
        var batch = Broadcasting.Shape(a.Shape[..^2], b.Shape[..^2]);
        return a.Tape.Record(
            "MatMul", [a, b], [.. batch, a.Shape[^2], b.Shape[^1]],
            [
                (d, _) => d.MatMul(b.TransposeLast()).SumTo(a.Shape),
                (d, _) => a.TransposeLast().MatMul(d).SumTo(b.Shape),
            ]);
    }

    /// <summary>x [M, I] times w [I, O], plus b [O].</summary>
    public static Tensor Gemm(this Tensor x, Tensor w, Tensor b) => x.Tape.Record(
        "Gemm", [x, w, b], [x.Shape[0], w.Shape[1]],
        [
            (d, _) => d.TimesTransposed(w),
            (d, _) => x.TransposedTimes(d),
            (d, _) => d.SumTo(b.Shape),
        ]);

    /// <summary>a times the transpose of b, both matrices. Not differentiable.</summary>
    public static Tensor TimesTransposed(this Tensor a, Tensor b) =>
        a.Tape.Emit("Gemm", [a, b], [a.Shape[0], b.Shape[0]], OnnxGraphBuilder.Attribute("transB", 1L));

    /// <summary>The transpose of a times b, both matrices. Not differentiable.</summary>
    public static Tensor TransposedTimes(this Tensor a, Tensor b) =>
        a.Tape.Emit("Gemm", [a, b], [a.Shape[1], b.Shape[1]], OnnxGraphBuilder.Attribute("transA", 1L));

    private static Tensor TransposeLast(this Tensor x)
    {
        var axes = Enumerable.Range(0, x.Rank).ToArray();
        (axes[^1], axes[^2]) = (axes[^2], axes[^1]);
        return x.Transpose(axes);
    }
}
