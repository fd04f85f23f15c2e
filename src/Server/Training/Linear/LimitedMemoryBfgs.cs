using System.Numerics.Tensors;

namespace Atoll.Training.Linear;

/// <summary>Minimises a smooth convex function from its gradients, remembering the last few steps.</summary>
/// <remarks>Source: Nocedal, Wright: Numerical Optimization, algorithms 7.4 and 3.1.</remarks>
internal static class LimitedMemoryBfgs
{
    private const int Memory = 10;

    /// <summary>Gives the value at a point and writes its gradient.</summary>
    public delegate double Objective(ReadOnlySpan<double> point, Span<double> gradient);

    /// <param name="point">Where to start, and the minimum on return.</param>
    /// <param name="objective">What to minimise.</param>
    /// <param name="iterations">Steps at most.</param>
    /// <param name="tolerance">Stops when a step gains less than this share of the value, or the gradient has vanished.</param>
    /// <param name="cancellationToken">Ends the search with an exception.</param>
    public static double Minimise(
        double[] point, Objective objective, int iterations, double tolerance, CancellationToken cancellationToken)
    {
        var size = point.Length;
        var gradient = new double[size];
        var nextGradient = new double[size];
        var next = new double[size];
        var direction = new double[size];
        var steps = new List<double[]>();
        var changes = new List<double[]>();
        Span<double> alphas = stackalloc double[Memory];
        var value = objective(point, gradient);
        var small = 0;
        for (var iteration = 0; iteration < iterations; iteration++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (TensorPrimitives.Norm<double>(gradient) <= 1e-9 * (1 + Math.Abs(value))) break;
            gradient.CopyTo(direction, 0);
            for (var i = steps.Count - 1; i >= 0; i--)
            {
                alphas[i] = TensorPrimitives.Dot<double>(steps[i], direction) / TensorPrimitives.Dot<double>(steps[i], changes[i]);
                TensorPrimitives.MultiplyAdd(changes[i], -alphas[i], direction, direction);
            }
            var scale = steps.Count == 0
                ? 1 / Math.Max(1, TensorPrimitives.Norm<double>(gradient))
                : TensorPrimitives.Dot<double>(steps[^1], changes[^1]) / TensorPrimitives.Dot<double>(changes[^1], changes[^1]);
            TensorPrimitives.Multiply(direction, scale, direction);
            for (var i = 0; i < steps.Count; i++)
            {
                var beta = TensorPrimitives.Dot<double>(changes[i], direction) / TensorPrimitives.Dot<double>(steps[i], changes[i]);
                TensorPrimitives.MultiplyAdd(steps[i], alphas[i] - beta, direction, direction);
            }
            var slope = -TensorPrimitives.Dot<double>(gradient, direction);
            if (slope >= 0) break;

            var length = 1.0;
            double reached;
            var accepted = false;
            while (true)
            {
                TensorPrimitives.MultiplyAdd(direction, -length, point, next);
                reached = objective(next, nextGradient);
                accepted = reached <= value + (1e-4 * length * slope);
                if (accepted || length < 1e-10) break;
                length /= 2;
            }
            if (!accepted) break;

            var step = new double[size];
            var change = new double[size];
            TensorPrimitives.Subtract<double>(next, point, step);
            TensorPrimitives.Subtract<double>(nextGradient, gradient, change);

            // Only steps along which the slope grows describe a convex bowl.
            if (TensorPrimitives.Dot<double>(step, change) > 1e-12 * TensorPrimitives.Dot<double>(step, step))
            {
                if (steps.Count == Memory)
                {
                    steps.RemoveAt(0);
                    changes.RemoveAt(0);
                }
                steps.Add(step);
                changes.Add(change);
            }
            var gained = value - reached;
            next.CopyTo(point, 0);
            nextGradient.CopyTo(gradient, 0);
            value = reached;
            small = gained <= tolerance * 1e-2 * Math.Max(1, Math.Abs(value)) ? small + 1 : 0;
            if (small >= 3) break;
        }
        return value;
    }
}
