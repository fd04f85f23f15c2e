using Atoll.Training;
using Atoll.Training.Linear;
using Xunit;

namespace Atoll.Tests.Training.Linear;

/// <summary>Linear and logistic regression against other ways to the same minimum.</summary>
public sealed class LinearSolverTests
{
    [Theory]
    [InlineData(nameof(LossKind.Squared), 1)]
    [InlineData(nameof(LossKind.Logistic), 1)]
    [InlineData(nameof(LossKind.Softmax), 3)]
    public void Gradient_is_the_slope_of_the_objective(string lossName, int outputs)
    {
        var loss = Enum.Parse<LossKind>(lossName);
        var problem = Problem(loss, outputs, weighted: true);
        var random = new SplitMix64(5);
        var point = new double[5 * outputs];
        for (var i = 0; i < point.Length; i++) point[i] = random.NextDouble() - 0.5;
        var gradient = new double[point.Length];
        LinearSolver.Evaluate(problem, 2, point, gradient);

        var unused = new double[point.Length];
        for (var i = 0; i < point.Length; i++)
        {
            var kept = point[i];
            point[i] = kept + 1e-5;
            var above = LinearSolver.Evaluate(problem, 2, point, unused);
            point[i] = kept - 1e-5;
            var below = LinearSolver.Evaluate(problem, 2, point, unused);
            point[i] = kept;
            Assert.Equal((above - below) / 2e-5, gradient[i], 1e-4);
        }
    }

    [Fact]
    public void Ridge_regression_on_one_feature_is_the_textbook_formula()
    {
        float[] x = [1, 2, 3, 4, 6];
        float[] y = [2, 1, 4, 3, 7];
        var rows = new SparseRows(1);
        foreach (var value in x)
        {
            rows.Add(0, value);
            rows.EndRow();
        }

        var model = LinearSolver.Fit(new LinearProblem(rows, y, LossKind.Squared, 1, [0, 1, 2, 3, 4]), 3, null, CancellationToken.None);

        double meanX = x.Average(), meanY = y.Average();
        var slope = x.Zip(y, (a, b) => (a - meanX) * (b - meanY)).Sum() / (x.Sum(a => (a - meanX) * (a - meanX)) + 3);
        Assert.Equal(slope, model.Weights[0], 1e-8);
        Assert.Equal(meanY - (slope * meanX), model.Intercepts[0], 1e-7);
    }

    [Theory]
    [InlineData(nameof(LossKind.Squared), 1)]
    [InlineData(nameof(LossKind.Logistic), 1)]
    [InlineData(nameof(LossKind.Softmax), 3)]
    public void At_the_solution_the_objective_is_flat(string lossName, int outputs)
    {
        var loss = Enum.Parse<LossKind>(lossName);
        var problem = Problem(loss, outputs, weighted: true);
        var model = LinearSolver.Fit(problem, 0.7, null, CancellationToken.None);

        var gradient = new double[5 * outputs];
        LinearSolver.Evaluate(problem, 0.7, [.. model.Weights, .. model.Intercepts], gradient);

        Assert.All(gradient, slope => Assert.InRange(slope, -0.02, 0.02));
    }

    [Fact]
    public void Newton_steps_and_first_order_steps_meet()
    {
        var problem = Problem(LossKind.Logistic, 1, weighted: false);
        var newton = LinearSolver.Fit(problem, 0.5, null, CancellationToken.None);

        var point = new double[5];
        LimitedMemoryBfgs.Minimise(point, (at, gradient) => LinearSolver.Evaluate(problem, 0.5, at, gradient), 500, 1e-9, CancellationToken.None);

        for (var i = 0; i < 4; i++) Assert.Equal(newton.Weights[i], point[i], 1e-3);
        Assert.Equal(newton.Intercepts[0], point[4], 1e-3);
    }

    [Fact]
    public void Two_labels_are_the_same_problem_for_softmax_and_logistic()
    {
        var logistic = Problem(LossKind.Logistic, 1, weighted: false);
        var softmax = logistic with { Loss = LossKind.Softmax, Outputs = 2 };
        var one = LinearSolver.Fit(logistic, 1, null, CancellationToken.None);

        // Two opposite halves have half the squared weights of their difference.
        var two = LinearSolver.Fit(softmax, 2, null, CancellationToken.None);

        for (var i = 0; i < 4; i++) Assert.Equal(one.Weights[i], two.Weights[(i * 2) + 1] - two.Weights[i * 2], 5e-3);
    }

    [Fact]
    public void Columns_that_repeat_each_other_do_not_break_the_solver()
    {
        var random = new SplitMix64(1);
        var rows = new SparseRows(3);
        var target = new float[60];
        for (var i = 0; i < 60; i++)
        {
            var value = (float)random.NextDouble();
            rows.Add(0, value);
            rows.Add(1, value);
            rows.EndRow();
            target[i] = value > 0.5f ? 1 : 0;
        }

        var model = LinearSolver.Fit(new LinearProblem(rows, target, LossKind.Logistic, 1, [.. Enumerable.Range(0, 60)]), 0.1, null, CancellationToken.None);

        Assert.Equal(model.Weights[0], model.Weights[1], 1e-6);
        Assert.True(model.Weights[0] > 1);
        Assert.Equal(0, model.Weights[2]);
    }

    [Fact]
    public void Labels_that_one_column_parts_perfectly_end_in_finite_weights()
    {
        var rows = new SparseRows(1);
        var target = new float[40];
        for (var i = 0; i < 40; i++)
        {
            rows.Add(0, i - 19.5f);
            rows.EndRow();
            target[i] = i < 20 ? 0 : 1;
        }

        var model = LinearSolver.Fit(new LinearProblem(rows, target, LossKind.Logistic, 1, [.. Enumerable.Range(0, 40)]), 0.01, null, CancellationToken.None);

        Assert.InRange(model.Weights[0], 0.1, 100);
    }

    private static LinearProblem Problem(LossKind loss, int outputs, bool weighted)
    {
        const int Count = 120;
        var random = new SplitMix64(11);
        var rows = new SparseRows(4);
        var target = new float[Count];
        var weights = new float[Count];
        for (var i = 0; i < Count; i++)
        {
            var sum = 0f;
            for (var column = 0; column < 4; column++)
            {
                var value = random.NextDouble() < 0.3 ? 0 : (float)(random.NextDouble() * 2) - 1;
                rows.Add(column, value);
                sum += value * (column - 1);
            }
            rows.EndRow();
            sum += (float)(random.NextDouble() - 0.5);
            target[i] = loss switch
            {
                LossKind.Squared => sum,
                LossKind.Logistic => sum > 0 ? 1 : 0,
                _ => sum < -0.3f ? 0 : sum < 0.4f ? 1 : 2,
            };
            weights[i] = 0.5f + (float)random.NextDouble();
        }
        return new LinearProblem(rows, target, loss, outputs, [.. Enumerable.Range(10, 100)], weighted ? weights : null);
    }
}
