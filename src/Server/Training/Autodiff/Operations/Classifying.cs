using Atoll.Serving.Onnx;

namespace Atoll.Training.Autodiff;

/// <summary>Softmax, and the losses. A loss is a sum over rows times the rows' weights.</summary>
/// <remarks>
/// Row weights add up to 1 over a whole batch, so that parts of a batch can be computed apart and added up, and rows that
/// only fill up the last batch weigh 0.
/// </remarks>
internal static class Classifying
{
    /// <summary>Over the last axis.</summary>
    public static Tensor Softmax(this Tensor x) => x.Tape.Record(
        "Softmax", [x], x.Shape,
        [
            (d, y) =>
            {
                var t = d * y;
                return t - y * t.Sum(-1);
            },
        ],
        OnnxGraphBuilder.Attribute("axis", -1L));

    /// <summary>Cross-entropy of logits [N, C] against label positions [N].</summary>
    /// <param name="logits">Before the softmax.</param>
    /// <param name="labels">INT64 [N].</param>
    /// <param name="rowWeights">[N].</param>
    /// <param name="smoothing">Probability that is spread over all labels.</param>
    public static Tensor CrossEntropy(this Tensor logits, Tensor labels, Tensor rowWeights, float smoothing = 0)
    {
        var tape = logits.Tape;
        var classes = logits.Shape[1];
        var off = smoothing / classes;
        var offOn = tape.Constant([off, 1 - smoothing + off], 2);
        var targets = tape.Emit("OneHot", [labels, tape.Int64(classes), offOn], logits.Shape, OnnxGraphBuilder.Attribute("axis", -1L));
        return logits.SoftCrossEntropy(targets, rowWeights);
    }

    /// <summary>Cross-entropy of logits [N, C] against probabilities [N, C] whose rows add up to 1.</summary>
    public static Tensor SoftCrossEntropy(this Tensor logits, Tensor targets, Tensor rowWeights)
    {
        var tape = logits.Tape;
        var logarithms = tape.Emit("LogSoftmax", [logits], logits.Shape, OnnxGraphBuilder.Attribute("axis", -1L));
        var weights = rowWeights.Reshape(logits.Shape[0], 1);
        var loss = tape.Emit(
            "ReduceSum", [tape.Emit("Mul", [tape.Emit("Mul", [logarithms, targets], logits.Shape), weights], logits.Shape)], [],
            OnnxGraphBuilder.Attribute("keepdims", 0L));
        var negated = tape.Emit("Neg", [loss], []);
        return tape.Record(negated, [logits], (d, _) => d * ((logarithms.Exp() - targets) * weights));
    }

    /// <summary>Mean over the columns of the binary cross-entropy of logits [N, C] against 0 or 1 [N, C].</summary>
    public static Tensor BinaryCrossEntropy(this Tensor logits, Tensor targets, Tensor rowWeights)
    {
        var weights = rowWeights.Reshape(logits.Shape[0], 1) * (1f / logits.Shape[1]);
        return ((logits.Softplus() - logits * targets) * weights).SumAll();
    }

    /// <summary>Mean over the columns of the squared difference of [N, C] and [N, C].</summary>
    public static Tensor SquaredError(this Tensor predictions, Tensor targets, Tensor rowWeights)
    {
        var weights = rowWeights.Reshape(predictions.Shape[0], 1) * (1f / predictions.Shape[1]);
        var difference = predictions - targets;
        return (difference * difference * weights).SumAll();
    }
}
