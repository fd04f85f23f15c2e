using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Atoll.Serving.Onnx;

namespace Atoll.Serving.Operators;

/// <summary>What is done to the sums of a tree ensemble.</summary>
internal enum TreeTransform
{
    None = 0,
    Softmax = 1,
    Logistic = 2,

    /// <summary>One sum s of two classes: the scores are 1 - s and s.</summary>
    Complement = 3,

    /// <summary>One sum s of two classes: the scores are -s and s.</summary>
    Opposite = 4,

    /// <summary>One sum s of two classes: the scores are logistic(-s) and logistic(s).</summary>
    BothLogistic = 5,
}

/// <summary>One node of a tree in eight bytes: an inner node or a leaf.</summary>
/// <remarks>
/// Nodes of a tree lie in preorder, so the child for "at most the threshold" is the next one, and the other is
/// <see cref="Right"/> nodes further on. A leaf keeps its value where inner nodes keep the threshold, and leads to itself.
/// </remarks>
[StructLayout(LayoutKind.Sequential)]
internal struct TreeNode
{
    public const int FeatureMask = 0x3FFF;
    public const int LeafBit = 14;
    public const int MissingBit = 15;

    /// <summary>Threshold of an inner node; value of a leaf, or the row of the table of values if leaves have several.</summary>
    public float Value;

    /// <summary>Position of the feature; bit 14 marks a leaf, bit 15 sends missing values to the next node.</summary>
    public ushort Feature;

    /// <summary>Distance to the child for "more than the threshold"; 0 in a leaf.</summary>
    public ushort Right;

    public readonly bool IsLeaf => (Feature & (1 << LeafBit)) != 0;
}

/// <summary>Trees as plain bytes: a header, the start of each tree, its target, its nodes, and the values of leaves that have several.</summary>
/// <remarks>
/// About eight bytes a node, where a session of ONNX Runtime needs some sixty. The bytes are read in place, wherever they lie. The
/// layout is little-endian; <see cref="Check"/> must have accepted bytes that come from elsewhere, since evaluating trusts them.
/// </remarks>
internal readonly unsafe struct TreeTable
{
    private const int Mark = 0x31_54_54_41; // "ATT1"

    [StructLayout(LayoutKind.Sequential)]
    private struct Header
    {
        public int Mark;
        public int Features;
        public int Targets;
        public int Trees;
        public int Nodes;
        public int ValueRows;
        public int Transform;
        public int IsAverage;
    }

    private readonly Header* _header;
    private readonly float* _base;
    private readonly int* _roots;
    private readonly int* _targets;
    private readonly TreeNode* _nodes;
    private readonly float* _values;

    /// <summary>Looks at bytes that <see cref="Check"/> accepted and that begin at a multiple of eight.</summary>
    public TreeTable(byte* bytes)
    {
        _header = (Header*)bytes;
        _base = (float*)(bytes + sizeof(Header));
        _roots = (int*)(_base + _header->Targets);
        _targets = _roots + _header->Trees;
        var end = sizeof(Header) + 4L * (_header->Targets + 2L * _header->Trees);
        _nodes = (TreeNode*)(bytes + (end + 7) / 8 * 8);
        _values = (float*)(_nodes + _header->Nodes);
    }

    /// <summary>Features that a row must have at least; one or more.</summary>
    public int Features => _header->Features;

    /// <summary>Sums per row.</summary>
    public int Targets => _header->Targets;

    /// <summary>Numbers per row that come out.</summary>
    public int Outputs => Targets == 1 && Transform >= TreeTransform.Complement ? 2 : Targets;

    public TreeTransform Transform => (TreeTransform)_header->Transform;

    /// <summary>The bytes of an ensemble.</summary>
    /// <param name="baseValues">What each target's sum begins with; as many as there are targets.</param>
    /// <param name="roots">Position of the first node of each tree.</param>
    /// <param name="targets">Target of each tree, or empty when leaves have a value for each target in <paramref name="values"/>.</param>
    public static byte[] Write(
        int features, ReadOnlySpan<float> baseValues, ReadOnlySpan<int> roots, ReadOnlySpan<int> targets,
        ReadOnlySpan<TreeNode> nodes, ReadOnlySpan<float> values, TreeTransform transform, bool isAverage)
    {
        var header = new Header
        {
            Mark = Mark, Features = features, Targets = baseValues.Length, Trees = roots.Length, Nodes = nodes.Length,
            ValueRows = targets.IsEmpty ? values.Length / baseValues.Length : 0, Transform = (int)transform, IsAverage = isAverage ? 1 : 0,
        };
        var end = sizeof(Header) + 4 * (baseValues.Length + 2 * roots.Length);
        var bytes = new byte[(end + 7) / 8 * 8 + sizeof(TreeNode) * nodes.Length + 4 * values.Length];
        var rest = bytes.AsSpan();
        MemoryMarshal.Write(rest, header);
        rest = rest[sizeof(Header)..];
        MemoryMarshal.AsBytes(baseValues).CopyTo(rest);
        rest = rest[(4 * baseValues.Length)..];
        MemoryMarshal.AsBytes(roots).CopyTo(rest);
        MemoryMarshal.AsBytes(targets).CopyTo(rest[(4 * roots.Length)..]);
        rest = bytes.AsSpan((end + 7) / 8 * 8);
        MemoryMarshal.AsBytes(nodes).CopyTo(rest);
        MemoryMarshal.AsBytes(values).CopyTo(rest[(sizeof(TreeNode) * nodes.Length)..]);
        return bytes;
    }

    /// <summary>Makes sure that evaluating the bytes reads nothing beyond them and comes to an end.</summary>
    public static void Check(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < sizeof(Header)) throw Damaged("it is too short");
        var header = MemoryMarshal.Read<Header>(bytes);
        if (header.Mark != Mark) throw Damaged("it does not begin as one");
        if (header.Targets < 1 || header.Trees < 0 || header.Nodes < 0 || header.ValueRows < 0 || header.Features is < 1 or > TreeNode.FeatureMask + 1)
            throw Damaged("a count is out of range");
        if ((uint)header.Transform > (uint)TreeTransform.BothLogistic || (header.Transform >= (int)TreeTransform.Complement && header.Targets != 1))
            throw Damaged("its transform is unknown");
        var end = sizeof(Header) + 4L * (header.Targets + 2L * header.Trees);
        var nodesAt = (end + 7) / 8 * 8;
        if (nodesAt + (long)sizeof(TreeNode) * header.Nodes + 4L * header.ValueRows * header.Targets != bytes.Length) throw Damaged("its length is not that of its counts");

        var numbers = MemoryMarshal.Cast<byte, int>(bytes[sizeof(Header)..])[header.Targets..];
        var roots = numbers[..header.Trees];
        var targets = numbers.Slice(header.Trees, header.Trees);
        var nodes = MemoryMarshal.Cast<byte, TreeNode>(bytes[(int)nodesAt..])[..header.Nodes];
        for (var i = 0; i < roots.Length; i++)
        {
            if ((uint)roots[i] >= (uint)nodes.Length) throw Damaged($"tree {i} begins outside");
            if ((uint)targets[i] >= (uint)header.Targets) throw Damaged($"tree {i} has a target outside");
        }
        for (var i = 0; i < nodes.Length; i++)
        {
            var node = nodes[i];
            if (node.IsLeaf)
            {
                if (node.Right != 0 || (node.Feature & TreeNode.FeatureMask) >= header.Features) throw Damaged($"leaf {i} leads on");
                if (header.ValueRows > 0 && !(node.Value >= 0 && node.Value < header.ValueRows)) throw Damaged($"leaf {i} has no values");
            }
            else if (node.Right < 2 || i + node.Right >= nodes.Length || (node.Feature & TreeNode.FeatureMask) >= header.Features)
            {
                throw Damaged($"node {i} leads outside");
            }
        }
    }

    /// <summary>Sums the leaves that each row falls into, tree after tree as ONNX Runtime does, so that sums are the same to the bit.</summary>
    /// <param name="x">Rows of <paramref name="stride"/> numbers, at least <see cref="Features"/>.</param>
    /// <param name="y">Room for <see cref="Outputs"/> numbers per row.</param>
    public void Evaluate(float* x, int rows, int stride, float* y)
    {
        if (_header->ValueRows > 0) EvaluateTables(x, rows, stride, y);
        else if (Targets == 1 && Outputs == 1) EvaluateSums(x, rows, stride, y, 1, 1);
        else EvaluateSums(x, rows, stride, y, Targets, Outputs);
        for (var row = 0; row < rows; row++) Finish(y + (long)row * Outputs);
    }

    private void EvaluateSums(float* x, int rows, int stride, float* y, int targets, int outputs)
    {
        new Span<float>(y, rows * outputs).Clear();
        var trees = _header->Trees;
        var row = 0;
        if (rows >= Lanes)
        {
            for (; row + Lanes <= rows; row += Lanes)
            {
                var first = x + (long)row * stride;
                var sums = y + (long)row * outputs;
                for (var tree = 0; tree < trees; tree++)
                {
                    var root = _nodes + _roots[tree];
                    TreeNode* a = root, b = root, c = root, d = root;
                    Descend(ref a, ref b, ref c, ref d, first, first + stride, first + 2 * stride, first + 3 * stride);
                    var sum = sums + _targets[tree];
                    sum[0] += a->Value;
                    sum[outputs] += b->Value;
                    sum[2 * outputs] += c->Value;
                    sum[3 * outputs] += d->Value;
                }
            }
        }
        for (; row < rows; row++)
        {
            var features = x + (long)row * stride;
            var sums = y + (long)row * outputs;
            var tree = 0;
            for (; tree + Lanes <= trees; tree += Lanes)
            {
                TreeNode* a = _nodes + _roots[tree], b = _nodes + _roots[tree + 1], c = _nodes + _roots[tree + 2], d = _nodes + _roots[tree + 3];
                Descend(ref a, ref b, ref c, ref d, features, features, features, features);
                sums[_targets[tree]] += a->Value;
                sums[_targets[tree + 1]] += b->Value;
                sums[_targets[tree + 2]] += c->Value;
                sums[_targets[tree + 3]] += d->Value;
            }
            for (; tree < trees; tree++) sums[_targets[tree]] += Descend(_nodes + _roots[tree], features)->Value;
        }
    }

    private void EvaluateTables(float* x, int rows, int stride, float* y)
    {
        new Span<float>(y, rows * Outputs).Clear();
        for (var row = 0; row < rows; row++)
        {
            var sums = y + (long)row * Outputs;
            for (var tree = 0; tree < _header->Trees; tree++)
            {
                var values = _values + (long)Descend(_nodes + _roots[tree], x + (long)row * stride)->Value * Targets;
                for (var target = 0; target < Targets; target++) sums[target] += values[target];
            }
        }
    }

    private void Finish(float* y)
    {
        var count = Targets;
        if (_header->IsAverage != 0)
            for (var i = 0; i < count; i++) y[i] /= _header->Trees;
        for (var i = 0; i < count; i++) y[i] += _base[i];
        switch (Transform)
        {
            case TreeTransform.Softmax:
                var most = y[0];
                for (var i = 1; i < count; i++) most = Math.Max(most, y[i]);
                var sum = 0f;
                for (var i = 0; i < count; i++) sum += y[i] = MathF.Exp(y[i] - most);
                for (var i = 0; i < count; i++) y[i] /= sum;
                break;
            case TreeTransform.Logistic:
                for (var i = 0; i < count; i++) y[i] = Logistic(y[i]);
                break;
            case TreeTransform.Complement:
                (y[0], y[1]) = (1 - y[0], y[0]);
                break;
            case TreeTransform.Opposite:
                (y[0], y[1]) = (-y[0], y[0]);
                break;
            case TreeTransform.BothLogistic:
                (y[0], y[1]) = (Logistic(-y[0]), Logistic(y[0]));
                break;
            default:
                break;
        }
    }

    // As ONNX Runtime computes it: never the exponential of something large.
    private static float Logistic(float value)
    {
        var small = 1 / (1 + MathF.Exp(-Math.Abs(value)));
        return value < 0 ? 1 - small : small;
    }

    // Walks are chains of loads that depend on each other; four at a time hide most of the waiting.
    private const int Lanes = 4;

    private static void Descend(
        ref TreeNode* a, ref TreeNode* b, ref TreeNode* c, ref TreeNode* d, float* xa, float* xb, float* xc, float* xd)
    {
        TreeNode* na = a, nb = b, nc = c, nd = d;
        while ((na->Feature & nb->Feature & nc->Feature & nd->Feature & (1 << TreeNode.LeafBit)) == 0)
        {
            // Twice, since testing for the end costs as much as a step; a leaf leads to itself.
            na = Step(na, xa);
            nb = Step(nb, xb);
            nc = Step(nc, xc);
            nd = Step(nd, xd);
            na = Step(na, xa);
            nb = Step(nb, xb);
            nc = Step(nc, xc);
            nd = Step(nd, xd);
        }
        a = na;
        b = nb;
        c = nc;
        d = nd;
    }

    private static TreeNode* Descend(TreeNode* node, float* x)
    {
        while (!node->IsLeaf) node = Step(node, x);
        return node;
    }

    /// <summary>The next node, without a branch that the processor would guess wrong half of the time.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TreeNode* Step(TreeNode* node, float* x)
    {
        int feature = node->Feature;
        var value = x[feature & TreeNode.FeatureMask];
        var low = value <= node->Value;
        var missing = float.IsNaN(value);
        var next = Bit(low) | (Bit(missing) & (feature >> TreeNode.MissingBit));
        int right = node->Right;
        // 1 in an inner node, 0 in a leaf.
        var left = 1 ^ ((feature >> TreeNode.LeafBit) & 1);
        return node + (right ^ ((right ^ left) & -next));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Bit(bool value) => Unsafe.As<bool, byte>(ref value);

    private static OnnxException Damaged(string reason) => new(OnnxErrorCode.InvalidArgument, $"A table of trees is damaged: {reason}.");
}
