using System.Diagnostics;
using System.Globalization;
using Atoll.Training.Linear;
using Atoll.Training.Trees;

namespace Atoll.Training.Tabular;

/// <summary>A candidate after cross-validation.</summary>
/// <param name="Name">Algorithm and settings.</param>
/// <param name="Outputs">Predictions for the rows held out: rows x width, by row of the table.</param>
/// <param name="Score">Log loss, or root mean squared error; smaller is better.</param>
/// <param name="Refit">Trains the candidate on all rows and gives it a weight.</param>
internal sealed record CandidateResult(string Name, double[] Outputs, double Score, Func<double, ModelMember> Refit);

/// <summary>Trains candidates on folds, and the chosen ones on everything.</summary>
internal sealed class CandidateSearch
{
    private static readonly double[] Strengths = [300, 100, 30, 10, 3, 1, 0.3];
    private const int LabelsForTreesMost = 30;
    private const int Patience = 60;
    private const float QuickRate = 0.1f;
    private const int SlowRateIterationsMost = 200;
    private const int AllFoldsChooseRowsMost = 6000;
    private const int LeavesOfMeanMost = 40_000;
    private const int MembersMost = 16;

    private readonly PreparationPlan _plan;
    private readonly PreparedRows _rows;
    private readonly TargetValues _target;
    private readonly Folds _folds;
    private readonly TabularParameters _parameters;
    private readonly TrainingSettings _settings;
    private readonly ITrainingReport _report;
    private readonly CancellationToken _cancellationToken;
    private readonly float[]? _weights;
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private readonly int[] _allRows;
    private readonly int[] _allHeld;

    public CandidateSearch(
        PreparationPlan plan, PreparedRows rows, TargetValues target, Folds folds, TabularParameters parameters,
        TrainingSettings settings, ITrainingReport report, CancellationToken cancellationToken)
    {
        _plan = plan;
        _rows = rows;
        _target = target;
        _folds = folds;
        _parameters = parameters;
        _settings = settings;
        _report = report;
        _cancellationToken = cancellationToken;
        _weights = parameters.Balance && !target.IsRegression ? BalancedWeights(target) : null;
        _allRows = [.. Enumerable.Range(0, target.Values.Length)];
        _allHeld = folds.AllHeld;
    }

    public string MetricName => _target.IsRegression ? "rmse" : "log-loss";

    public List<CandidateResult> Run()
    {
        var results = new List<CandidateResult>();
        var useTrees = _parameters.Trees && (_target.Outputs <= LabelsForTreesMost || !_parameters.Linear);
        if (_parameters.Linear)
        {
            _report.Progress("linear models", 0);
            results.Add(Linear());
            _report.Log(Describe(results[^1]));
        }
        if (_parameters.Trees && !useTrees)
            _report.Log($"Trees are left out: {_target.Outputs} labels would need as many trees an iteration.");
        if (useTrees && !(results.Count > 0 && IsLate(0.5)))
        {
            foreach (var scale in Scales())
            {
                if (results.Count > 0 && IsLate(0.6)) break;
                results.Add(Trees(scale));
            }
        }
        return results;
    }

    /// <summary>Log loss, or root mean squared error, of predictions for the rows held out.</summary>
    public double Score(double[] outputs)
    {
        var width = _target.Width;
        double sum = 0, total = 0;
        foreach (var row in _allHeld)
        {
            double weight = _weights?[row] ?? 1;
            total += weight;
            if (_target.IsRegression)
            {
                var error = outputs[row] - _target.Values[row];
                sum += weight * error * error;
            }
            else
            {
                sum -= weight * Math.Log(Math.Max(outputs[(row * width) + (int)_target.Values[row]], 1e-15));
            }
        }
        return _target.IsRegression ? Math.Sqrt(sum / total) : sum / total;
    }

    private string Describe(CandidateResult result) =>
        string.Create(CultureInfo.InvariantCulture, $"{result.Name}: {MetricName} {result.Score:0.#####}");

    private CandidateResult Linear()
    {
        var scale = _target.IsRegression ? ValueScale.Fit(_target.Values, logarithm: false) : null;
        var features = LinearFeatures.Fit(_plan, _rows);
        var shaped = features.Shape(_rows);
        var target = Scaled(scale);
        var outputs = Strengths.Select(_ => new double[_target.Values.Length * _target.Width]).ToArray();
        ForEachFold(fold =>
        {
            LinearModel? model = null;
            var scores = new double[_target.Outputs];
            for (var s = 0; s < Strengths.Length; s++)
            {
                // From strong to weak: each solution is near the one before.
                model = LinearSolver.Fit(
                    new LinearProblem(shaped, target, _target.Loss, _target.Outputs, _folds.Rows[fold], _weights),
                    Strengths[s], model, _cancellationToken);
                foreach (var row in _folds.Held[fold])
                {
                    model.Predict(shaped.Columns(row), shaped.Values(row), scores);
                    TabularModel.ToOutputs(_target.Loss, scale, scores, outputs[s].AsSpan(row * _target.Width, _target.Width));
                }
            }
        });
        var best = 0;
        for (var s = 0; s < Strengths.Length; s++)
        {
            var loss = Score(outputs[s]);
            _report.Metric($"linear/validation/{MetricName}", loss, s);
            if (loss < Score(outputs[best])) best = s;
        }
        var name = string.Create(CultureInfo.InvariantCulture,
            $"{(_target.IsRegression ? "linear" : "logistic")} regression, L2 {Strengths[best]}");
        return new CandidateResult(name, outputs[best], Score(outputs[best]), weight =>
        {
            var model = LinearSolver.Fit(
                new LinearProblem(shaped, target, _target.Loss, _target.Outputs, _allRows, _weights),
                Strengths[best], null, _cancellationToken);
            return new ModelMember(name, weight, new LinearMember(features, model), null, scale);
        });
    }

    /// <summary>Values as they are, and their logarithms where they are positive and spread over magnitudes.</summary>
    private IEnumerable<ValueScale?> Scales()
    {
        if (!_target.IsRegression)
        {
            yield return null;
            yield break;
        }
        yield return ValueScale.Fit(_target.Values, logarithm: false);
        if (_target.Values.Min() < 0) yield break;
        var sorted = _target.Values.Order().ToArray();
        var median = sorted[sorted.Length / 2];
        if (sorted[sorted.Length * 19 / 20] > 2.5f * median) yield return ValueScale.Fit(_target.Values, logarithm: true);
    }

    /// <summary>Picks the size of trees at a quick learning rate, and then the learning rate for that size.</summary>
    private TreeSettings ChooseTrees(float[] target, Func<int, BinnedFeatures> dataOf)
    {
        var rowCount = _folds.RowCount;
        var basis = new TreeSettings
        {
            LearningRate = _parameters.LearningRate ?? QuickRate,
            LeafRowsMin = Math.Clamp(rowCount / 100, 2, 20),
            RowFraction = 0.8,
            FeatureFraction = 0.8,
        };
        int[] sizes = _parameters.Leaves is { } leaves ? [leaves] : [31, 15, 7];
        if (sizes.Length == 1 && _parameters.LearningRate is not null) return basis with { Leaves = sizes[0] };

        // On few rows one fold would choose by chance.
        int[] folds = rowCount <= AllFoldsChooseRowsMost ? [.. Enumerable.Range(0, _folds.Count)] : [0];
        var best = basis;
        var bestLoss = double.PositiveInfinity;
        var bestIterations = _parameters.TreesMost;
        foreach (var size in sizes)
        {
            if (bestLoss < double.PositiveInfinity && IsLate(0.3)) break;
            var settings = basis with { Leaves = size };

            // Small trees that need many more iterations than large ones are not worth their time.
            var most = bestLoss < double.PositiveInfinity ? Math.Min(_parameters.TreesMost, (bestIterations * 2) + Patience) : _parameters.TreesMost;
            var results = new BoostingResult[folds.Length];
            Parallel.For(0, folds.Length, Options, i => results[i] = TrainFold(settings, folds[i], dataOf(folds[i]), target, most, null));
            var (iterations, loss) = BestIteration(results);
            _report.Log(string.Create(CultureInfo.InvariantCulture, $"Trees of {size} leaves: validation loss {loss:0.#####} after {iterations} iterations."));
            if (loss >= bestLoss) continue;
            best = settings;
            bestLoss = loss;
            bestIterations = iterations;
        }
        var isSlowWorthIt = _parameters.LearningRate is null && bestIterations < SlowRateIterationsMost;
        return isSlowWorthIt ? best with { LearningRate = QuickRate / 2 } : best;
    }

    /// <summary>One number of trees for all folds, so that no fold picks the one that flatters it.</summary>
    private static (int Iterations, double Loss) BestIteration(BoostingResult[] results)
    {
        var common = results.Min(result => result.ValidationLosses.Count);
        var best = Enumerable.Range(0, common).MinBy(i => results.Sum(result => result.ValidationLosses[i]));
        return (best + 1, results.Average(result => result.ValidationLosses[best]));
    }

    private CandidateResult Trees(ValueScale? scale)
    {
        var target = Scaled(scale);
        var data = new Lazy<BinnedFeatures>[_folds.Count];
        for (var fold = 0; fold < data.Length; fold++)
        {
            var own = fold;
            data[fold] = new Lazy<BinnedFeatures>(() =>
            {
                var (_, columns) = TreeFeatures.Fit(_plan, _rows, _target, _folds.Rows[own], FoldSeed(own));
                return BinnedFeatures.Fit(columns, _rows.RowCount, BinsMost(columns.Length));
            });
        }
        var chosen = ChooseTrees(target, fold => data[fold].Value);
        var results = new BoostingResult[_folds.Count];
        ForEachFold(fold => results[fold] = TrainFold(chosen, fold, data[fold].Value, target, _parameters.TreesMost, fold == 0 ? Curve(scale) : null));
        var (best, _) = BestIteration(results);
        var outputs = new double[_target.Values.Length * _target.Width];
        ForEachFold(fold =>
        {
            var scores = new double[_target.Outputs];
            foreach (var row in _folds.Held[fold])
            {
                results[fold].Model.Predict(data[fold].Value, row, best, scores);
                TabularModel.ToOutputs(_target.Loss, scale, scores, outputs.AsSpan(row * _target.Width, _target.Width));
            }
        });
        var name = $"boosted trees{(scale is { Logarithm: true } ? " on the logarithm" : "")}, {chosen.Leaves} leaves, {best} iterations";
        var result = new CandidateResult(name, outputs, Score(outputs), weight => RefitTrees(name, weight, chosen, scale, target, best));
        _report.Log(Describe(result));
        return result;
    }

    private ModelMember RefitTrees(string name, double weight, TreeSettings settings, ValueScale? scale, float[] target, int iterations)
    {
        var (features, columns) = TreeFeatures.Fit(_plan, _rows, _target, _allRows, FoldSeed(-1));
        var data = BinnedFeatures.Fit(columns, _rows.RowCount, BinsMost(columns.Length));

        // More rows carry more trees.
        var share = _folds.Rows[0].Length / (double)_allRows.Length;
        iterations = (int)Math.Ceiling(iterations / share);

        // Trees that depend on chance: the mean of several depends less. Memory sets how many.
        var leaves = (long)iterations * settings.Leaves * _target.Outputs;
        var members = new BoostedTrees[_parameters.Averaged ?? (int)Math.Clamp(LeavesOfMeanMost / leaves, 1, MembersMost)];
        var done = 0;
        Parallel.For(0, members.Length, Options, i =>
        {
            members[i] = Boosting.Train(
                new BoostingProblem(data, target, _target.Loss, _target.Outputs, _allRows, [], _weights),
                settings, iterations, int.MaxValue, FoldSeed(-2 - i), null, () => !IsLate(1), _cancellationToken).Model;
            _report.Progress("fit on all rows", 0.8 + (0.2 * Interlocked.Increment(ref done) / members.Length));
        });
        return new ModelMember(name, weight, null, new TreeMember(features, BoostedTrees.Average(members)), scale);
    }

    private static int BinsMost(int features) => features <= 1000 ? FeatureBins.MostBins : 63;

    private BoostingResult TrainFold(
        TreeSettings settings, int fold, BinnedFeatures data, float[] target, int most, Action<int, double, double>? onIteration) =>
        Boosting.Train(
            new BoostingProblem(data, target, _target.Loss, _target.Outputs, _folds.Rows[fold], _folds.Held[fold], _weights),
            settings, most, Patience, FoldSeed(fold), onIteration, () => !IsLate(0.7), _cancellationToken);

    /// <summary>Reports the learning curve of the first fold in the unit of the metric.</summary>
    private Action<int, double, double> Curve(ValueScale? scale)
    {
        var kind = scale is { Logarithm: true } ? "trees-on-logarithm" : "trees";
        double Unit(double loss) => scale is null ? loss : Math.Sqrt(2 * loss) * scale.Deviation;
        return (iteration, train, validation) =>
        {
            _report.Metric($"{kind}/train/{MetricName}", Unit(train), iteration);
            _report.Metric($"{kind}/validation/{MetricName}", Unit(validation), iteration);
            var start = scale is { Logarithm: true } ? 0.45 : 0.1;
            if (iteration % 10 == 0) _report.Progress("boosted trees", start + (0.35 * Math.Min(1, iteration / 500.0)));
        };
    }

    private ParallelOptions Options => new() { MaxDegreeOfParallelism = _settings.Threads, CancellationToken = _cancellationToken };

    private void ForEachFold(Action<int> action) =>
        Parallel.For(0, _folds.Count, Options, action);

    private float[] Scaled(ValueScale? scale) => scale is null ? _target.Values : Array.ConvertAll(_target.Values, scale.ToScore);

    private ulong FoldSeed(int fold) => ((ulong)(uint)_settings.Seed << 32) ^ (uint)(fold + 1000);

    private bool IsLate(double share) => _settings.TimeLimit is { } limit && _watch.Elapsed > limit * share;

    private static float[] BalancedWeights(TargetValues target)
    {
        var counts = new int[target.Labels.Count];
        foreach (var value in target.Values) counts[(int)value]++;
        return Array.ConvertAll(target.Values, value => target.Values.Length / ((float)counts.Length * counts[(int)value]));
    }
}
