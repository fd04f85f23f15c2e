using Atoll.Contracts;
using Atoll.Training.Evaluation;

namespace Atoll.Training.Text;

/// <summary>A setting that was tried on held-out texts, and what turns its scores into probabilities.</summary>
internal sealed record TextCandidate(string Name, float Strength, string Metric, double Score)
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
            for (var label = 0; label < row.Length; label++) row[label] *= Factors[label];
        }
        for (var label = 0; label < weights.LabelCount; label++) weights.Bias[label] = weights.Bias[label] * Factors[label] + Shifts[label];
    }
}

/// <summary>Chooses the strength of a text model on texts held out from training, by cross-validation when there are few.</summary>
internal sealed class TextSelection(
    FeatureRows rows, IReadOnlyList<int[]> labels, int labelCount, bool multiLabel,
    TextOptions options, int seed, TrainingDeadline deadline, ITrainingReport report)
{
    // The final training needs its share of a time limit.
    private const double ShareOfTime = 0.6;

    // Scores of held-out texts are kept for every strength; this bounds them to some hundred megabytes.
    private const int HeldOutScoresMax = 16 << 20;

    private readonly string _metric = multiLabel ? MetricNames.MacroF1 : MetricNames.Accuracy;

    /// <summary>Every setting tried.</summary>
    public List<CandidateScore> Candidates { get; } = [];

    /// <summary>Epochs over all folds and settings.</summary>
    public int Epochs { get; private set; }

    public TextCandidate Run(CancellationToken cancellationToken)
    {
        var strengths = options.Strengths;
        var (foldOf, folds, used) = Folds();
        var heldOut = new List<int[]>();
        var scores = new List<float[]>[strengths.Count];
        for (var i = 0; i < scores.Length; i++) scores[i] = [];

        // A strength counts when every fold has tried it; the first fold may end the list early.
        var tried = strengths.Count;
        for (var fold = 0; fold < used; fold++)
        {
            var training = Where(foldOf, row => foldOf[row] != fold);
            var validation = Where(foldOf, row => foldOf[row] == fold);
            if (HeldOutScoresMax / labelCount is var most && validation.Length > Math.Max(1_000, most)) validation = validation[..Math.Max(1_000, most)];
            var validationLabels = Select(validation);
            heldOut.AddRange(validationLabels);
            var reached = RunFold(fold, used, tried, training, validation, validationLabels, scores, cancellationToken);
            tried = Math.Min(tried, reached);
            if (deadline.Passed(ShareOfTime)) break;
        }

        var candidates = new List<(TextCandidate Candidate, double Loss)>();
        for (var i = 0; i < tried; i++)
        {
            // A fold that came to an end early has fewer scores than truths; the rest was not held out for this strength.
            var candidate = Judge(strengths[i], scores[i], heldOut.GetRange(0, scores[i].Count));
            candidates.Add(candidate);
            Candidates.Add(new CandidateScore(candidate.Candidate.Name, _metric, candidate.Candidate.Score));
            report.Log($"{candidate.Candidate.Name}: {_metric} {candidate.Candidate.Score:f4}, loss {candidate.Loss:f4}.");
        }
        return Best(candidates, heldOut.Count);
    }

    /// <summary>The best score; where the difference could be chance, the probabilities decide.</summary>
    private TextCandidate Best(List<(TextCandidate Candidate, double Loss)> candidates, int count)
    {
        var best = candidates.Max(candidate => candidate.Candidate.Score);
        var tolerance = multiLabel ? 0 : 0.25 * Math.Sqrt(best * (1 - best) / Math.Max(1, count));
        return candidates.Where(candidate => candidate.Candidate.Score >= best - tolerance).MinBy(candidate => candidate.Loss).Candidate;
    }

    private (TextCandidate Candidate, double Loss) Judge(float strength, List<float[]> scores, List<int[]> truth)
    {
        var name = FormattableString.Invariant($"{TextOptions.NameOf(options.Loss)}, strength {strength}");
        var factors = new float[labelCount];
        var shifts = new float[labelCount];
        if (!multiLabel)
        {
            Array.Fill(factors, ScoreCalibration.Temperature(scores, truth));
            var loss = ScoreCalibration.Loss(scores, truth, factors[0]);
            return (new TextCandidate(name, strength, _metric, Accuracy(scores, truth)) { Factors = factors, Shifts = shifts }, loss);
        }
        (factors, shifts) = ScoreCalibration.PerLabel(scores, truth, labelCount);
        var probabilities = scores.ConvertAll(row =>
        {
            var result = new float[row.Length];
            for (var label = 0; label < result.Length; label++) result[label] = 1 / (1 + MathF.Exp(-(row[label] * factors[label] + shifts[label])));
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
        var candidate = new TextCandidate(name, strength, _metric, metrics.GetValueOrDefault(_metric))
        {
            Factors = factors, Shifts = shifts, Thresholds = thresholds,
        };
        return (candidate, metrics[MetricNames.LogLoss]);
    }

    private int RunFold(
        int fold, int folds, int strengthCount, int[] training, int[] validation, int[][] validationLabels,
        List<float[]>[] scores, CancellationToken cancellationToken)
    {
        var trainingRows = rows.Select(training);
        var trainingLabels = Select(training);
        var weights = FeatureWeights.Learn(trainingRows, trainingLabels, labelCount, options.WeightsFromLabels);
        var solver = new DualSolver(trainingRows.Weigh(weights), trainingLabels, labelCount, options.Loss);
        var validationRows = rows.Select(validation).Weigh(weights);
        var run = new SolverRun(solver, training.Length, seed, deadline);
        var bestScore = double.NegativeInfinity;
        var worse = 0;
        for (var i = 0; i < strengthCount; i++)
        {
            List<float[]> current = [];
            double score = 0;
            while (run.Next(options.Strengths[i], options.EpochsMax, cancellationToken) is { } loss)
            {
                Epochs++;
                current = Score(solver.Weights, validationRows);
                score = multiLabel ? -LogisticLoss(current, validationLabels) : Accuracy(current, validationLabels);
                if (fold > 0) continue;
                report.Metric("train/loss", loss, Epochs);
                report.Metric(multiLabel ? "validation/loss" : "validation/accuracy", multiLabel ? -score : score, Epochs);
            }
            scores[i].AddRange(current);
            report.Progress("selection", (fold + (i + 1.0) / strengthCount) / folds);
            worse = score < bestScore ? worse + 1 : 0;
            bestScore = Math.Max(bestScore, score);
            // Beyond the peak there is nothing to find; only the first fold may say so, or folds would disagree.
            if ((fold == 0 && worse == 2) || deadline.Passed(ShareOfTime)) return i + 1;
        }
        return strengthCount;
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
}
