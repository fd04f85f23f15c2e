using System.Numerics.Tensors;

namespace Atoll.Training.Trees;

/// <summary>What boosting learns from.</summary>
/// <param name="Data">Features of all rows.</param>
/// <param name="Target">By row: the value, or the position of the label.</param>
/// <param name="Loss">What is minimised.</param>
/// <param name="Outputs">Number of labels for <see cref="LossKind.Softmax"/>, else 1.</param>
/// <param name="TrainRows">Rows to learn from.</param>
/// <param name="ValidationRows">Rows that decide when to stop; may be empty.</param>
/// <param name="Weights">Weights by row; null for equal ones.</param>
internal sealed record BoostingProblem(
    BinnedFeatures Data, float[] Target, LossKind Loss, int Outputs, int[] TrainRows, int[] ValidationRows, float[]? Weights = null);

/// <summary>The outcome of boosting: the trees, and the loss on the validation rows after each iteration.</summary>
internal sealed record BoostingResult(BoostedTrees Model, IReadOnlyList<double> ValidationLosses);

/// <summary>Gradient boosting: each tree takes a Newton step for the loss that the trees before it leave.</summary>
internal static class Boosting
{
    /// <param name="problem">What to learn from.</param>
    /// <param name="settings">How trees grow.</param>
    /// <param name="iterations">Iterations at most.</param>
    /// <param name="patience">Stops after so many iterations without a better validation loss.</param>
    /// <param name="seed">Of the choice of rows and features.</param>
    /// <param name="onIteration">Told the mean training and validation loss after each iteration.</param>
    /// <param name="mayContinue">Asked before each iteration; false ends the training with the trees so far.</param>
    /// <param name="cancellationToken">Ends the training with an exception.</param>
    public static BoostingResult Train(
        BoostingProblem problem, TreeSettings settings, int iterations, int patience, ulong seed,
        Action<int, double, double>? onIteration, Func<bool>? mayContinue, CancellationToken cancellationToken)
    {
        var data = problem.Data;
        var outputs = problem.Outputs;
        var rowCount = data.RowCount;
        var random = new SplitMix64(seed);
        var grower = new TreeGrower(data, settings);
        var start = BaseScores(problem);

        // Scores are kept per output, so that the loops over rows are vector loops.
        var scores = new float[outputs][];
        for (var k = 0; k < outputs; k++)
        {
            scores[k] = new float[rowCount];
            Array.Fill(scores[k], (float)start[k]);
        }
        var gradients = new float[outputs][];
        var hessians = new float[outputs][];
        for (var k = 0; k < outputs; k++)
        {
            gradients[k] = new float[rowCount];
            hessians[k] = new float[rowCount];
        }

        var trees = new List<Tree>();
        var losses = new List<double>();
        var best = double.PositiveInfinity;
        var bestIteration = 0;
        var bag = problem.TrainRows;
        var bagCount = Math.Max(1, (int)(problem.TrainRows.Length * settings.RowFraction));
        var shuffled = bagCount < bag.Length ? (int[])bag.Clone() : bag;
        var allFeatures = Enumerable.Range(0, data.FeatureCount).ToArray();
        var featureCount = Math.Clamp((int)Math.Ceiling(data.FeatureCount * settings.FeatureFraction), 1, Math.Max(1, data.FeatureCount));
        for (var iteration = 0; iteration < iterations; iteration++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (iteration > 0 && mayContinue is not null && !mayContinue()) break;
            Derive(problem, scores, gradients, hessians);
            if (bagCount < shuffled.Length)
            {
                random.Shuffle(shuffled.AsSpan());
                bag = shuffled[..bagCount];
                Array.Sort(bag);
            }
            var features = allFeatures;
            if (featureCount < features.Length)
            {
                random.Shuffle(allFeatures.AsSpan());
                features = allFeatures[..featureCount];
                Array.Sort(features);
            }
            for (var k = 0; k < outputs; k++)
            {
                var tree = grower.Grow(gradients[k], hessians[k], bag, features);
                trees.Add(tree);
                if (bag.Length == problem.TrainRows.Length)
                {
                    for (var leaf = 0; leaf < tree.Values.Length; leaf++)
                    {
                        var value = tree.Values[leaf];
                        foreach (var row in grower.RowsOf(leaf)) scores[k][row] += value;
                    }
                }
                else
                {
                    AddTree(tree, data, problem.TrainRows, scores[k]);
                }
                AddTree(tree, data, problem.ValidationRows, scores[k]);
            }
            if (problem.ValidationRows.Length > 0)
            {
                var loss = MeanLoss(problem, scores, problem.ValidationRows);
                losses.Add(loss);
                onIteration?.Invoke(iteration, MeanLoss(problem, scores, problem.TrainRows), loss);
                if (loss < best)
                {
                    best = loss;
                    bestIteration = iteration;
                }
                if (iteration - bestIteration >= patience) break;
            }
            else
            {
                onIteration?.Invoke(iteration, MeanLoss(problem, scores, problem.TrainRows), double.NaN);
            }
        }
        return new BoostingResult(new BoostedTrees { Base = start, Trees = trees }, losses);
    }

    private static double[] BaseScores(BoostingProblem problem)
    {
        var sums = new double[Math.Max(2, problem.Outputs)];
        double total = 0;
        foreach (var row in problem.TrainRows)
        {
            var weight = problem.Weights?[row] ?? 1;
            total += weight;
            if (problem.Loss == LossKind.Squared) sums[0] += weight * problem.Target[row];
            else sums[(int)problem.Target[row]] += weight;
        }
        switch (problem.Loss)
        {
            case LossKind.Squared:
                return [sums[0] / total];
            case LossKind.Logistic:
                var share = Math.Clamp(sums[1] / total, 1e-6, 1 - 1e-6);
                return [Math.Log(share / (1 - share))];
            default:
                return [.. sums.Select(sum => Math.Log(Math.Max(sum, 0.5) / total))];
        }
    }

    private static void Derive(BoostingProblem problem, float[][] scores, float[][] gradients, float[][] hessians)
    {
        var target = problem.Target;
        switch (problem.Loss)
        {
            case LossKind.Squared:
                TensorPrimitives.Subtract(scores[0], target, gradients[0]);
                Array.Fill(hessians[0], 1f);
                break;
            case LossKind.Logistic:
                TensorPrimitives.Sigmoid(scores[0], gradients[0]);
                TensorPrimitives.Subtract(1f, gradients[0], hessians[0]);
                TensorPrimitives.Multiply(hessians[0], gradients[0], hessians[0]);
                TensorPrimitives.Subtract(gradients[0], target, gradients[0]);
                break;
            default:
                var outputs = problem.Outputs;
                Span<float> row = stackalloc float[outputs];
                var factor = outputs / (outputs - 1f);
                for (var i = 0; i < target.Length; i++)
                {
                    for (var k = 0; k < outputs; k++) row[k] = scores[k][i];
                    TensorPrimitives.SoftMax(row, row);
                    var label = (int)target[i];
                    for (var k = 0; k < outputs; k++)
                    {
                        gradients[k][i] = row[k] - (label == k ? 1 : 0);
                        hessians[k][i] = factor * row[k] * (1 - row[k]);
                    }
                }
                break;
        }
        if (problem.Weights is not { } weights) return;
        for (var k = 0; k < problem.Outputs; k++)
        {
            TensorPrimitives.Multiply(gradients[k], weights, gradients[k]);
            TensorPrimitives.Multiply(hessians[k], weights, hessians[k]);
        }
    }

    private static void AddTree(Tree tree, BinnedFeatures data, int[] rows, float[] scores)
    {
        var featureCount = data.FeatureCount;
        var bins = data.Bins.AsSpan();
        foreach (var row in rows)
            scores[row] += tree.Values[tree.LeafOf(bins.Slice(row * featureCount, featureCount), data.Features)];
    }

    private static double MeanLoss(BoostingProblem problem, float[][] scores, int[] rows)
    {
        double sum = 0, total = 0;
        Span<double> row = stackalloc double[problem.Outputs];
        foreach (var i in rows)
        {
            for (var k = 0; k < row.Length; k++) row[k] = scores[k][i];
            var weight = problem.Weights?[i] ?? 1;
            sum += weight * Losses.Of(problem.Loss, row, problem.Target[i]);
            total += weight;
        }
        return total > 0 ? sum / total : 0;
    }
}
