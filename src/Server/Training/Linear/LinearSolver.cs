using System.Numerics.Tensors;

namespace Atoll.Training.Linear;

/// <summary>What a linear model learns from.</summary>
/// <param name="Rows">Features of all rows.</param>
/// <param name="Target">By row: the value, or the position of the label.</param>
/// <param name="Loss">What is minimised.</param>
/// <param name="Outputs">Number of labels for <see cref="LossKind.Softmax"/>, else 1.</param>
/// <param name="TrainRows">Rows to learn from.</param>
/// <param name="Weights">Weights by row; null for equal ones.</param>
internal sealed record LinearProblem(
    SparseRows Rows, float[] Target, LossKind Loss, int Outputs, int[] TrainRows, float[]? Weights = null);

/// <summary>Fits linear and logistic regression: the sum of losses plus half of l2 times the squared weights, to its minimum.</summary>
internal static class LinearSolver
{
    // A Newton step costs columns^3 / 3; beyond this, first-order steps are cheaper.
    private const int NewtonColumnsMost = 600;

    public static LinearModel Fit(LinearProblem problem, double l2, LinearModel? start, CancellationToken cancellationToken)
    {
        var columns = problem.Rows.ColumnCount;
        var outputs = problem.Outputs;
        var parameters = new double[(columns + 1) * outputs];
        if (start is not null)
        {
            start.Weights.CopyTo(parameters, 0);
            start.Intercepts.CopyTo(parameters, columns * outputs);
        }
        if (outputs == 1 && columns <= NewtonColumnsMost) Newton(problem, l2, parameters, cancellationToken);
        else LimitedMemoryBfgs.Minimise(parameters, (point, gradient) => Evaluate(problem, l2, point, gradient), 300, 1e-5, cancellationToken);
        return new LinearModel(parameters[..(columns * outputs)], parameters[(columns * outputs)..]);
    }

    /// <summary>The objective and its gradient; the intercepts stand behind the weights and are not pulled to zero.</summary>
    internal static double Evaluate(LinearProblem problem, double l2, ReadOnlySpan<double> point, Span<double> gradient)
    {
        var outputs = problem.Outputs;
        var weightCount = problem.Rows.ColumnCount * outputs;
        gradient.Clear();
        Span<double> scores = stackalloc double[outputs];
        Span<double> probabilities = stackalloc double[Math.Max(2, outputs)];
        double sum = 0;
        foreach (var row in problem.TrainRows)
        {
            var columns = problem.Rows.Columns(row);
            var values = problem.Rows.Values(row);
            point[weightCount..].CopyTo(scores);
            for (var i = 0; i < columns.Length; i++)
            {
                double value = values[i];
                var weights = point.Slice(columns[i] * outputs, outputs);
                for (var k = 0; k < weights.Length; k++) scores[k] += value * weights[k];
            }
            var target = problem.Target[row];
            double rowWeight = problem.Weights?[row] ?? 1;
            sum += rowWeight * Losses.Of(problem.Loss, scores, target);

            // From here on the scores hold the derivative.
            Losses.ToOutputs(problem.Loss, scores, probabilities);
            switch (problem.Loss)
            {
                case LossKind.Squared:
                    scores[0] -= target;
                    break;
                case LossKind.Logistic:
                    scores[0] = probabilities[1] - target;
                    break;
                default:
                    probabilities[..outputs].CopyTo(scores);
                    scores[(int)target] -= 1;
                    break;
            }
            for (var k = 0; k < outputs; k++)
            {
                scores[k] *= rowWeight;
                gradient[weightCount + k] += scores[k];
            }
            for (var i = 0; i < columns.Length; i++)
            {
                double value = values[i];
                var into = gradient.Slice(columns[i] * outputs, outputs);
                for (var k = 0; k < into.Length; k++) into[k] += value * scores[k];
            }
        }
        var weightsOnly = point[..weightCount];
        TensorPrimitives.MultiplyAdd(weightsOnly, l2, gradient[..weightCount], gradient[..weightCount]);
        return sum + (l2 / 2 * TensorPrimitives.Dot(weightsOnly, weightsOnly));
    }

    private static void Newton(LinearProblem problem, double l2, double[] parameters, CancellationToken cancellationToken)
    {
        var size = parameters.Length;
        var intercept = size - 1;
        var hessian = new double[size * size];
        var gradient = new double[size];
        var step = new double[size];
        var candidate = new double[size];
        var objective = Evaluate(problem, l2, parameters, gradient);
        for (var iteration = 0; iteration < 50; iteration++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            FillHessian(problem, l2, parameters, hessian);
            gradient.CopyTo(step, 0);
            Cholesky.SolveInPlace(hessian, size, step);

            // The step downhill promises half of gradient x step; below rounding there is nothing left to gain.
            var promised = TensorPrimitives.Dot<double>(gradient, step);
            if (promised <= 1e-10 * (Math.Abs(objective) + 1)) break;
            var length = 1.0;
            double reached;
            while (true)
            {
                for (var i = 0; i < size; i++) candidate[i] = parameters[i] - (length * step[i]);
                reached = Evaluate(problem, l2, candidate, gradient);
                if (reached <= objective - (1e-4 * length * promised) || length < 1e-6) break;
                length /= 2;
            }
            if (reached > objective) break;
            candidate.CopyTo(parameters, 0);
            objective = reached;
            if (problem.Loss == LossKind.Squared) break;
        }
    }

    private static void FillHessian(LinearProblem problem, double l2, double[] parameters, double[] hessian)
    {
        var size = parameters.Length;
        var intercept = size - 1;
        Array.Clear(hessian);
        foreach (var row in problem.TrainRows)
        {
            var columns = problem.Rows.Columns(row);
            var values = problem.Rows.Values(row);
            double weight = problem.Weights?[row] ?? 1;
            if (problem.Loss == LossKind.Logistic)
            {
                var score = parameters[intercept];
                for (var i = 0; i < columns.Length; i++) score += values[i] * parameters[columns[i]];
                var probability = Losses.Sigmoid(score);
                weight *= probability * (1 - probability);
            }

            // Columns ascend within a row, so this fills the lower triangle.
            for (var i = 0; i < columns.Length; i++)
            {
                var weighted = weight * values[i];
                var into = hessian.AsSpan(columns[i] * size, size);
                for (var j = 0; j <= i; j++) into[columns[j]] += weighted * values[j];
                hessian[(intercept * size) + columns[i]] += weighted;
            }
            hessian[(intercept * size) + intercept] += weight;
        }

        // A trace on the intercept keeps the matrix positive when every weight has vanished.
        for (var i = 0; i < size; i++) hessian[(i * size) + i] += i < intercept ? l2 + 1e-9 : 1e-9;
    }
}
