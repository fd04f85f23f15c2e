using System.Numerics.Tensors;
using Atoll.Contracts;
using Atoll.Training.Evaluation;

namespace Atoll.Training.Text;

/// <summary>One loss function at one strength, and how much of its scores goes into a model's.</summary>
internal sealed record TextPart(LinearLoss Loss, float Strength, float Share);

/// <summary>Rows that a solver has learned from, and its dual variables of them.</summary>
internal sealed record TextStart(int[] Rows, float[] Dual);

/// <summary>A setting that was tried on held-out texts, and what turns its scores into probabilities.</summary>
internal sealed record TextCandidate(string Name, string Metric, double Score, IReadOnlyList<TextPart> Parts)
{
    /// <summary>Factor on each label's score.</summary>
    public required float[] Factors { get; init; }

    /// <summary>Added to each label's score.</summary>
    public required float[] Shifts { get; init; }

    /// <summary>For multi-label the probability from which a label is selected.</summary>
    public float[]? Thresholds { get; init; }

    /// <summary>Works factors and shifts into the weights.</summary>
    public void Calibrate(LinearWeights weights)
    {
        for (var feature = 0; feature < weights.FeatureCount; feature++)
        {
            var row = weights.Values.AsSpan(feature * weights.Stride, weights.LabelCount);
            TensorPrimitives.Multiply(row, Factors, row);
        }
        for (var label = 0; label < weights.LabelCount; label++) weights.Bias[label] = weights.Bias[label] * Factors[label] + Shifts[label];
    }
}

/// <summary>Chooses the settings of a text model on texts held out from training, by cross-validation when there are few.</summary>
internal sealed class TextSelection(
    FeatureRows rows, IReadOnlyList<int[]> labels, int labelCount, int validationCount, bool multiLabel,
    TextOptions options, int seed, TrainingDeadline deadline, ITrainingReport report)
{
    // The final training needs its share of a time limit.
    private const double ShareOfTime = 0.6;

    // A strength starts from the weights of the one before; a few epochs tell which is better.
    private const int EpochsPerStrength = 3;

    // Scores of held-out texts are kept for every strength; this bounds them to some hundred megabytes.
    private const int HeldOutScoresMax = 16 << 20;

    // Dual variables that are kept for the final training; more would need hundreds of megabytes.
    private const long KeptDualMax = 32L << 20;

    private readonly Dictionary<LinearLoss, TextStart> _starts = [];
    private readonly string _metric = multiLabel ? MetricNames.MacroF1 : MetricNames.Accuracy;

    /// <summary>Every setting tried.</summary>
    public List<CandidateScore> Candidates { get; } = [];

    /// <summary>Epochs over all folds and settings.</summary>
    public int Epochs { get; private set; }

    /// <summary>Where the training of a part on all texts can begin: near the end, as most texts have been learned from.</summary>
    public TextStart? StartOf(TextPart part) => _starts.GetValueOrDefault(part.Loss);

    public TextCandidate Run(CancellationToken cancellationToken)
    {
        var (foldOf, folds, used) = Folds();
        var trials = options.Losses.SelectMany(Trials).ToList();
        var heldOut = new List<int[]>();
        for (var fold = 0; fold < used; fold++)
        {
            var training = Where(foldOf, row => foldOf[row] != fold);
            var validation = Where(foldOf, row => foldOf[row] == fold);
            var most = Math.Max(1_000, HeldOutScoresMax / labelCount);
            if (validation.Length > most) validation = validation[..most];
            heldOut.AddRange(Select(validation));
            RunFold(fold, used, trials, training, validation, cancellationToken);
            // A trial counts when every fold went through with it; the first fold may leave some out.
            trials.RemoveAll(trial => trial.Scores.Count < heldOut.Count && (fold == 0 || trial.Scores.Count == 0));
            if (deadline.Passed(ShareOfTime)) break;
        }

        var best = new List<(TextCandidate Candidate, double Loss, List<float[]> Scores)>();
        foreach (var loss in options.Losses)
        {
            var ofLoss = trials.Where(trial => trial.Loss == loss).Select(trial => Judge(
                [new TextPart(loss, trial.Strength, 1)], trial.Scores, heldOut.GetRange(0, trial.Scores.Count))).ToList();
            if (ofLoss.Count > 0) best.Add(Best(ofLoss, heldOut.Count));
        }
        if (best.Count < 2 || best.Any(candidate => candidate.Scores.Count != heldOut.Count)) return best[0].Candidate;

        // Each part weighs the same once its scores are on the scale of probabilities.
        var parts = best.ConvertAll(one => one.Candidate.Parts[0] with { Share = one.Candidate.Factors[0] / best.Count });
        var sum = new List<float[]>(heldOut.Count);
        for (var row = 0; row < heldOut.Count; row++)
        {
            var scores = new float[labelCount];
            for (var i = 0; i < parts.Count; i++) TensorPrimitives.MultiplyAdd(best[i].Scores[row], parts[i].Share, scores, scores);
            sum.Add(scores);
        }
        var together = Judge(parts, sum, heldOut);
        var single = best.MaxBy(one => one.Candidate.Score);
        return together.Candidate.Score >= single.Candidate.Score - Tolerance(single.Candidate.Score, heldOut.Count)
            ? together.Candidate
            : single.Candidate;
    }

    private IEnumerable<Trial> Trials(LinearLoss loss)
    {
        var (stronger, weaker) = options.StrengthsOf(loss);
        return stronger.Select(strength => new Trial(loss, strength, false)).Concat(weaker.Select(strength => new Trial(loss, strength, true)));
    }

    private double Tolerance(double score, int count) => multiLabel ? 0 : 0.25 * Math.Sqrt(score * (1 - score) / Math.Max(1, count));

    /// <summary>The best score; where the difference could be chance, the probabilities decide.</summary>
    private (TextCandidate Candidate, double Loss, List<float[]> Scores) Best(
        List<(TextCandidate Candidate, double Loss, List<float[]> Scores)> candidates, int count)
    {
        var best = candidates.Max(candidate => candidate.Candidate.Score);
        var least = best - Tolerance(best, count);
        return candidates.Where(candidate => candidate.Candidate.Score >= least).MinBy(candidate => candidate.Loss);
    }

    private (TextCandidate Candidate, double Loss, List<float[]> Scores) Judge(
        IReadOnlyList<TextPart> parts, List<float[]> scores, List<int[]> truth)
    {
        var name = string.Join(" + ", parts.Select(part => FormattableString.Invariant($"{TextOptions.NameOf(part.Loss)} {part.Strength}")));
        var (candidate, loss) = multiLabel ? JudgeSets(name, parts, scores, truth) : JudgeLabels(name, parts, scores, truth);
        Candidates.Add(new CandidateScore(name, _metric, candidate.Score));
        report.Log(FormattableString.Invariant($"{name}: {_metric} {candidate.Score:f4}, loss {loss:f4}."));
        return (candidate, loss, scores);
    }

    private (TextCandidate Candidate, double Loss) JudgeLabels(
        string name, IReadOnlyList<TextPart> parts, List<float[]> scores, List<int[]> truth)
    {
        var factors = new float[labelCount];
        Array.Fill(factors, ScoreCalibration.Temperature(scores, truth));
        var candidate = new TextCandidate(name, _metric, Accuracy(scores, truth), parts) { Factors = factors, Shifts = new float[labelCount] };
        return (candidate, ScoreCalibration.Loss(scores, truth, factors[0]));
    }

    private (TextCandidate Candidate, double Loss) JudgeSets(
        string name, IReadOnlyList<TextPart> parts, List<float[]> scores, List<int[]> truth)
    {
        var (factors, shifts) = ScoreCalibration.PerLabel(scores, truth, labelCount);
        var probabilities = scores.ConvertAll(row =>
        {
            var result = new float[row.Length];
            TensorPrimitives.MultiplyAdd(row, factors, shifts, result);
            TensorPrimitives.Sigmoid(result, result);
            return result;
        });
        var thresholds = ScoreCalibration.Thresholds(probabilities, truth, labelCount);
        var flat = new float[probabilities.Count * labelCount];
        var selected = new bool[flat.Length];
        for (var row = 0; row < probabilities.Count; row++)
        {
            for (var label = 0; label < labelCount; label++)
            {
                flat[row * labelCount + label] = probabilities[row][label];
                selected[row * labelCount + label] = probabilities[row][label] >= thresholds[label];
            }
        }
        var names = new string[labelCount];
        Array.Fill(names, "");
        var metrics = MultiLabelMetrics.Compute(truth, selected, flat, names, labelCount).Metrics;
        var candidate = new TextCandidate(name, _metric, metrics.GetValueOrDefault(_metric), parts)
        {
            Factors = factors, Shifts = shifts, Thresholds = thresholds,
        };
        return (candidate, metrics[MetricNames.LogLoss]);
    }

    private void RunFold(int fold, int used, List<Trial> trials, int[] training, int[] validation, CancellationToken cancellationToken)
    {
        var trainingRows = rows.Select(training);
        var trainingLabels = Select(training);
        var validationLabels = Select(validation);
        var weights = FeatureWeights.Learn(trainingRows, trainingLabels, labelCount, options.WeightsFromLabels);
        var trainingValues = trainingRows.Weigh(weights);
        var validationValues = rows.Select(validation).Weigh(weights);
        var done = 0;
        foreach (var ofLoss in trials.GroupBy(trial => trial.Loss))
        {
            var solver = new DualSolver(trainingValues, trainingLabels, labelCount, ofLoss.Key);
            var run = new SolverRun(solver, training.Length, seed, deadline);
            var bestScore = double.NegativeInfinity;
            var (doneStronger, doneWeaker) = (false, false);
            foreach (var trial in ofLoss)
            {
                // Beyond the peak there is nothing to find; only the first fold may say so, or folds would disagree.
                if (fold == 0 && (trial.Weaker ? doneWeaker : doneStronger)) continue;
                // A trial may be left out, but one must be there to choose.
                if ((fold > 0 || done > 0) && deadline.Passed(ShareOfTime)) return;
                List<float[]> current = [];
                double score = 0;
                while (run.Next(trial.Strength, Math.Min(EpochsPerStrength, options.EpochsMax), cancellationToken) is { } loss)
                {
                    Epochs++;
                    current = Score(solver.Weights, validationValues);
                    score = multiLabel ? -LogisticLoss(current, validationLabels) : Accuracy(current, validationLabels);
                    if (fold > 0) continue;
                    report.Metric(TextOptions.CurveOf(trial.Loss), loss, Epochs);
                    report.Metric(multiLabel ? "validation/loss" : "validation/accuracy", multiLabel ? -score : score, Epochs);
                }
                trial.Scores.AddRange(current);
                done++;
                report.Progress("selection", Math.Min(1, (fold + (double)done / trials.Count) / used));
                if (multiLabel) score = JudgeSets("", [], current, [.. validationLabels]).Candidate.Score;
                if (fold == used - 1 && score > bestScore && (long)training.Length * solver.Weights.Stride <= KeptDualMax)
                    _starts[trial.Loss] = new TextStart(training, solver.CopyDual());
                if (trial.Weaker) doneWeaker = score < bestScore;
                else if (score < bestScore) doneStronger = true;
                else if (double.IsFinite(bestScore)) doneWeaker = true;
                bestScore = Math.Max(bestScore, score);
            }
        }
    }

    private static List<float[]> Score(LinearWeights weights, SparseRows rows)
    {
        var result = new List<float[]>(rows.Count);
        var scores = new float[weights.Stride];
        for (var row = 0; row < rows.Count; row++)
        {
            weights.Score(rows, row, scores);
            result.Add(scores[..weights.LabelCount]);
        }
        return result;
    }

    private static double Accuracy(List<float[]> scores, IReadOnlyList<int[]> truth)
    {
        var right = 0;
        for (var row = 0; row < scores.Count; row++)
            if (Array.IndexOf(scores[row], scores[row].Max()) == truth[row][0]) right++;
        return (double)right / Math.Max(1, scores.Count);
    }

    private static double LogisticLoss(List<float[]> scores, IReadOnlyList<int[]> truth)
    {
        double loss = 0;
        for (var row = 0; row < scores.Count; row++)
        {
            for (var label = 0; label < scores[row].Length; label++)
            {
                var margin = Array.IndexOf(truth[row], label) >= 0 ? scores[row][label] : -scores[row][label];
                loss += margin > 0 ? Math.Log(1 + Math.Exp(-margin)) : Math.Log(1 + Math.Exp(margin)) - margin;
            }
        }
        return loss / Math.Max(1, scores.Count);
    }

    /// <summary>A fold for every row, each label spread evenly; how many folds there are and how many are worth training.</summary>
    private (int[] FoldOf, int Folds, int Used) Folds()
    {
        // The customer's own validation texts are the last ones; the first fold holds them out, and there is no other.
        if (validationCount > 0) return ([.. Enumerable.Range(0, rows.Count).Select(row => row >= rows.Count - validationCount ? 0 : 1)], 1, 1);
        var (folds, used) = rows.Count switch
        {
            < 4_000 => (5, 5),
            < 8_000 => (4, 2),
            < 20_000 => (6, 1),
            _ => multiLabel ? (4, 2) : (8, 1),
        };
        var order = Enumerable.Range(0, rows.Count).ToArray();
        new Random(seed).Shuffle(order);
        var next = new int[labelCount + 1];
        var foldOf = new int[rows.Count];
        foreach (var row in order)
        {
            var label = labels[row].Length == 0 ? labelCount : labels[row][0];
            // Labels start in different folds, or rare ones would all be held out together.
            foldOf[row] = (label + next[label]++) % folds;
        }
        return (foldOf, folds, used);
    }

    private static int[] Where(int[] foldOf, Func<int, bool> condition) => [.. Enumerable.Range(0, foldOf.Length).Where(condition)];

    private int[][] Select(int[] chosen) => [.. chosen.Select(row => labels[row])];

    /// <summary>A setting on its way through the folds, with its scores of all texts held out so far.</summary>
    private sealed record Trial(LinearLoss Loss, float Strength, bool Weaker)
    {
        public List<float[]> Scores { get; } = [];
    }
}
