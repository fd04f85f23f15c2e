using Atoll.Serving.Onnx.Proto;
using Atoll.Serving.Operators;
using Google.Protobuf;

namespace Atoll.Serving.Splitting;

/// <summary>Turns the attributes of a tree ensemble of <c>ai.onnx.ml</c> into a <see cref="TreeTable"/>.</summary>
/// <remarks>
/// Source: the operators TreeEnsembleRegressor and TreeEnsembleClassifier of ai.onnx.ml, version 3. What is rare is left
/// to ONNX Runtime: tests for equality, minimum and maximum instead of sums, the transforms PROBIT and SOFTMAX_ZERO, trees whose
/// nodes do not fit into eight bytes.
/// </remarks>
internal static class TreeConversion
{
    private const int RowsOfValuesMax = 1 << 24;

    /// <summary>The table, or null and why there is none.</summary>
    public static byte[]? Convert(NodeProto node, out string? reason)
    {
        try
        {
            reason = null;
            return new Reading(node).Write();
        }
        catch (NotConvertibleException why)
        {
            reason = why.Message;
            return null;
        }
    }

    /// <summary>From which score of the second class on a classifier of two classes chooses it.</summary>
    public static float LimitOf(TreeTransform transform) => transform == TreeTransform.Opposite ? 0 : 0.5f;

    private sealed class NotConvertibleException(string reason) : Exception(reason);

    private sealed class Reading
    {
        private readonly Dictionary<string, AttributeProto> _attributes;
        private readonly bool _isClassifier;
        private readonly long[] _treeIds;
        private readonly long[] _nodeIds;
        private readonly long[] _features;
        private readonly long[] _trueIds;
        private readonly long[] _falseIds;
        private readonly long[] _missing;
        private readonly float[] _values;
        private readonly string[] _modes;
        private readonly Dictionary<(long Tree, long Node), int> _positions = [];
        private readonly Dictionary<(long Tree, long Node), List<(int Target, float Weight)>> _leaves = [];
        private readonly List<TreeNode> _nodes = [];
        private readonly List<float> _rows = [];
        private bool _hasRows;
        private int _targets;

        public Reading(NodeProto node)
        {
            _attributes = node.Attribute.ToDictionary(attribute => attribute.Name, StringComparer.Ordinal);
            _isClassifier = node.OpType == "TreeEnsembleClassifier";
            foreach (var name in _attributes.Keys)
                if (name.EndsWith("_as_tensor", StringComparison.Ordinal)) throw new NotConvertibleException($"it has {name}");
            _treeIds = Longs("nodes_treeids");
            _nodeIds = Longs("nodes_nodeids");
            _features = Longs("nodes_featureids");
            _trueIds = Longs("nodes_truenodeids");
            _falseIds = Longs("nodes_falsenodeids");
            _missing = Longs("nodes_missing_value_tracks_true");
            _values = [.. Get("nodes_values")?.Floats ?? []];
            _modes = [.. (Get("nodes_modes")?.Strings ?? []).Select(mode => mode.ToStringUtf8())];
            var count = _treeIds.Length;
            if (count == 0 || _nodeIds.Length != count || _features.Length != count || _trueIds.Length != count || _falseIds.Length != count
                || _values.Length != count || _modes.Length != count || (_missing.Length != 0 && _missing.Length != count))
                throw new NotConvertibleException("its attributes have different lengths");
            for (var i = 0; i < count; i++) _positions[(_treeIds[i], _nodeIds[i])] = i;
        }

        public byte[] Write()
        {
            var (transform, baseValues) = ReadLeaves();
            var roots = Roots();
            if (_isClassifier) CheckEveryClassHasAScore();
            var targets = new int[roots.Count];
            _hasRows = !HasOneTargetPerTree(roots, targets);
            var starts = new int[roots.Count];
            for (var tree = 0; tree < roots.Count; tree++)
            {
                starts[tree] = _nodes.Count;
                Emit(roots[tree]);
            }
            var aggregate = Text("aggregate_function", "SUM");
            if (aggregate is not ("SUM" or "AVERAGE")) throw new NotConvertibleException($"it aggregates by {aggregate}");
            var features = (int)_features.Where((_, i) => _modes[i] != "LEAF").Append(0).Max() + 1;
            return TreeTable.Write(
                features, baseValues, starts, _hasRows ? [] : targets, [.. _nodes], [.. _rows], transform, aggregate == "AVERAGE");
        }

        private (TreeTransform Transform, float[] BaseValues) ReadLeaves()
        {
            var prefix = _isClassifier ? "class_" : "target_";
            var (trees, nodes, ids) = (Longs(prefix + "treeids"), Longs(prefix + "nodeids"), Longs(prefix + "ids"));
            float[] weights = [.. Get(prefix + "weights")?.Floats ?? []];
            if (trees.Length != nodes.Length || trees.Length != ids.Length || trees.Length != weights.Length)
                throw new NotConvertibleException("its leaves have different lengths");
            float[] given = [.. Get("base_values")?.Floats ?? []];
            var transformName = Text("post_transform", "NONE");
            var transform = transformName switch
            {
                "NONE" => TreeTransform.None,
                "SOFTMAX" => TreeTransform.Softmax,
                "LOGISTIC" => TreeTransform.Logistic,
                _ => throw new NotConvertibleException($"its transform is {transformName}"),
            };
            _targets = _isClassifier
                ? Math.Max(Get("classlabels_strings")?.Strings.Count ?? 0, Get("classlabels_int64s")?.Ints.Count ?? 0)
                : (int)(Get("n_targets")?.I ?? 1);
            var oneOfTwo = _isClassifier && _targets == 2 && Array.TrueForAll(ids, id => id == 0);
            if (oneOfTwo)
            {
                if (given.Length > 1) throw new NotConvertibleException("it has one score, and two base values");
                _targets = 1;
                transform = Array.TrueForAll(weights, weight => weight >= 0) ? TreeTransform.Complement
                    : transform == TreeTransform.Logistic ? TreeTransform.BothLogistic
                    : TreeTransform.Opposite;
            }
            else if (_isClassifier && _targets < 3)
            {
                // ONNX Runtime has rules of its own for two scores of two classes.
                throw new NotConvertibleException("it has two scores of two classes");
            }
            else if (_targets == 1)
            {
                // ONNX Runtime leaves a single score as it is, whatever the transform says.
                transform = TreeTransform.None;
            }
            if (_targets < 1) throw new NotConvertibleException("it has no targets");
            if (given.Length != 0 && given.Length != _targets) throw new NotConvertibleException("its base values are not one per target");
            for (var i = 0; i < trees.Length; i++)
            {
                if ((ulong)ids[i] >= (ulong)_targets) throw new NotConvertibleException("a leaf has a target that does not exist");
                if (!_leaves.TryGetValue((trees[i], nodes[i]), out var list)) _leaves[(trees[i], nodes[i])] = list = [];
                list.Add(((int)ids[i], weights[i]));
            }
            return (transform, given.Length == 0 ? new float[_targets] : given);
        }

        /// <summary>The nodes that are no node's child, in the order of the attributes: that is the order of the sum.</summary>
        private List<int> Roots()
        {
            var isChild = new bool[_treeIds.Length];
            for (var i = 0; i < _treeIds.Length; i++)
            {
                if (_modes[i] == "LEAF") continue;
                foreach (var child in (ReadOnlySpan<long>)[_trueIds[i], _falseIds[i]])
                {
                    if (!_positions.TryGetValue((_treeIds[i], child), out var at)) throw new NotConvertibleException("a node has a child that does not exist");
                    if (isChild[at]) throw new NotConvertibleException("two nodes have the same child");
                    isChild[at] = true;
                }
            }
            var roots = new List<int>();
            for (var i = 0; i < isChild.Length; i++)
                if (!isChild[i]) roots.Add(i);
            if (roots.Count != _treeIds.Distinct().Count()) throw new NotConvertibleException("a tree has several beginnings, or none");
            return roots;
        }

        /// <summary>ONNX Runtime chooses among the classes that got a score; we choose among all, which is the same if each always gets one.</summary>
        private void CheckEveryClassHasAScore()
        {
            var always = new HashSet<int>();
            var leaves = Enumerable.Range(0, _treeIds.Length).Where(i => _modes[i] == "LEAF").GroupBy(i => _treeIds[i]);
            foreach (var tree in leaves)
            {
                HashSet<int>? ofAll = null;
                foreach (var leaf in tree)
                {
                    var named = (_leaves.GetValueOrDefault((_treeIds[leaf], _nodeIds[leaf])) ?? []).Select(weight => weight.Target);
                    if (ofAll is null) ofAll = [.. named];
                    else ofAll.IntersectWith(named);
                }
                always.UnionWith(ofAll!);
            }
            if (always.Count < _targets) throw new NotConvertibleException("some rows give a class no score");
        }

        private bool HasOneTargetPerTree(List<int> roots, int[] targets)
        {
            if (_targets == 1) return _leaves.Values.All(weights => weights.Count == 1);
            var ofTree = new Dictionary<long, int>();
            foreach (var ((tree, _), weights) in _leaves)
                if (weights.Count != 1 || (ofTree.TryGetValue(tree, out var known) && known != weights[0].Target)) return false;
                else ofTree[tree] = weights[0].Target;
            for (var tree = 0; tree < targets.Length; tree++) targets[tree] = ofTree.GetValueOrDefault(_treeIds[roots[tree]]);
            return true;
        }

        /// <summary>Adds a tree in preorder. A stack of our own, as trees may be deep.</summary>
        private void Emit(int root)
        {
            var open = new Stack<(int Node, int Parent)>();
            open.Push((root, -1));
            while (open.TryPop(out var item))
            {
                var (i, parent) = item;
                var at = _nodes.Count;
                if (parent >= 0)
                {
                    if (at - parent > ushort.MaxValue) throw new NotConvertibleException("a tree is too large for nodes of eight bytes");
                    _nodes[parent] = _nodes[parent] with { Right = (ushort)(at - parent) };
                }
                if (_modes[i] == "LEAF")
                {
                    _nodes.Add(new TreeNode { Feature = 1 << TreeNode.LeafBit, Value = LeafValue((_treeIds[i], _nodeIds[i])) });
                    continue;
                }
                if (_leaves.ContainsKey((_treeIds[i], _nodeIds[i]))) throw new NotConvertibleException("an inner node has a weight");
                var feature = _features[i];
                if (feature is < 0 or > TreeNode.FeatureMask) throw new NotConvertibleException($"it has more than {TreeNode.FeatureMask + 1} features");
                var value = _values[i];
                if (float.IsNaN(value)) throw new NotConvertibleException("a threshold is not a number");
                var tracksTrue = _missing.Length > 0 && _missing[i] != 0;
                // All tests become "at most": x < v is x <= the number before v, and the others are those with their sides changed.
                var (limit, swap) = _modes[i] switch
                {
                    "BRANCH_LEQ" => (value, false),
                    "BRANCH_LT" => (Before(value), false),
                    "BRANCH_GT" => (value, true),
                    "BRANCH_GTE" => (Before(value), true),
                    var mode => throw new NotConvertibleException($"it tests by {mode}"),
                };
                var (next, other) = swap ? (_falseIds[i], _trueIds[i]) : (_trueIds[i], _falseIds[i]);
                _nodes.Add(new TreeNode
                {
                    Value = limit,
                    Feature = (ushort)((int)feature | (tracksTrue != swap ? 1 << TreeNode.MissingBit : 0)),
                });
                open.Push((_positions[(_treeIds[i], other)], at));
                open.Push((_positions[(_treeIds[i], next)], -1));
            }
        }

        private static float Before(float value) =>
            float.IsNegativeInfinity(value) ? throw new NotConvertibleException("a threshold is below all numbers") : MathF.BitDecrement(value);

        private float LeafValue((long Tree, long Node) leaf)
        {
            var weights = _leaves.GetValueOrDefault(leaf);
            if (!_hasRows) return weights is null ? 0 : weights[0].Weight;
            var row = _rows.Count / _targets;
            if (row >= RowsOfValuesMax) throw new NotConvertibleException("it has too many leaves");
            var values = new float[_targets];
            foreach (var (target, weight) in weights ?? []) values[target] += weight;
            _rows.AddRange(values);
            return row;
        }

        private AttributeProto? Get(string name) => _attributes.GetValueOrDefault(name);

        private long[] Longs(string name) => [.. Get(name)?.Ints ?? []];

        private string Text(string name, string otherwise) => Get(name) is { } attribute ? attribute.S.ToStringUtf8() : otherwise;
    }
}
