namespace Atoll.Training;

/// <summary>Losses and probabilities from raw scores.</summary>
internal static class Losses
{
    /// <summary>The loss of one row: half the squared error, or the log loss.</summary>
    public static double Of(LossKind loss, ReadOnlySpan<double> scores, float target)
    {
        switch (loss)
        {
            case LossKind.Squared:
                var error = scores[0] - target;
                return error * error / 2;
            case LossKind.Logistic:
                // log(1 + e^-m) of the margin m, without overflow.
                var margin = target > 0.5f ? scores[0] : -scores[0];
                return Math.Max(-margin, 0) + Math.Log(1 + Math.Exp(-Math.Abs(margin)));
            default:
                double largest = double.NegativeInfinity, sum = 0;
                foreach (var score in scores) largest = Math.Max(largest, score);
                foreach (var score in scores) sum += Math.Exp(score - largest);
                return Math.Log(sum) + largest - scores[(int)target];
        }
    }

    public static double Sigmoid(double score) =>
        score >= 0 ? 1 / (1 + Math.Exp(-score)) : Math.Exp(score) / (1 + Math.Exp(score));

    /// <summary>Probabilities of all labels (two for <see cref="LossKind.Logistic"/>), or the value itself.</summary>
    public static void ToOutputs(LossKind loss, ReadOnlySpan<double> scores, Span<double> outputs)
    {
        switch (loss)
        {
            case LossKind.Squared:
                outputs[0] = scores[0];
                break;
            case LossKind.Logistic:
                outputs[1] = Sigmoid(scores[0]);
                outputs[0] = 1 - outputs[1];
                break;
            default:
                double largest = double.NegativeInfinity, sum = 0;
                foreach (var score in scores) largest = Math.Max(largest, score);
                for (var k = 0; k < scores.Length; k++) sum += outputs[k] = Math.Exp(scores[k] - largest);
                for (var k = 0; k < scores.Length; k++) outputs[k] /= sum;
                break;
        }
    }
}
