namespace Atoll.Training.Text;

/// <summary>Turns scores of rows that were held out into probabilities: by one factor, or by a factor and a shift per label.</summary>
internal static class ScoreCalibration
{
    private const int Iterations = 60;

    /// <summary>The factor on all scores that makes their softmax most likely.</summary>
    public static float Temperature(IReadOnlyList<float[]> scores, IReadOnlyList<int[]> labels)
    {
        // The loss has one minimum in the factor and, along its logarithm, no flat stretch before it: golden section finds it.
        double low = Math.Log(0.05), high = Math.Log(200);
        var ratio = (Math.Sqrt(5) - 1) / 2;
        double left = high - ratio * (high - low), right = low + ratio * (high - low);
        double leftLoss = Loss(scores, labels, Math.Exp(left)), rightLoss = Loss(scores, labels, Math.Exp(right));
        for (var i = 0; i < 25; i++)
        {
            if (leftLoss <= rightLoss)
            {
                (high, right, rightLoss) = (right, left, leftLoss);
                left = high - ratio * (high - low);
                leftLoss = Loss(scores, labels, Math.Exp(left));
            }
            else
            {
                (low, left, leftLoss) = (left, right, rightLoss);
                right = low + ratio * (high - low);
                rightLoss = Loss(scores, labels, Math.Exp(right));
            }
        }
        return (float)Math.Exp((low + high) / 2);
    }

    /// <summary>Mean negative log probability of the true labels under the softmax of the scores times a factor.</summary>
    public static double Loss(IReadOnlyList<float[]> scores, IReadOnlyList<int[]> labels, double factor)
    {
        double loss = 0;
        for (var row = 0; row < scores.Count; row++)
        {
            double max = double.NegativeInfinity, sum = 0;
            foreach (var score in scores[row]) max = Math.Max(max, score * factor);
            foreach (var score in scores[row]) sum += Math.Exp(score * factor - max);
            loss += Math.Log(sum) + max - scores[row][labels[row][0]] * factor;
        }
        return loss / Math.Max(1, scores.Count);
    }

    /// <summary>Per label the factor and shift that make the sigmoid of its scores most likely; rare labels lean on the others.</summary>
    public static (float[] Factors, float[] Shifts) PerLabel(IReadOnlyList<float[]> scores, IReadOnlyList<int[]> labels, int labelCount)
    {
        var common = new Logistic(1, 0);
        common = common.Fit(AllPairs(), common, 0);
        var factors = new float[labelCount];
        var shifts = new float[labelCount];
        for (var label = 0; label < labelCount; label++)
        {
            const double WeightOfTheOthers = 3;
            var fitted = common.Fit(Pairs(label), common, WeightOfTheOthers);
            // A falling curve would turn the order of the texts around: no data supports that.
            if (fitted.Factor <= 0) fitted = common;
            factors[label] = (float)fitted.Factor;
            shifts[label] = (float)fitted.Shift;
        }
        return (factors, shifts);

        List<(double, bool)> Pairs(int label)
        {
            var pairs = new List<(double, bool)>(scores.Count);
            for (var row = 0; row < scores.Count; row++) pairs.Add((scores[row][label], Array.IndexOf(labels[row], label) >= 0));
            return pairs;
        }

        List<(double, bool)> AllPairs()
        {
            var pairs = new List<(double, bool)>();
            for (var label = 0; label < labelCount; label++) pairs.AddRange(Pairs(label));
            return pairs;
        }
    }

    /// <summary>Per label the probability from which selecting it gives the best F1; rare labels lean on what is best for all together.</summary>
    public static float[] Thresholds(IReadOnlyList<float[]> probabilities, IReadOnlyList<int[]> labels, int labelCount)
    {
        const double TextsOfTheCommonThreshold = 5;
        var all = new List<(float Probability, bool Positive)>();
        var own = new (double Threshold, int Positives)[labelCount];
        for (var label = 0; label < labelCount; label++)
        {
            var pairs = new List<(float Probability, bool Positive)>(probabilities.Count);
            for (var row = 0; row < probabilities.Count; row++)
                pairs.Add((probabilities[row][label], Array.IndexOf(labels[row], label) >= 0));
            all.AddRange(pairs);
            own[label] = (BestThreshold(pairs), pairs.Count(pair => pair.Positive));
        }
        var common = BestThreshold(all);
        var thresholds = new float[labelCount];
        for (var label = 0; label < labelCount; label++)
        {
            var weight = own[label].Positives / (own[label].Positives + TextsOfTheCommonThreshold);
            thresholds[label] = (float)(weight * own[label].Threshold + (1 - weight) * common);
        }
        return thresholds;
    }

    private static double BestThreshold(List<(float Probability, bool Positive)> pairs)
    {
        pairs.Sort((a, b) => b.Probability.CompareTo(a.Probability));
        var positives = pairs.Count(pair => pair.Positive);
        if (positives == 0) return 0.5;
        double best = -1, threshold = 0.5;
        var found = 0;
        for (var i = 0; i < pairs.Count; i++)
        {
            if (pairs[i].Positive) found++;
            if (i + 1 < pairs.Count && pairs[i + 1].Probability.Equals(pairs[i].Probability)) continue;
            var f1 = 2.0 * found / (i + 1 + positives);
            if (f1 <= best) continue;
            best = f1;
            threshold = i + 1 < pairs.Count ? (pairs[i].Probability + pairs[i + 1].Probability) / 2.0 : pairs[i].Probability;
        }
        return threshold;
    }

    /// <summary>Probability = sigmoid(factor * score + shift).</summary>
    private readonly record struct Logistic(double Factor, double Shift)
    {
        /// <summary>Newton's method from here; <paramref name="pull"/> is how strongly the answer is held near <paramref name="anchor"/>.</summary>
        public Logistic Fit(List<(double Score, bool Positive)> pairs, Logistic anchor, double pull)
        {
            var (factor, shift) = (Factor, Shift);
            var loss = Loss(pairs, factor, shift, anchor, pull);
            for (var i = 0; i < Iterations; i++)
            {
                double ga = pull * (factor - anchor.Factor), gb = pull * (shift - anchor.Shift), haa = pull + 1e-9, hab = 0, hbb = pull + 1e-9;
                foreach (var (score, positive) in pairs)
                {
                    var p = 1 / (1 + Math.Exp(-(factor * score + shift)));
                    var error = p - (positive ? 1 : 0);
                    var spread = p * (1 - p);
                    ga += error * score;
                    gb += error;
                    haa += spread * score * score;
                    hab += spread * score;
                    hbb += spread;
                }
                var determinant = haa * hbb - hab * hab;
                if (determinant <= 0) break;
                double da = (hbb * ga - hab * gb) / determinant, db = (haa * gb - hab * ga) / determinant;
                var step = 1.0;
                var next = Loss(pairs, factor - da, shift - db, anchor, pull);
                while (!(next <= loss) && step > 1e-4)
                {
                    step /= 2;
                    next = Loss(pairs, factor - step * da, shift - step * db, anchor, pull);
                }
                if (!(next < loss)) break;
                factor -= step * da;
                shift -= step * db;
                if (loss - next < 1e-9 * Math.Abs(loss)) break;
                loss = next;
            }
            return new Logistic(factor, shift);
        }

        private static double Loss(List<(double Score, bool Positive)> pairs, double factor, double shift, Logistic anchor, double pull)
        {
            var loss = pull / 2 * (Square(factor - anchor.Factor) + Square(shift - anchor.Shift));
            foreach (var (score, positive) in pairs)
            {
                var margin = (factor * score + shift) * (positive ? 1 : -1);
                loss += margin > 0 ? Math.Log(1 + Math.Exp(-margin)) : Math.Log(1 + Math.Exp(margin)) - margin;
            }
            return loss;
        }

        private static double Square(double value) => value * value;
    }
}
