using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Atoll.Training.Trees;

/// <summary>Grows one tree at a time over binned features, leaf by leaf, the leaf with the largest gain first.</summary>
/// <remarks>
/// Gradients are rounded to integers once a tree, so that sums do not depend on the order of rows and a sibling's
/// histogram is an exact difference. After LightGBM (Ke et al. 2017) and its quantised training (Shi et al. 2022).
/// </remarks>
internal sealed unsafe class TreeGrower
{
    // Sums of one tree stay below 2^30, so that an int holds them.
    private const double SumRange = 1 << 30;
    private const float LeastHessian = 1e-3f;
    private const float LeastGain = 1e-6f;

    private readonly BinnedFeatures _data;
    private readonly TreeSettings _settings;

    /// <summary>Gradient, hessian and 1 (the count) of each row.</summary>
    private readonly Vector128<int>[] _sums;
    private readonly int[] _rows;
    private readonly int[] _spare;
    private readonly Vector128<int>[][] _histograms;
    private readonly Leaf[] _leaves;
    private readonly int[] _allFeatures;
    private float _gradientUnit;
    private float _hessianUnit;

    public TreeGrower(BinnedFeatures data, TreeSettings settings)
    {
        _data = data;
        _settings = settings;
        _sums = new Vector128<int>[data.RowCount];
        _rows = new int[data.RowCount];
        _spare = new int[data.RowCount];
        _histograms = new Vector128<int>[settings.Leaves][];
        _leaves = new Leaf[settings.Leaves];
        _allFeatures = [.. Enumerable.Range(0, data.FeatureCount)];
    }

    /// <summary>Grows a tree that takes a Newton step from the gradients given.</summary>
    /// <param name="gradient">First derivative of the loss by row, for all rows of the data.</param>
    /// <param name="hessian">Second derivative by row.</param>
    /// <param name="rows">The rows that the tree learns from.</param>
    /// <param name="features">The features it may split on; empty for all.</param>
    public Tree Grow(ReadOnlySpan<float> gradient, ReadOnlySpan<float> hessian, ReadOnlySpan<int> rows, ReadOnlySpan<int> features = default)
    {
        if (features.IsEmpty) features = _allFeatures;
        Quantise(gradient, hessian, rows);
        rows.CopyTo(_rows);

        var most = _settings.Leaves - 1;
        var splitFeature = new int[most];
        var splitBin = new byte[most];
        var threshold = new float[most];
        var missingLeft = new bool[most];
        var left = new int[most];
        var right = new int[most];
        var gains = new float[most];

        _leaves[0] = new Leaf { Start = 0, Count = rows.Length, Parent = -1, Histogram = HistogramAt(0) };
        Build(ref _leaves[0]);
        foreach (var row in rows) _leaves[0].Sum += _sums[row];
        Search(ref _leaves[0], features);
        var leafCount = 1;
        while (leafCount < _settings.Leaves)
        {
            var best = 0;
            for (var i = 1; i < leafCount; i++)
            {
                if (_leaves[i].Gain > _leaves[best].Gain) best = i;
            }
            if (!(_leaves[best].Gain > LeastGain)) break;

            ref var leaf = ref _leaves[best];
            ref var other = ref _leaves[leafCount];
            var node = leafCount - 1;
            splitFeature[node] = leaf.Feature;
            splitBin[node] = (byte)leaf.Bin;
            threshold[node] = _data.Features[leaf.Feature].LimitOf(leaf.Bin);
            missingLeft[node] = leaf.MissingLeft;
            gains[node] = leaf.Gain;
            left[node] = ~best;
            right[node] = ~leafCount;
            if (leaf.Parent >= 0)
            {
                if (leaf.IsLeftChild) left[leaf.Parent] = node;
                else right[leaf.Parent] = node;
            }

            var leftCount = Partition(leaf);
            other = new Leaf
            {
                Start = leaf.Start + leftCount,
                Count = leaf.Count - leftCount,
                Parent = node,
                IsLeftChild = false,
                Histogram = HistogramAt(leafCount),
                Sum = leaf.Sum - leaf.LeftSum,
            };
            leaf.Sum = leaf.LeftSum;
            leaf.Count = leftCount;
            leaf.Parent = node;
            leaf.IsLeftChild = true;
            leafCount++;
            if (leafCount == _settings.Leaves) break;

            // The larger child's histogram is the parent's minus the smaller one's.
            if (leaf.Count > other.Count)
            {
                BuildAndSubtract(ref other, leaf.Histogram);
            }
            else
            {
                (leaf.Histogram, other.Histogram) = (other.Histogram, leaf.Histogram);
                BuildAndSubtract(ref leaf, other.Histogram);
            }
            Search(ref leaf, features);
            Search(ref other, features);
        }

        // Histograms were swapped between leaves: hand them back in any order.
        for (var i = 0; i < leafCount; i++) _histograms[i] = _leaves[i].Histogram;
        LeafCount = leafCount;
        var values = new float[leafCount];
        for (var i = 0; i < leafCount; i++) values[i] = ValueOf(_leaves[i], gradient, hessian);
        var nodes = leafCount - 1;
        return new Tree
        {
            Feature = splitFeature[..nodes],
            Bin = splitBin[..nodes],
            Threshold = threshold[..nodes],
            MissingGoesLeft = missingLeft[..nodes],
            Left = left[..nodes],
            Right = right[..nodes],
            Gain = gains[..nodes],
            Values = values,
        };
    }

    /// <summary>Leaves of the last tree.</summary>
    public int LeafCount { get; private set; }

    /// <summary>The training rows of a leaf of the last tree.</summary>
    public ReadOnlySpan<int> RowsOf(int leaf) => _rows.AsSpan(_leaves[leaf].Start, _leaves[leaf].Count);

    private void Quantise(ReadOnlySpan<float> gradient, ReadOnlySpan<float> hessian, ReadOnlySpan<int> rows)
    {
        double gradientSum = 0, hessianSum = 0;
        foreach (var row in rows)
        {
            gradientSum += MathF.Abs(gradient[row]);
            hessianSum += hessian[row];
        }
        // Each row may be rounded up by a half.
        var range = SumRange - rows.Length;
        var gradientScale = (float)(range / Math.Max(gradientSum, 1e-30));
        var hessianScale = (float)(range / Math.Max(hessianSum, 1e-30));
        foreach (var row in rows)
        {
            _sums[row] = Vector128.Create(
                (int)MathF.Round(gradient[row] * gradientScale), (int)MathF.Round(hessian[row] * hessianScale), 1, 0);
        }
        _gradientUnit = 1 / gradientScale;
        _hessianUnit = 1 / hessianScale;
    }

    private Vector128<int>[] HistogramAt(int leaf) => _histograms[leaf] ??= new Vector128<int>[_data.Offsets[^1]];

    private void Build(ref Leaf leaf)
    {
        Array.Clear(leaf.Histogram);
        var featureCount = _data.FeatureCount;
        fixed (Vector128<int>* histogram = leaf.Histogram)
        fixed (Vector128<int>* sums = _sums)
        fixed (byte* bins = _data.Bins)
        fixed (int* offsets = _data.Offsets)
        fixed (int* rows = &_rows[leaf.Start])
        {
            for (var i = 0; i < leaf.Count; i++)
            {
                var row = rows[i];
                var sum = sums[row];
                var rowBins = bins + ((long)row * featureCount);
                for (var f = 0; f < featureCount; f++)
                {
                    var bin = histogram + offsets[f] + rowBins[f];
                    *bin += sum;
                }
            }
        }
    }

    private void BuildAndSubtract(ref Leaf smaller, Vector128<int>[] larger)
    {
        Build(ref smaller);
        fixed (Vector128<int>* from = larger)
        fixed (Vector128<int>* what = smaller.Histogram)
        {
            for (var i = 0; i < larger.Length; i++) from[i] -= what[i];
        }
    }

    private int Partition(in Leaf leaf)
    {
        var featureCount = _data.FeatureCount;
        var missing = _data.Features[leaf.Feature].MissingBin;
        var limit = leaf.Bin;
        var leftCount = 0;
        var rightCount = 0;
        fixed (byte* bins = &_data.Bins[leaf.Feature])
        fixed (int* rows = &_rows[leaf.Start])
        fixed (int* spare = _spare)
        {
            for (var i = 0; i < leaf.Count; i++)
            {
                var row = rows[i];
                int bin = bins[(long)row * featureCount];
                var goesLeft = (bin <= limit) | ((bin == missing) & leaf.MissingLeft);
                var step = goesLeft ? 1 : 0;

                // Both stores, one of them kept: no branch to mispredict.
                rows[leftCount] = row;
                spare[rightCount] = row;
                leftCount += step;
                rightCount += 1 - step;
            }
            new ReadOnlySpan<int>(spare, rightCount).CopyTo(new Span<int>(rows + leftCount, rightCount));
        }
        return leftCount;
    }

    private void Search(ref Leaf leaf, ReadOnlySpan<int> features)
    {
        leaf.Gain = 0;
        if (leaf.Count < 2 * _settings.LeafRowsMin) return;
        var (gradient, hessian) = Units(leaf.Sum);
        var before = gradient * gradient / (hessian + _settings.L2);
        var best = new Split { Gain = before };
        fixed (Vector128<int>* histogram = leaf.Histogram)
        {
            foreach (var feature in features)
            {
                var start = histogram + _data.Offsets[feature];
                var missingBin = _data.Features[feature].MissingBin;
                var missing = start[missingBin];
                var missingCount = missing.GetElement(2);

                // With missing values the last limit parts them from all others.
                var limits = missingCount > 0 ? missingBin : missingBin - 1;
                if (SearchFeature(start, limits, leaf, Vector128<int>.Zero, ref best))
                {
                    best.Feature = feature;

                    // Nothing was missing here: later missing values go with the larger part.
                    best.MissingLeft = missingCount == 0 && best.LeftSum.GetElement(2) * 2 > leaf.Count;
                }
                if (missingCount > 0 && SearchFeature(start, missingBin - 1, leaf, missing, ref best))
                {
                    best.Feature = feature;
                    best.MissingLeft = true;
                }
            }
        }
        leaf.Gain = best.Gain - before;
        leaf.Feature = best.Feature;
        leaf.Bin = best.Bin;
        leaf.MissingLeft = best.MissingLeft;
        leaf.LeftSum = best.LeftSum;
    }

    /// <summary>Finds the best limit of one feature, with <paramref name="sum"/> already on the left.</summary>
    private bool SearchFeature(Vector128<int>* bins, int last, in Leaf leaf, Vector128<int> sum, ref Split best)
    {
        var least = _settings.LeafRowsMin;
        var units = Vector128.Create(_gradientUnit, _hessianUnit, 1, 1);
        var total = Vector128.ConvertToSingle(leaf.Sum) * units;
        var l2 = _settings.L2;
        var bestGain = best.Gain;
        var bestBin = -1;
        var bestSum = Vector128<int>.Zero;
        var count = sum.GetElement(2);
        var most = leaf.Count - least;
        for (var bin = 0; bin < last; bin++)
        {
            // In small leaves most bins are empty.
            var here = ((int*)(bins + bin))[2];
            if (here == 0) continue;
            sum += bins[bin];
            count += here;
            if (count < least) continue;
            if (count > most) break;
            var left = Vector128.ConvertToSingle(sum) * units;
            var right = total - left;
            var leftHessian = left.GetElement(1);
            var rightHessian = right.GetElement(1);
            if (leftHessian < LeastHessian || rightHessian < LeastHessian) continue;
            leftHessian += l2;
            rightHessian += l2;
            var leftGradient = left.ToScalar();
            var rightGradient = right.ToScalar();
            var gain = ((leftGradient * leftGradient * rightHessian) + (rightGradient * rightGradient * leftHessian))
                / (leftHessian * rightHessian);
            if (!(gain > bestGain)) continue;
            bestGain = gain;
            bestBin = bin;
            bestSum = sum;
        }
        if (bestBin < 0) return false;
        best.Gain = bestGain;
        best.Bin = bestBin;
        best.LeftSum = bestSum;
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private (float Gradient, float Hessian) Units(Vector128<int> sum) =>
        (sum.ToScalar() * _gradientUnit, sum.GetElement(1) * _hessianUnit);

    // From the unrounded gradients: leaf values are what adds up over trees.
    private float ValueOf(in Leaf leaf, ReadOnlySpan<float> gradient, ReadOnlySpan<float> hessian)
    {
        double gradientSum = 0, hessianSum = 0;
        foreach (var row in _rows.AsSpan(leaf.Start, leaf.Count))
        {
            gradientSum += gradient[row];
            hessianSum += hessian[row];
        }
        return (float)(-_settings.LearningRate * gradientSum / (hessianSum + _settings.L2));
    }

    /// <summary>A leaf while the tree grows, with the best split found for it.</summary>
    private struct Leaf
    {
        public int Start;
        public int Count;
        public int Parent;
        public bool IsLeftChild;
        public Vector128<int>[] Histogram;
        public Vector128<int> Sum;
        public float Gain;
        public int Feature;
        public int Bin;
        public bool MissingLeft;
        public Vector128<int> LeftSum;
    }

    /// <summary>The best split of a leaf so far.</summary>
    private struct Split
    {
        public float Gain;
        public int Feature;
        public int Bin;
        public bool MissingLeft;
        public Vector128<int> LeftSum;
    }
}
