using Atoll.Serving.Onnx;
using Atoll.Serving.Onnx.Proto;
using Atoll.Serving.Operators;

namespace Atoll.Serving.Splitting;

/// <content>Operators of <c>ai.onnx.ml</c>, as scikit-learn's converters write them, whose attributes hold what was learned: the same from standard operators, with tensors.</content>
internal static partial class ModelSplitter
{
    private sealed partial class Splitting
    {
        // Unsqueeze takes its axes as an input, and Equal compares all numbers, from these versions of the standard operators on.
        private const long AxesAsInput = 13;
        private const long EqualOfAll = 11;

        // What was written here and is known to be float.
        private readonly HashSet<string> _floats = new(StringComparer.Ordinal);

        private readonly long _opset = model.OpsetImport.FirstOrDefault(set => set.Domain.Length == 0)?.Version ?? 0;

        /// <summary>Writes the node anew; false when it is none of these, or has a form that is left to ONNX Runtime.</summary>
        private bool TryRewrite(NodeProto node, List<NodeProto> nodes) => node.Input.Count > 0 && node.Output.Count > 0 && node.OpType switch
        {
            "LinearClassifier" => TryClassifier(node, nodes),
            "LinearRegressor" => TryRegressor(node, nodes),
            "Scaler" => TryScaler(node, nodes),
            "Imputer" => TryImputer(node, nodes),
            "OneHotEncoder" => TryOneHot(node, nodes),
            "LabelEncoder" => TryLabels(node, nodes),

            // Its attribute is a shape.
            "FeatureVectorizer" => Keep(node, nodes),
            _ => false,
        };

        private static bool Keep(NodeProto node, List<NodeProto> nodes)
        {
            nodes.Add(node);
            return true;
        }

        private bool TryRegressor(NodeProto node, List<NodeProto> nodes)
        {
            var targets = Find(node, "targets")?.I ?? 1;
            return WriteLinear(node, targets, nodes) is { } scores && WriteTransform(node, ref scores, node.Output[0], nodes);
        }

        private bool TryClassifier(NodeProto node, List<NodeProto> nodes)
        {
            // With one row of coefficients for two classes ONNX Runtime makes up the other score.
            var classes = Find(node, "intercepts")?.Floats.Count ?? 0;
            if (classes < 2 || LabelTensor(node, classes) is not { } labels || WriteLinear(node, classes, nodes) is not { } scores) return false;
            if (!WriteTransform(node, ref scores, Unused(node.Output.ElementAtOrDefault(1), "scores"), nodes)) return false;
            if (node.Output[0].Length == 0) return true;
            var index = Unused(null, "index");
            nodes.Add(new NodeProto
            {
                OpType = "ArgMax", Input = { scores }, Output = { index },
                Attribute = { OnnxGraphBuilder.Attribute("axis", 1), OnnxGraphBuilder.Attribute("keepdims", 0L) },
            });
            nodes.Add(new NodeProto { OpType = "Gather", Input = { labels, index }, Output = { node.Output[0] } });
            return true;
        }

        private string? LabelTensor(NodeProto node, int classes)
        {
            if (Find(node, "classlabels_strings")?.Strings is { } strings && strings.Count == classes) return Texts(strings);
            return Find(node, "classlabels_ints")?.Ints is { } ints && ints.Count == classes
                ? Constant("labels", TensorElementType.Int64, [classes], [.. ints.SelectMany(BitConverter.GetBytes)])
                : null;
        }

        /// <summary>The product with the coefficients, a row of them for each of so many outputs.</summary>
        private string? WriteLinear(NodeProto node, long rows, List<NodeProto> nodes)
        {
            if (Find(node, "coefficients")?.Floats is not { Count: > 0 } coefficients || rows <= 0 || coefficients.Count % rows != 0) return null;
            var gemm = new NodeProto
            {
                OpType = "Gemm", Output = { Unused(null, "linear") }, Attribute = { OnnxGraphBuilder.Attribute("transB", 1L) },
                Input = { AsFloat(node.Input[0], nodes), Floats("coefficients", coefficients, rows, coefficients.Count / rows) },
            };
            if (Find(node, "intercepts")?.Floats is { Count: > 0 } intercepts)
            {
                if (intercepts.Count != rows) return null;
                gemm.Input.Add(Floats("intercepts", intercepts, rows));
            }
            nodes.Add(gemm);
            return gemm.Output[0];
        }

        /// <param name="scores">Of the node that was written last; the output itself where nothing is done to them.</param>
        private static bool WriteTransform(NodeProto node, ref string scores, string output, List<NodeProto> nodes)
        {
            switch (Find(node, "post_transform")?.S.ToStringUtf8())
            {
                case null or "NONE":
                    nodes[^1].Output[0] = scores = output;
                    return true;
                case "LOGISTIC":
                    nodes.Add(new NodeProto { OpType = "Sigmoid", Input = { scores }, Output = { output } });
                    return true;
                case "SOFTMAX":
                    nodes.Add(new NodeProto { OpType = "Softmax", Input = { scores }, Output = { output }, Attribute = { OnnxGraphBuilder.Attribute("axis", 1) } });
                    return true;
                default:
                    return false;
            }
        }

        private bool TryScaler(NodeProto node, List<NodeProto> nodes)
        {
            if (Find(node, "offset")?.Floats is not { Count: > 0 } offset || Find(node, "scale")?.Floats is not { Count: > 0 } scale) return false;
            var centred = Unused(null, "centred");
            nodes.Add(new NodeProto { OpType = "Sub", Input = { AsFloat(node.Input[0], nodes), Floats("offset", offset, offset.Count) }, Output = { centred } });
            _floats.Add(node.Output[0]);
            nodes.Add(new NodeProto { OpType = "Mul", Input = { centred, Floats("scale", scale, scale.Count) }, Output = { node.Output[0] } });
            return true;
        }

        private bool TryImputer(NodeProto node, List<NodeProto> nodes)
        {
            var isMissing = Unused(null, "is_missing");
            string values;
            if (Find(node, "imputed_value_floats")?.Floats is { Count: > 0 } floats)
            {
                values = Floats("imputed", floats, floats.Count);
                _floats.Add(node.Output[0]);
                var replaced = Find(node, "replaced_value_float")?.F ?? 0;
                if (float.IsNaN(replaced)) nodes.Add(new NodeProto { OpType = "IsNaN", Input = { node.Input[0] }, Output = { isMissing } });
                else if (_opset < EqualOfAll) return false;
                else nodes.Add(new NodeProto { OpType = "Equal", Input = { node.Input[0], Floats("replaced", [replaced], 1) }, Output = { isMissing } });
            }
            else if (Find(node, "imputed_value_int64s")?.Ints is { Count: > 0 } ints)
            {
                values = Wholes("imputed", ints);
                nodes.Add(new NodeProto { OpType = "Equal", Input = { node.Input[0], Wholes("replaced", [Find(node, "replaced_value_int64")?.I ?? 0]) }, Output = { isMissing } });
            }
            else
            {
                return false;
            }
            nodes.Add(new NodeProto { OpType = "Where", Input = { isMissing, values, node.Input[0] }, Output = { node.Output[0] } });
            return true;
        }

        private bool TryOneHot(NodeProto node, List<NodeProto> nodes)
        {
            // Without it an unknown category is an error.
            if (Find(node, "zeros") is { I: 0 }) return false;
            var number = Unused(null, "number");
            IReadOnlyList<long> categories;
            if (Find(node, "cats_strings")?.Strings is { Count: > 0 } strings)
            {
                WriteLookup(node.Input[0], [.. strings.Select(key => key.Memory)], AtollOperators.StringLookup, -1, number, nodes);
                categories = [.. Enumerable.Range(0, strings.Count).Select(i => (long)i)];
            }
            else if (Find(node, "cats_int64s")?.Ints is { Count: > 0 } ints)
            {
                categories = ints;
                nodes.Add(new NodeProto { OpType = "Cast", Input = { node.Input[0] }, Output = { number }, Attribute = { OnnxGraphBuilder.Attribute("to", (long)TensorElementType.Int64) } });
            }
            else
            {
                return false;
            }
            var (column, isIt) = (Unused(null, "column"), Unused(null, "is_it"));
            var unsqueeze = new NodeProto { OpType = "Unsqueeze", Input = { number }, Output = { column } };
            if (_opset >= AxesAsInput) unsqueeze.Input.Add(Wholes("axis", [-1]));
            else if (_opset >= EqualOfAll) unsqueeze.Attribute.Add(OnnxGraphBuilder.Attribute("axes", [-1L]));
            else return false;
            nodes.Add(unsqueeze);
            nodes.Add(new NodeProto { OpType = "Equal", Input = { column, Wholes("categories", categories) }, Output = { isIt } });
            nodes.Add(new NodeProto { OpType = "Cast", Input = { isIt }, Output = { node.Output[0] }, Attribute = { OnnxGraphBuilder.Attribute("to", (long)TensorElementType.Float) } });
            return true;
        }

        /// <summary>From words or whole numbers to words or numbers: to whole numbers it is a dictionary of its own.</summary>
        private bool TryLabels(NodeProto node, List<NodeProto> nodes)
        {
            if (node.Attribute.Any(attribute => attribute.Name is not (
                "keys_strings" or "keys_int64s" or "values_strings" or "values_floats" or "default_int64" or "default_string" or "default_float"))) return false;
            var isText = Find(node, "keys_strings") is { Strings.Count: > 0 };
            ReadOnlyMemory<byte>[] keys = isText
                ? [.. Find(node, "keys_strings")!.Strings.Select(key => key.Memory)]
                : [.. (Find(node, "keys_int64s")?.Ints ?? []).Select(key => new ReadOnlyMemory<byte>(BitConverter.GetBytes(key)))];
            string values;
            if (Find(node, "values_strings")?.Strings is { Count: > 0 } texts && texts.Count == keys.Length)
                values = Texts([.. texts, Find(node, "default_string")?.S ?? Google.Protobuf.ByteString.CopyFromUtf8("_Unused")]);
            else if (Find(node, "values_floats")?.Floats is { Count: > 0 } floats && floats.Count == keys.Length)
                values = Floats("values", [.. floats, Find(node, "default_float")?.F ?? -0f], keys.Length + 1);
            else
                return false;
            var index = Unused(null, "index");
            WriteLookup(node.Input[0], keys, isText ? AtollOperators.StringLookup : AtollOperators.IntegerLookup, keys.Length, index, nodes);
            nodes.Add(new NodeProto { OpType = "Gather", Input = { values, index }, Output = { node.Output[0] } });
            return true;
        }

        /// <summary>The position of each element among the keys.</summary>
        private void WriteLookup(string input, ReadOnlyMemory<byte>[] keys, string operation, long missing, string output, List<NodeProto> nodes)
        {
            var table = LookupTable.Write(keys, [.. Enumerable.Range(0, keys.Length).Select(i => (long)i)], missing);
            nodes.Add(new NodeProto
            {
                OpType = operation, Domain = AtollOperators.Domain, Output = { output },
                Input = { input, Constant("dictionary", TensorElementType.UInt8, [table.Length], table) },
            });
        }

        /// <summary>These operators take numbers of all kinds and compute with <c>float</c>.</summary>
        private string AsFloat(string value, List<NodeProto> nodes)
        {
            var known = _graph.Input.Concat(_graph.ValueInfo).FirstOrDefault(info => info.Name == value)?.Type?.TensorType?.ElemType;
            if (known == (int)TensorElementType.Float || _floats.Contains(value)) return value;
            var cast = Unused(null, "float");
            nodes.Add(new NodeProto { OpType = "Cast", Input = { value }, Output = { cast }, Attribute = { OnnxGraphBuilder.Attribute("to", (long)TensorElementType.Float) } });
            return cast;
        }

        private string Floats(string hint, IEnumerable<float> values, params long[] shape) =>
            Constant(hint, TensorElementType.Float, shape, [.. values.SelectMany(BitConverter.GetBytes)]);

        private string Wholes(string hint, IReadOnlyCollection<long> values) =>
            Constant(hint, TensorElementType.Int64, [values.Count], [.. values.SelectMany(BitConverter.GetBytes)]);

        private string Texts(IReadOnlyCollection<Google.Protobuf.ByteString> texts)
        {
            var tensor = new TensorProto { Name = Unused(null, "texts"), DataType = (int)TensorElementType.String, Dims = { texts.Count } };
            tensor.StringData.Add(texts);
            _constants[tensor.Name] = tensor;
            return tensor.Name;
        }

        private static AttributeProto? Find(NodeProto node, string name) => node.Attribute.FirstOrDefault(attribute => attribute.Name == name);
    }
}
