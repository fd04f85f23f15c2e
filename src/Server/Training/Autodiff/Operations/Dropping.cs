using Atoll.Serving.Onnx;

namespace Atoll.Training.Autodiff;

/// <summary>Dropout: in training each element is left out with a probability, and the rest grow to keep the sum.</summary>
internal static class Dropping
{
    /// <remarks>The stream of masks goes on with every run of a session and starts again with a new session.</remarks>
    public static Tensor Dropout(this Tensor x, float probability)
    {
        var tape = x.Tape;
        if (!tape.IsTraining || probability == 0) return x;
        var training = tape.Emit("Cast", [tape.Int64(1)], [], TensorElementType.Bool, OnnxGraphBuilder.Attribute("to", (long)TensorElementType.Bool));
        var outputs = tape.EmitMany(
            "Dropout", [x, tape.Scalar(probability), training], 2, OnnxGraphBuilder.Attribute("seed", tape.NextDropoutSeed()));
        var kept = tape.Existing(outputs[1], TensorElementType.Bool, x.Shape);
        return tape.Record(
            tape.Existing(outputs[0], TensorElementType.Float, x.Shape), [x],
            (d, _) => d * kept.Cast(TensorElementType.Float) * (1 / (1 - probability)));
    }
}
