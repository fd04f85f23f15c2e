using Atoll.Serving.Onnx;

namespace Atoll.Training.Autodiff;

/// <summary>Rows of a table by their numbers.</summary>
internal static class Embedding
{
    // Up to here a product with one-hot rows costs the same as scattering, and it may run on any number of threads.
    private const long SmallTable = 50;

    /// <summary>The rows of <paramref name="table"/> [V, D] that <paramref name="ids"/> names: [..., D].</summary>
    /// <remarks>
    /// The gradient adds rows up with ScatterND, whose CPU kernel races with itself when an id occurs twice and the session has
    /// more than one thread (microsoft/onnxruntime#18048): training sessions therefore have one.
    /// </remarks>
    public static Tensor Embed(this Tensor table, Tensor ids) => table.Tape.Record(
        "Gather", [table, ids], [.. ids.Shape, table.Shape[1]], [(d, _) => Scatter(table, ids, d), null]);

    private static Tensor Scatter(Tensor table, Tensor ids, Tensor d)
    {
        var tape = table.Tape;
        var (rows, width) = (table.Shape[0], table.Shape[1]);
        var gradients = d.Reshape(Tensor.Free, width);
        if (rows <= SmallTable)
        {
            var flat = ids.Reshape(Tensor.Free);
            var oneHot = tape.Emit(
                "OneHot", [flat, tape.Int64(rows), tape.Shared("off on", () => tape.Constant([0, 1], 2))], [flat.Count, rows],
                OnnxGraphBuilder.Attribute("axis", -1L));
            return oneHot.TransposedTimes(gradients);
        }
        var zeros = tape.Emit("Expand", [tape.Scalar(0), tape.Int64s(table.Shape)], table.Shape);
        return tape.Emit(
            "ScatterND", [zeros, ids.Reshape(Tensor.Free, 1), gradients], table.Shape, OnnxGraphBuilder.Attribute("reduction", "add"));
    }
}
