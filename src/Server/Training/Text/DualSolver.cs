using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Atoll.Training.Text;

/// <summary>What a linear model pays for a wrong answer.</summary>
internal enum LinearLoss
{
    /// <summary>Each label against the rest, squared distance from a margin of one.</summary>
    SquaredHinge,

    /// <summary>Cross-entropy of the softmax over all labels.</summary>
    Softmax,

    /// <summary>Each label against the rest, logistic loss.</summary>
    Logistic,
}

/// <summary>Finds the weights of a linear model with an L2 penalty by coordinate ascent on the dual problem, one row at a time.</summary>
/// <remarks>
/// Minimises |W|²/2 + C * sum of losses; the optimum is unique, so the seed decides only the way there. All labels of a row are
/// updated together in vector registers. Sources: Hsieh et al. 2008 (dual coordinate descent for linear SVM), Yu, Huang and
/// Lin 2011 (dual methods for logistic regression and maximum entropy), Shalev-Shwartz and Zhang 2013 (SDCA).
/// </remarks>
internal sealed class DualSolver
{
    private const float SmallestStep = 1e-6f;
    private const int LineSearches = 5;

    private readonly SparseRows _rows;
    private readonly IReadOnlyList<int[]> _labels;
    private readonly float[] _dual;
    private readonly float[] _squares;
    private readonly LinearLoss _loss;
    private readonly int _labelCount;
    private readonly int _stride;
    private readonly float[] _point;
    private readonly float[] _logarithm;
    private float _strength;

    public DualSolver(SparseRows rows, IReadOnlyList<int[]> labels, int labelCount, LinearLoss loss)
    {
        _rows = rows;
        _labels = labels;
        _labelCount = labelCount;
        _loss = loss;
        _stride = LinearWeights.StrideOf(labelCount);
        _point = new float[labelCount];
        _logarithm = new float[labelCount];
        Weights = new LinearWeights(rows.FeatureCount, labelCount);
        _dual = new float[(long)rows.Count * _stride];
        _squares = new float[rows.Count];
        for (var row = 0; row < rows.Count; row++)
        {
            var sum = 1f; // the bias counts as a feature of value one
            foreach (var value in rows.ValuesOf(row)) sum += value * value;
            _squares[row] = sum;
            if (loss == LinearLoss.Softmax) _dual[(long)row * _stride + labels[row][0]] = 1;
        }
    }

    public LinearWeights Weights { get; }

    /// <summary>The dual variables as they are, one row of labels after the other.</summary>
    public float[] CopyDual() => (float[])_dual.Clone();

    /// <summary>Begins where another solver of the same loss left some of the rows; the others begin as ever.</summary>
    /// <param name="known">The rows that the other solver had, in its order.</param>
    /// <param name="dual">What its <see cref="CopyDual"/> gave.</param>
    public void Begin(ReadOnlySpan<int> known, float[] dual, float strength)
    {
        var step = new float[_stride];
        for (var i = 0; i < known.Length; i++)
        {
            var row = known[i];
            var from = dual.AsSpan(i * _stride, _stride);
            var to = _dual.AsSpan(row * _stride, _stride);
            Array.Clear(step);
            if (_loss == LinearLoss.Softmax)
            {
                for (var c = 0; c < _labelCount; c++) step[c] = strength * (to[c] - from[c]);
            }
            else
            {
                var scale = _loss == LinearLoss.SquaredHinge ? 1 : strength;
                for (var c = 0; c < _labelCount; c++) step[c] = -scale * from[c];
                foreach (var label in _labels[row]) step[label] = -step[label];
            }
            from.CopyTo(to);
            Weights.Add(_rows, row, step);
        }
        _strength = strength;
    }

    /// <summary>Goes through all rows once in the order given.</summary>
    /// <returns>The mean loss over the rows, each measured just before its update.</returns>
    public double Epoch(ReadOnlySpan<int> order, float strength)
    {
        if (_strength > 0 && !strength.Equals(_strength)) Rescale(strength);
        _strength = strength;
        var scores = new float[_stride];
        var step = new float[_stride];
        var truth = new float[_stride];
        double loss = 0;
        foreach (var row in order)
        {
            Weights.Score(_rows, row, scores);
            Array.Fill(truth, -1);
            foreach (var label in _labels[row]) truth[label] = 1;
            var dual = _dual.AsSpan(row * _stride, _stride);
            var changed = _loss switch
            {
                LinearLoss.SquaredHinge => StepHinge(scores, truth, dual, step, _squares[row], strength, ref loss),
                LinearLoss.Softmax => StepSoftmax(scores, _labels[row][0], dual, step, _squares[row], strength, ref loss),
                _ => StepLogistic(scores, truth, dual, step, _squares[row], strength, ref loss),
            };
            if (changed) Weights.Add(_rows, row, step);
        }
        return loss / Math.Max(1, order.Length);
    }

    private void Rescale(float strength)
    {
        var ratio = strength / _strength;
        if (_loss == LinearLoss.SquaredHinge)
        {
            // Hinge duals are the weights' multipliers themselves. Those of mistakes grow with the strength, the others stay:
            // a weaker run begins nearer to its end with all of them smaller, a stronger one with all of them as they are.
            if (ratio > 1) return;
            TensorPrimitives.Multiply(_dual, ratio, _dual);
        }
        // The other duals are probabilities, of which strength is a factor.
        Weights.Scale(ratio);
    }

    private bool StepHinge(
        float[] scores, float[] truth, Span<float> dual, float[] step, float square, float strength, ref double loss)
    {
        var diagonal = 1 / (2 * strength);
        var inverse = 1 / (square + diagonal);
        var largest = 0f;
        var sum = 0f;
        for (var c = 0; c < _labelCount; c++)
        {
            var y = truth[c];
            var margin = 1 - y * scores[c];
            if (margin > 0) sum += margin * margin;
            var old = dual[c];
            var next = Math.Max(0, old + (margin - diagonal * old) * inverse);
            var delta = next - old;
            step[c] = delta * y;
            largest = Math.Max(largest, Math.Abs(delta));
        }
        loss += sum;
        // Weights and dual variables must move together or not at all.
        if (largest <= SmallestStep * strength) return false;
        for (var c = 0; c < _labelCount; c++) dual[c] += step[c] * truth[c];
        return true;
    }

    private bool StepSoftmax(
        float[] scores, int label, Span<float> dual, float[] step, float square, float strength, ref double loss)
    {
        // The dual variables of a row are a distribution; at the optimum it is the softmax of the scores. The row moves
        // towards that point, as far as the dual objective grows.
        Span<float> score = scores.AsSpan(0, _labelCount), move = step.AsSpan(0, _labelCount), old = dual[.._labelCount];
        Span<float> point = _point.AsSpan(0, _labelCount), logarithm = _logarithm.AsSpan(0, _labelCount);
        TensorPrimitives.Subtract(score, TensorPrimitives.Max<float>(score), score);
        TensorPrimitives.Exp(score, move);
        var sum = TensorPrimitives.Sum<float>(move);
        loss += Math.Log(sum) - score[label];
        TensorPrimitives.Divide(move, sum, move);
        TensorPrimitives.Subtract(move, old, move);
        var along = TensorPrimitives.Dot<float>(move, score);
        var length = TensorPrimitives.SumOfSquares<float>(move);
        if (length < 1e-12f) return false;

        // The dual objective along the move is concave: a step whose slope is not negative never goes too far.
        var reach = strength * square;
        float low = 0, high = 1, s = 1 / (1 + 0.5f * reach);
        for (var iteration = 0; iteration < LineSearches; iteration++)
        {
            TensorPrimitives.MultiplyAdd(move, s, old, point);
            TensorPrimitives.Max(point, 1e-30f, point);
            TensorPrimitives.Log(point, logarithm);
            var slope = along - s * reach * length - TensorPrimitives.Dot<float>(move, logarithm);
            TensorPrimitives.Divide(move, point, point);
            var curvature = -reach * length - TensorPrimitives.Dot<float>(move, point);
            if (slope > 0) low = s;
            else high = s;
            var next = s - slope / curvature;
            s = next > low && next < high ? next : (low + high) / 2;
        }
        s = low > 0 ? low : Math.Min(s, 1 / (1 + reach));
        TensorPrimitives.Multiply(move, s, move);
        TensorPrimitives.Add(old, move, old);
        TensorPrimitives.Multiply(move, -strength, move);
        return true;
    }

    private bool StepLogistic(
        float[] scores, float[] truth, Span<float> dual, float[] step, float square, float strength, ref double loss)
    {
        // dual[c] is the probability of being wrong that the weights account for; at the optimum it is sigmoid(-y * score).
        var n = _labelCount;
        var reach = strength * square;
        for (var c = 0; c < n; c++)
        {
            var margin = truth[c] * scores[c];
            loss += margin > 0 ? MathF.Log(1 + MathF.Exp(-margin)) : MathF.Log(1 + MathF.Exp(margin)) - margin;
            // One-dimensional: find a in (0,1) with logit(a) + margin + reach * (a - old) = 0, by safeguarded Newton.
            var old = dual[c];
            float low = 1e-7f, high = 1 - 1e-7f;
            var a = Math.Clamp(old + (1 / (1 + MathF.Exp(margin)) - old) / (1 + 0.25f * reach), low, high);
            for (var iteration = 0; iteration < 6; iteration++)
            {
                var value = MathF.Log(a / (1 - a)) + margin + reach * (a - old);
                if (Math.Abs(value) < 1e-5f) break;
                if (value > 0) high = a;
                else low = a;
                var next = a - value / (1 / (a * (1 - a)) + reach);
                a = next > low && next < high ? next : (low + high) / 2;
            }
            dual[c] = a;
            step[c] = strength * (a - old) * truth[c];
        }
        return true;
    }
}

/// <summary>Weights of a linear model, one row of labels per feature, and a bias per label.</summary>
internal sealed class LinearWeights
{
    private const int PrefetchAhead = 4;
    private const int CacheLine = 64;

    public LinearWeights(int featureCount, int labelCount)
    {
        FeatureCount = featureCount;
        LabelCount = labelCount;
        Stride = StrideOf(labelCount);
        Values = new float[(long)featureCount * Stride];
        Bias = new float[Stride];
    }

    public int FeatureCount { get; }

    public int LabelCount { get; }

    /// <summary>Length of a row: the labels, rounded up to whole vector registers.</summary>
    public int Stride { get; }

    public float[] Values { get; }

    public float[] Bias { get; }

    public static int StrideOf(int labelCount) => labelCount <= 4 ? 4 : (labelCount + 7) / 8 * 8;

    /// <summary>The scores of one row of data.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Score(SparseRows rows, int row, float[] scores)
    {
        Bias.CopyTo(scores, 0);
        var features = rows.FeaturesOf(row);
        var values = rows.ValuesOf(row);
        ref var target = ref MemoryMarshal.GetArrayDataReference(scores);
        ref var weights = ref MemoryMarshal.GetArrayDataReference(Values);
        for (var i = 0; i < features.Length; i++)
        {
            // The weights are far larger than the caches and a text's features lie anywhere in them.
            if (i + PrefetchAhead < features.Length) Prefetch(ref Unsafe.Add(ref weights, (nint)features[i + PrefetchAhead] * Stride));
            AddScaled(ref target, ref Unsafe.Add(ref weights, (nint)features[i] * Stride), values[i], Stride);
        }
    }

    /// <summary>Adds a multiple of one row of data to the weights, a different multiple for each label.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Add(SparseRows rows, int row, float[] step)
    {
        var features = rows.FeaturesOf(row);
        var values = rows.ValuesOf(row);
        ref var source = ref MemoryMarshal.GetArrayDataReference(step);
        ref var weights = ref MemoryMarshal.GetArrayDataReference(Values);
        for (var i = 0; i < features.Length; i++)
            AddScaled(ref Unsafe.Add(ref weights, (nint)features[i] * Stride), ref source, values[i], Stride);
        for (var c = 0; c < Stride; c++) Bias[c] += step[c];
    }

    /// <summary>Adds other weights of the same shape, each times a factor.</summary>
    public void AddScaled(LinearWeights other, float factor)
    {
        TensorPrimitives.MultiplyAdd(other.Values, factor, Values, Values);
        TensorPrimitives.MultiplyAdd(other.Bias, factor, Bias, Bias);
    }

    public void Scale(float factor)
    {
        TensorPrimitives.Multiply(Values, factor, Values);
        TensorPrimitives.Multiply(Bias, factor, Bias);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private unsafe void Prefetch(ref float row)
    {
        if (!Sse.IsSupported) return;
        // The address may be stale when the collector moves the array; a prefetch of nothing does no harm.
        var address = (byte*)Unsafe.AsPointer(ref row);
        for (var offset = 0; offset < Stride * sizeof(float); offset += CacheLine) Sse.Prefetch0(address + offset);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddScaled(ref float target, ref float source, float factor, int stride)
    {
        if (stride == 4)
        {
            var sum = Vector128.FusedMultiplyAdd(Vector128.LoadUnsafe(ref source), Vector128.Create(factor), Vector128.LoadUnsafe(ref target));
            sum.StoreUnsafe(ref target);
            return;
        }
        // Each number is one fused operation whatever the width, so every width gives the same bits.
        nuint c = 0, end = (nuint)stride;
        if (Vector512.IsHardwareAccelerated)
        {
            var wide = Vector512.Create(factor);
            for (; c + 16 <= end; c += 16)
                Vector512.FusedMultiplyAdd(Vector512.LoadUnsafe(ref source, c), wide, Vector512.LoadUnsafe(ref target, c)).StoreUnsafe(ref target, c);
        }
        var factors = Vector256.Create(factor);
        for (; c < end; c += 8)
            Vector256.FusedMultiplyAdd(Vector256.LoadUnsafe(ref source, c), factors, Vector256.LoadUnsafe(ref target, c)).StoreUnsafe(ref target, c);
    }
}
