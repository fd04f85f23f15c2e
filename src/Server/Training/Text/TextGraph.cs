using System.Text;
using Atoll.Serving.Onnx;
using Atoll.Serving.Onnx.Proto;
using static Atoll.Serving.Onnx.OnnxGraphBuilder;

namespace Atoll.Training.Text;

/// <summary>Writes a text model as an ONNX graph from raw texts to labels.</summary>
/// <remarks>
/// Texts become characters at once and characters become numbers; words, pairs and runs are then integers, found by arithmetic
/// and looked up in tables. No step depends on the other texts of a batch: padding never makes a known key.
/// </remarks>
internal static class TextGraph
{
    // Longer than one character, so that no character of a text is taken for it.
    private const string PaddingToken = "padding";

    public static byte[] Export(TextModel model)
    {
        var graph = new OnnxGraphBuilder("text");
        var text = graph.Input("text", TensorElementType.String, "N");
        var characters = Characters(graph, text, model.Vocabulary.Alphabet);
        var words = Words(graph, characters, model.Vocabulary);
        var runs = Runs(graph, characters, model.Vocabulary);
        var features = Distinct(graph, graph.Node("Concat", [.. words, runs], Attribute("axis", 1L)));
        Outputs(graph, Scores(graph, features, model), model);
        return graph.ToBytes();
    }

    /// <summary>[N, length] ids of the characters, 0 after a text's end.</summary>
    private static string Characters(OnnxGraphBuilder graph, string text, TextAlphabet alphabet)
    {
        var whole = graph.Node("StringConcat", [graph.Constant("prefix", [TextAlphabet.Prefix]), text]);
        whole = graph.Node("StringConcat", [whole, graph.Constant("suffix", [TextAlphabet.Suffix])]);
        var tokens = graph.Node("com.microsoft", "Tokenizer", [whole], 1,
            Attribute("mark", 0L), Attribute("mincharnum", 1L), Attribute("pad_value", PaddingToken), Attribute("separators", [""]))[0];
        tokens = Slice(graph, tokens, 0, TextAlphabet.MaxLength, axis: 1);

        List<string> keys = [PaddingToken];
        List<long> ids = [TextAlphabet.Padding];
        foreach (var (codePoint, id) in alphabet.CodePoints)
        {
            keys.Add(new Rune(codePoint).ToString());
            ids.Add(id);
        }
        return graph.Node("ai.onnx.ml", "LabelEncoder", [tokens], 1,
            Attribute("keys_strings", keys), Attribute("values_int64s", ids), Attribute("default_int64", (long)alphabet.Unknown))[0];
    }

    /// <summary>Two times [N, length + 1]: at the last character of each word the word's feature, and that of it and the next word.</summary>
    private static string[] Words(OnnxGraphBuilder graph, string characters, NgramVocabulary vocabulary)
    {
        // All texts in one line. Each begins with a space and is followed by padding, so words never cross from one to the next.
        var padded = graph.Node("Pad", [characters, graph.Constant("one-more", [0L, 0L, 0L, 1L])]);
        var line = graph.Node("Reshape", [padded, graph.Constant("line", [-1L])]);
        var letter = graph.Node("GreaterOrEqual", [line, graph.Scalar("first-letter", (long)vocabulary.Alphabet.Unknown)]);
        var token = graph.Node("GreaterOrEqual", [line, graph.Scalar("first-token", (long)TextAlphabet.Start)]);

        // Every character with its neighbours; the first and last of the line are never part of a word.
        var (before, here, after) = (Slice(graph, letter, 0, -2), Slice(graph, letter, 1, -1), Slice(graph, letter, 2, long.MaxValue));
        var current = Slice(graph, line, 1, -1);
        var inside = Slice(graph, token, 1, -1);
        var begins = graph.Node("And", [inside, graph.Node("Not", [graph.Node("And", [here, before])])]);
        var ends = graph.Node("And", [inside, graph.Node("Not", [graph.Node("And", [here, after])])]);
        var flat = graph.Constant("flat", [-1L]);
        var beginAt = graph.Node("Reshape", [graph.Node("NonZero", [begins]), flat]);
        var endAt = graph.Node("Reshape", [graph.Node("NonZero", [ends]), flat]);

        // A word's key: the sum of its characters' ids, each times a number that depends on the place in the word.
        var zero = graph.Scalar("zero", 0L);
        var one = graph.Scalar("one", 1L);
        var ordinal = graph.Node("CumSum", [graph.Node("Cast", [begins], Attribute("to", (long)TensorElementType.Int64)), zero]);
        var beginOfWord = graph.Node("Gather", [beginAt, graph.Node("Sub", [ordinal, one])]);
        var position = graph.Node("Sub", [graph.Node("Range", [zero, graph.Node("Size", [current]), one]), beginOfWord]);
        position = graph.Node("Min", [position, graph.Scalar("last-multiplier", NgramVocabulary.MultiplierCount - 1L)]);
        var term = graph.Node("Mul", [graph.Node("Gather", [graph.Constant("multipliers", NgramVocabulary.Multipliers), position]), current]);
        var sum = graph.Node("CumSum", [term, zero]);
        var key = graph.Node("Sub", [graph.Node("Gather", [sum, endAt]), graph.Node("Gather", [sum, beginAt])]);
        key = graph.Node("Add", [key, graph.Node("Gather", [term, beginAt])]);

        var word = LookUp(graph, key, vocabulary.Keys.Words, 1);
        // The next text begins with the start mark, which is also what follows the last text's last word.
        var next = graph.Node("Concat", [Slice(graph, word, 1, long.MaxValue), graph.Constant("start", [(long)vocabulary.StartFeature])],
            Attribute("axis", 0L));
        var pairKey = graph.Node("Mul", [word, graph.Scalar("radix", (long)vocabulary.FirstPair)]);
        pairKey = graph.Node("Add", [pairKey, next]);
        var pair = LookUp(graph, pairKey, vocabulary.Keys.Pairs, vocabulary.FirstPair);

        var empty = graph.Node("ConstantOfShape", [graph.Node("Shape", [line])], Attribute("value", new TensorProto { DataType = (int)TensorElementType.Int64, Dims = { 1 }, Int64Data = { 0 } }));
        var place = graph.Node("Add", [endAt, one]);
        var shape = graph.Node("Shape", [padded]);
        return
        [
            graph.Node("Reshape", [graph.Node("ScatterElements", [empty, place, word]), shape]),
            graph.Node("Reshape", [graph.Node("ScatterElements", [empty, place, pair]), shape]),
        ];
    }

    /// <summary>[N, places] features of the runs of characters that begin at each place.</summary>
    private static string Runs(OnnxGraphBuilder graph, string characters, NgramVocabulary vocabulary)
    {
        var radix = graph.Scalar("alphabet", (long)vocabulary.Alphabet.Size);
        var key = characters;
        List<string> keys = [];
        for (var length = 2; length <= vocabulary.LongestRun; length++)
        {
            var longer = graph.Node("Mul", [Slice(graph, key, 0, -1, axis: 1), radix]);
            key = graph.Node("Add", [longer, Slice(graph, characters, length - 1, long.MaxValue, axis: 1)]);
            keys.Add(key);
        }
        return LookUp(graph, graph.Node("Concat", keys.ToArray(), Attribute("axis", 1L)), vocabulary.Keys.Runs, vocabulary.FirstRun);
    }

    /// <summary>Each text's features once, unknown ones dropped: [N, the most that any text has], 0 where a text has fewer.</summary>
    private static string Distinct(OnnxGraphBuilder graph, string features)
    {
        var sorted = Largest(graph, features, graph.Node("Shape", [features], Attribute("start", 1L), Attribute("end", 2L)));
        var shifted = graph.Node("Pad", [sorted, graph.Constant("one-before", [0L, 1L, 0L, 0L]), graph.Scalar("no-feature", -1L)]);
        var isNew = graph.Node("Not", [graph.Node("Equal", [Slice(graph, shifted, 0, -1, axis: 1), sorted])]);
        var distinct = graph.Node("Mul", [sorted, graph.Node("Cast", [isNew], Attribute("to", (long)TensorElementType.Int64))]);

        var known = graph.Node("Greater", [distinct, graph.Scalar("unknown", 0L)]);
        var counts = graph.Node("ReduceSum",
            [graph.Node("Cast", [known], Attribute("to", (long)TensorElementType.Int64)), graph.Constant("row", [1L])]);
        var most = graph.Node("Max", [graph.Node("ReduceMax", [counts], Attribute("keepdims", 0L)), graph.Constant("at-least", [1L])]);
        return Largest(graph, distinct, most);
    }

    /// <summary>[N, labels] scores before softmax or sigmoid.</summary>
    private static string Scores(OnnxGraphBuilder graph, string features, TextModel model)
    {
        // A column per block, words, pairs and runs: a feature has its value in one of them and 0 in the others.
        const int blockCount = 3;
        var count = model.FeatureWeights.Length;
        var squares = new float[count * blockCount];
        var factors = new float[count * blockCount];
        for (var feature = 0; feature < count; feature++)
        {
            var block = feature < model.Vocabulary.FirstPair ? 0 : feature < model.Vocabulary.FirstRun ? 1 : 2;
            var weight = model.FeatureWeights[feature];
            squares[feature * blockCount + block] = weight * weight;
            factors[feature * blockCount + block] = weight * model.Steps[feature] * (block == 1 ? FeatureRows.PairScale : 1);
        }
        var square = graph.Node("Gather", [graph.Constant("squares", squares, count, blockCount), features]);
        var sums = graph.Node("ReduceSum", [square, graph.Constant("middle", [1L])]);
        sums = graph.Node("Max", [sums, graph.Scalar("smallest", FeatureRows.SmallestSquare)]);
        var inverse = graph.Node("Reciprocal", [graph.Node("Sqrt", [sums])]);

        var factor = graph.Node("Gather", [graph.Constant("factors", factors, count, blockCount), features]);
        factor = graph.Node("Transpose", [factor], Attribute("perm", [0L, 2L, 1L]));
        var levels = graph.Constant("levels", model.Levels, count, model.Labels.Count);
        var rows = graph.Node("Cast", [graph.Node("Gather", [levels, features])], Attribute("to", (long)TensorElementType.Float));
        var blocks = graph.Node("MatMul", [factor, rows]);
        var scores = graph.Node("MatMul", [inverse, blocks]);
        scores = graph.Node("Squeeze", [scores, graph.Constant("middle", [1L])]);
        return graph.Node("Add", [scores, graph.Constant("bias", model.Bias)]);
    }

    private static void Outputs(OnnxGraphBuilder graph, string scores, TextModel model)
    {
        if (model.Thresholds is { } thresholds)
        {
            var each = graph.Node("Sigmoid", [scores]);
            graph.Output("probabilities", each, TensorElementType.Float, "N", model.Labels.Count);
            var selected = graph.Node("GreaterOrEqual", [each, graph.Constant("thresholds", thresholds)]);
            graph.Output("selected", selected, TensorElementType.Bool, "N", model.Labels.Count);
            return;
        }
        var best = graph.Node("ArgMax", [scores], Attribute("axis", 1L), Attribute("keepdims", 0L));
        graph.Output("label", graph.Node("Gather", [graph.Constant("labels", model.Labels), best]), TensorElementType.String, "N");
        graph.Output("probabilities", graph.Node("Softmax", [scores], Attribute("axis", 1L)), TensorElementType.Float, "N", model.Labels.Count);
    }

    /// <summary>Features of keys, numbered from <paramref name="first"/>; 0 for a key that is not in the table.</summary>
    private static string LookUp(OnnxGraphBuilder graph, string keys, long[] table, int first)
    {
        // An empty table is not allowed; no key is negative.
        long[] known = table.Length == 0 ? [-1L] : table;
        return graph.Node("ai.onnx.ml", "LabelEncoder", [keys], 1,
            Attribute("keys_int64s", known),
            Attribute("values_int64s", Enumerable.Range(table.Length == 0 ? 0 : first, known.Length).Select(i => (long)i)),
            Attribute("default_int64", 0L))[0];
    }

    private static string Largest(OnnxGraphBuilder graph, string values, string count) =>
        graph.Node("", "TopK", [values, count], 2, Attribute("axis", 1L), Attribute("largest", 1L), Attribute("sorted", 1L))[0];

    private static string Slice(OnnxGraphBuilder graph, string value, long from, long to, long axis = 0) =>
        graph.Node("Slice",
            [value, graph.Constant("from", [from]), graph.Constant("to", [to]), graph.Constant("axis", [axis])]);
}
