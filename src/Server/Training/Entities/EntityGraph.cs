using System.Text;
using Atoll.Serving.Onnx;
using Atoll.Serving.Onnx.Proto;
using Atoll.Training.Text;
using static Atoll.Serving.Onnx.OnnxGraphBuilder;

namespace Atoll.Training.Entities;

/// <summary>Writes a chain as an ONNX graph from raw texts to entities: the words of <see cref="WordReader"/>, the features of <see cref="EntityVocabulary"/>, the tags of <see cref="ChainModel"/>.</summary>
/// <remarks>
/// There is no loop in it, so that models of any content share a session: tags hear of each other by a fixed number of exchanges between
/// neighbours. Places are counted in code points, as the tokeniser gives one piece for each.
/// </remarks>
internal sealed class EntityGraph
{
    // Longer than one character, so that no character of a text is taken for it.
    private const string PaddingToken = "padding";
    private const int Far = ChainModel.Far;

    private readonly OnnxGraphBuilder _graph = new("entities");
    private readonly EntityVocabulary _vocabulary;
    private readonly ChainModel _model;
    private readonly Dictionary<long, string> _numbers = [];
    private readonly string _zero;
    private readonly string _one;
    private readonly string _flat;
    private readonly string _last;

    // Of all words of all texts, in one line: where they begin and end in it, the text they are of, and their place among its words.
    private string _beginAt = "", _endAt = "", _row = "", _place = "";

    // Of all characters of all texts, in one line.
    private string _line = "", _classes = "", _width = "";

    private EntityGraph(EntityVocabulary vocabulary, ChainModel model)
    {
        (_vocabulary, _model) = (vocabulary, model);
        (_zero, _one, _flat, _last) = (_graph.Scalar("zero", 0L), _graph.Scalar("one", 1L), _graph.Constant("flat", [-1L]), _graph.Constant("last", [-1L]));
    }

    public static byte[] Export(EntityVocabulary vocabulary, ChainModel model, IReadOnlyList<string> labels)
    {
        var export = new EntityGraph(vocabulary, model);
        var text = export._graph.Input("text", TensorElementType.String, "N");
        export.FindWords(export.Characters(text));
        var (scores, valid) = export.Arrange(export.Features());
        export.Outputs(export.Tags(scores, valid), labels);
        return export._graph.ToBytes();
    }

    /// <summary>[N, length] ids of the characters, 0 after a text's end.</summary>
    private string Characters(string text)
    {
        var whole = _graph.Node("StringConcat", [_graph.Constant("prefix", [EntityAlphabet.Prefix]), text]);
        whole = _graph.Node("StringConcat", [whole, _graph.Constant("suffix", [EntityAlphabet.Suffix])]);
        var pieces = _graph.Node("com.microsoft", "Tokenizer", [whole], 1,
            Attribute("mark", 0L), Attribute("mincharnum", 1L), Attribute("pad_value", PaddingToken), Attribute("separators", [""]))[0];
        pieces = Slice(pieces, 0, EntityAlphabet.MaxLength, axis: 1);

        List<string> keys = [PaddingToken];
        List<long> ids = [EntityAlphabet.Padding];
        foreach (var (codePoint, id) in _vocabulary.Alphabet.CodePoints)
        {
            keys.Add(new Rune(codePoint).ToString());
            ids.Add(id);
        }
        return _graph.Node("ai.onnx.ml", "LabelEncoder", [pieces], 1,
            Attribute("keys_strings", keys), Attribute("values_int64s", ids), Attribute("default_int64", (long)EntityAlphabet.Unknown))[0];
    }

    private void FindWords(string characters)
    {
        // Each text is followed by padding, so that no word crosses from one to the next.
        var padded = _graph.Node("Pad", [characters, _graph.Constant("one-more", [0L, 0L, 0L, 1L])]);
        _width = _graph.Node("Shape", [padded], Attribute("start", 1L), Attribute("end", 2L));
        _line = _graph.Node("Reshape", [padded, _flat]);
        _classes = _graph.Node("Gather", [_graph.Constant("classes", [.. _vocabulary.Alphabet.Classes]), _line]);
        var word = _graph.Node("GreaterOrEqual", [_classes, _graph.Scalar("first-word", (long)CharacterClass.Alone)]);
        var letter = _graph.Node("GreaterOrEqual", [_classes, _graph.Scalar("first-letter", (long)CharacterClass.Lower)]);

        // Every character with its neighbours; the first and last of the line are never part of a word.
        var (before, here, after) = (Slice(letter, 0, -2), Slice(letter, 1, -1), Slice(letter, 2, long.MaxValue));
        var inside = Slice(word, 1, -1);
        var begins = And(inside, Not(And(here, before)));
        var ends = And(inside, Not(And(here, after)));
        _beginAt = Add(_graph.Node("Reshape", [_graph.Node("NonZero", [begins]), _flat]), _one);
        _endAt = Add(_graph.Node("Reshape", [_graph.Node("NonZero", [ends]), _flat]), _one);
        _row = _graph.Node("Div", [_beginAt, _width]);

        // The mark before a text is its first word, and the only one at that place.
        var firsts = _graph.Node("Equal", [_graph.Node("Mod", [_beginAt, _width]), _one]);
        firsts = _graph.Node("Reshape", [_graph.Node("NonZero", [firsts]), _flat]);
        var count = _graph.Node("Size", [_beginAt]);
        _place = Sub(_graph.Node("Range", [_zero, count, _one]), _graph.Node("Gather", [firsts, _row]));
    }

    /// <summary>For each word its weights: those of its wide features, by slot and tag, then those of its own, by tag.</summary>
    private string Features()
    {
        var alphabet = _vocabulary.Alphabet;
        var length = Add(Sub(_endAt, _beginAt), _one);
        var positions = PlacesInWords();
        var factors = _graph.Node("Gather", [_graph.Constant("multipliers", NgramVocabulary.Multipliers), positions]);
        var exact = SumOverWord(Mul(factors, _line));
        var folded = SumOverWord(Mul(factors, _graph.Node("Gather", [_graph.Constant("folded", [.. alphabet.Folded]), _line])));
        var capitals = SumOverWord(ToInt(EqualTo(_classes, (long)CharacterClass.Upper)));
        var digits = SumOverWord(ToInt(EqualTo(_classes, (long)CharacterClass.Digit)));

        var first = _graph.Node("Gather", [_classes, _beginAt]);
        var caps = Where(And(EqualTo(capitals, 1), EqualTo(first, (long)CharacterClass.Upper)), Number(1), Number(4));
        caps = Where(_graph.Node("Equal", [capitals, length]), Where(EqualTo(length, 1), Number(3), Number(2)), caps);
        caps = Where(EqualTo(capitals, 0), Number(0), caps);
        caps = Where(EqualTo(first, (long)CharacterClass.Alone), Number(5), caps);
        caps = Where(EqualTo(_graph.Node("Gather", [_line, _beginAt]), EntityAlphabet.Start), Number(6), caps);
        var digitKind = Where(EqualTo(digits, 0), Number(0), Where(_graph.Node("Equal", [digits, length]), Number(1), Number(2)));
        var kind = Add(Mul(caps, Number(WordReader.DigitKinds)), digitKind);
        var touches = Add(Mul(ToInt(IsWord(Sub(_beginAt, _one))), Number(2)), ToInt(IsWord(Add(_endAt, _one))));
        var flags = Add(Mul(kind, Number(WordReader.LongestLength + 1)), _graph.Node("Min", [length, Number(WordReader.LongestLength)]));
        flags = Add(Mul(flags, Number(4)), touches);

        var word = LookUp(folded, _vocabulary.Words, EntityVocabulary.FirstWord, EntityVocabulary.UnknownWord);
        var wide = _graph.Node("Concat", [Column(flags), Column(Add(kind, Number(EntityVocabulary.FirstKind))), Column(word)], Attribute("axis", 1L));
        var own = LookUp(OwnKeys(exact, length, word, kind), _vocabulary.Parts, 1, 0);

        var middle = _graph.Constant("middle", [1L]);
        int width = ChainModel.Slots * _model.Tags;
        var wideWeights = _graph.Constant("wide", _model.Wide, _vocabulary.WideRows, width);
        var ownWeights = _graph.Constant("own", _model.Own, _vocabulary.OwnRows, _model.Tags);
        return _graph.Node("Concat",
        [
            _graph.Node("ReduceSum", [_graph.Node("Gather", [wideWeights, wide]), middle], Attribute("keepdims", 0L)),
            _graph.Node("ReduceSum", [_graph.Node("Gather", [ownWeights, own]), middle], Attribute("keepdims", 0L)),
        ], Attribute("axis", 1L));
    }

    private string OwnKeys(string exact, string length, string word, string kind)
    {
        var keys = new List<string> { exact };
        var lastAt = Sub(_graph.Node("Size", [_line]), _one);
        foreach (var isBeginning in (ReadOnlySpan<bool>)[true, false])
        {
            string? key = null;
            long radix = 1;
            for (var size = 1; size <= WordReader.LongestAffix; size++, radix *= _vocabulary.Alphabet.Size)
            {
                var at = isBeginning
                    ? _graph.Node("Min", [Add(_beginAt, Number(size - 1)), lastAt])
                    : _graph.Node("Max", [Sub(_endAt, Number(size - 1)), _zero]);
                var digit = Mul(_graph.Node("Gather", [_line, at]), Number(radix));
                key = key is null ? digit : Add(key, digit);
                keys.Add(Where(_graph.Node("GreaterOrEqual", [length, Number(size)]), key, Number(WordReader.NoKey)));
            }
        }

        // The word behind a text's last is the mark of the next text, and so it is behind the very last.
        var (wordBefore, wordBehind) = Neighbours(word, EntityVocabulary.FirstWord);
        var (kindBefore, kindBehind) = Neighbours(kind, WordReader.StartKind);
        var pair = Number(EntityVocabulary.PairRadix);
        var three = Number(EntityVocabulary.KindRadix);
        keys.Add(Add(Mul(wordBefore, pair), word));
        keys.Add(Add(Mul(word, pair), wordBehind));
        keys.Add(Add(Mul(Add(Mul(kindBefore, three), kind), three), kindBehind));
        var all = _graph.Node("Concat", [.. keys.Select(Column)], Attribute("axis", 1L));
        return Add(Mul(all, Number(EntityVocabulary.Channels)), _graph.Constant("channels", [.. Enumerable.Range(0, keys.Count).Select(i => (long)i)]));
    }

    private (string Before, string Behind) Neighbours(string values, long atEnds)
    {
        var end = _graph.Constant("at-ends", [atEnds]);
        return (Join(0, end, Slice(values, 0, -1)), Join(0, Slice(values, 1, long.MaxValue), end));
    }

    /// <summary>For each character of the line its place in its word; what stands between words counts on.</summary>
    private string PlacesInWords()
    {
        // The line begins with a space, then the first word.
        var size = _graph.Node("Reshape", [_graph.Node("Size", [_line]), _graph.Constant("one-number", [1L])]);
        var none = _graph.Node("ConstantOfShape", [size], Attribute("value", Filled(0)));
        var ones = _graph.Node("ConstantOfShape", [_graph.Node("Shape", [_beginAt])], Attribute("value", Filled(1)));
        var starts = _graph.Node("ScatterElements", [none, _beginAt, ones]);
        var ordinal = _graph.Node("Max", [Sub(_graph.Node("CumSum", [starts, _zero]), _one), _zero]);
        var places = Sub(_graph.Node("Range", [_zero, _graph.Node("Size", [_line]), _one]), _graph.Node("Gather", [_beginAt, ordinal]));
        return _graph.Node("Min", [_graph.Node("Max", [places, _zero]), Number(NgramVocabulary.MultiplierCount - 1)]);
    }

    private string SumOverWord(string values)
    {
        var sum = _graph.Node("CumSum", [values, _zero]);
        return Add(Sub(_graph.Node("Gather", [sum, _endAt]), _graph.Node("Gather", [sum, _beginAt])), _graph.Node("Gather", [values, _beginAt]));
    }

    /// <summary>[N, words of the longest text, tags] scores, and [N, words] which of them are words: all but the marks and what follows a text.</summary>
    private (string Scores, string Valid) Arrange(string weights)
    {
        var tags = _model.Tags;
        var words = Add(_graph.Node("ReduceMax", [_place], Attribute("keepdims", 1L)), _graph.Constant("and-one", [1L]));
        var rows = _graph.Node("Div", [_graph.Node("Reshape", [_graph.Node("Size", [_line]), _graph.Constant("a-number", [1L])]), _width]);
        var room = Add(words, Number(2 * Far));
        var indices = Join(1, Column(_row), Column(Add(_place, Number(Far))));

        // With room on both sides, as neighbours are looked at by shifting everything.
        int width = (ChainModel.Slots + 1) * tags + 1;
        var ones = _graph.Node("ConstantOfShape", [Join(0, _graph.Node("Shape", [_beginAt]), _graph.Constant("one-column", [1L]))], Attribute("value", FilledFloat(1)));
        var empty = _graph.Node("ConstantOfShape", [Join(0, rows, room, _graph.Constant("numbers", [(long)width]))], Attribute("value", FilledFloat(0)));
        var grid = _graph.Node("ScatterND", [empty, indices, Join(1, weights, ones)]);

        string Part(int slot, int size) => Slice(grid, (long)slot * tags, (long)slot * tags + size, axis: 2);
        string Shifted(string values, int distance) =>
            _graph.Node("Slice", [values, _graph.Constant("first", [(long)(Far + distance)]), Add(words, Number(Far + distance)), _graph.Constant("words-axis", [1L])]);

        var scores = Shifted(Part(ChainModel.Slots, tags), 0);
        for (var distance = -ChainModel.Near; distance <= ChainModel.Near; distance++)
            scores = Add(scores, Shifted(Part(distance + ChainModel.Near, tags), distance));
        var around = Part(ChainModel.AroundSlot, tags);
        for (var distance = -Far; distance <= Far; distance++)
            if (distance != 0) scores = Add(scores, Shifted(around, distance));

        var isWord = _graph.Node("Greater", [Shifted(Part(ChainModel.Slots + 1, 1), 0), _graph.Scalar("nothing", 0f)]);
        var places = _graph.Node("Range", [_zero, _graph.Node("Squeeze", [words]), _one]);
        var isNoMark = _graph.Node("Greater", [_graph.Node("Unsqueeze", [places, _last]), _zero]);
        return (scores, And(isWord, isNoMark));
    }

    /// <summary>[N, words] tags and the probabilities of tags.</summary>
    private (string Tags, string Probabilities) Tags(string scores, string valid)
    {
        var tags = _model.Tags;
        var outsideValues = new float[tags];
        outsideValues[0] = 1;
        var outside = _graph.Constant("outside", outsideValues, 1, 1, tags);
        var most = _graph.Node("ReduceMax", [scores, _last], Attribute("keepdims", 1L));
        var factors = _graph.Node("Exp", [_graph.Node("Max", [Sub(scores, most), _graph.Scalar("least", ChainModel.LeastScore)])]);
        factors = Where(valid, factors, outside);

        var transitions = _model.TransitionFactors();
        var turned = new float[transitions.Length];
        for (var i = 0; i < tags; i++)
            for (var j = 0; j < tags; j++) turned[j * tags + i] = transitions[i * tags + j];
        var (ahead, back) = (_graph.Constant("transitions", transitions, tags, tags), _graph.Constant("transitions-back", turned, tags, tags));
        var rows = _graph.Node("Shape", [factors], Attribute("start", 0L), Attribute("end", 1L));
        var edge = _graph.Node("Expand", [outside, Join(0, rows, _graph.Constant("one-word", [1L, tags]))]);

        string Normal(string values) => _graph.Node("Div", [values, _graph.Node("ReduceSum", [values, _last], Attribute("keepdims", 1L))]);
        var forward = factors;
        var backward = _graph.Node("ConstantOfShape", [_graph.Node("Shape", [factors])], Attribute("value", FilledFloat(1)));
        var behind = Join(1, Slice(factors, 1, long.MaxValue, axis: 1), edge);
        for (var round = 0; round < ChainModel.Rounds; round++)
        {
            var before = Join(1, edge, Slice(forward, 0, -1, axis: 1));
            forward = Normal(Mul(_graph.Node("MatMul", [before, ahead]), factors));
            var next = Join(1, Slice(backward, 1, long.MaxValue, axis: 1), edge);
            backward = Normal(_graph.Node("MatMul", [Mul(behind, next), back]));
        }
        var probabilities = Normal(Mul(forward, backward));
        var counted = new float[tags];
        Array.Fill(counted, 1);
        counted[0] = _model.OutsideFactor;
        var best = _graph.Node("ArgMax", [Mul(probabilities, _graph.Constant("counted", counted))], Attribute("axis", 2L), Attribute("keepdims", 0L));
        return (best, probabilities);
    }

    private void Outputs((string Tags, string Probabilities) found, IReadOnlyList<string> labels)
    {
        var tags = found.Tags;
        var kind = _graph.Node("Div", [Add(tags, _one), Number(2)]);
        var isTagged = _graph.Node("Greater", [kind, _zero]);
        var shape = _graph.Node("Shape", [tags]);
        var rows = _graph.Node("Shape", [tags], Attribute("start", 0L), Attribute("end", 1L));
        var oneColumn = Join(0, rows, _graph.Constant("wide-one", [1L]));
        var none = _graph.Node("ConstantOfShape", [oneColumn], Attribute("value", Filled(0)));
        var goesOnBefore = _graph.Node("Equal", [kind, Join(1, none, Slice(kind, 0, -1, axis: 1))]);
        var begins = And(isTagged, _graph.Node("Or", [EqualTo(_graph.Node("Mod", [tags, Number(2)]), 1), Not(goesOnBefore)]));
        var goesOn = ToInt(And(isTagged, Not(begins)));
        var ends = And(isTagged, EqualTo(Join(1, Slice(goesOn, 1, long.MaxValue, axis: 1), none), 0));

        // Begins and ends stand in the same order, text by text.
        string Places(string mask) => _graph.Node("Transpose", [_graph.Node("NonZero", [mask])], Attribute("perm", [1L, 0L]));
        var (beginAt, endAt, taggedAt) = (Places(begins), Places(ends), Places(isTagged));
        var wordAt = Join(1, Column(_row), Column(_place));
        string Spread(string values) => _graph.Node("ScatterND", [_graph.Node("ConstantOfShape", [shape], Attribute("value", Filled(0))), wordAt, values]);
        var inText = Number(EntityAlphabet.PrefixLength);
        var start = _graph.Node("GatherND", [Spread(Sub(_graph.Node("Mod", [_beginAt, _width]), inText)), beginAt]);
        var end = _graph.Node("GatherND", [Spread(Add(Sub(_graph.Node("Mod", [_endAt, _width]), inText), _one)), endAt]);
        var label = Sub(_graph.Node("GatherND", [kind, beginAt]), _one);

        // An entity is as sure as the least sure of its words.
        var chosen = _graph.Node("GatherElements", [found.Probabilities, _graph.Node("Unsqueeze", [tags, _last])], Attribute("axis", 2L));
        chosen = _graph.Node("GatherND", [_graph.Node("Squeeze", [chosen, _last]), taggedAt]);
        var beginsInt = ToInt(begins);
        var ordinals = _graph.Node("Reshape", [Sub(_graph.Node("CumSum", [_graph.Node("Reshape", [beginsInt, _flat]), _zero]), _one), shape]);
        var sure = _graph.Node("ConstantOfShape", [_graph.Node("Shape", [label])], Attribute("value", FilledFloat(1)));
        var probability = _graph.Node("ScatterElements", [sure, _graph.Node("GatherND", [ordinals, taggedAt]), chosen], Attribute("reduction", "min"));

        // [N, the most of a text, at least one].
        var numbers = _graph.Node("CumSum", [beginsInt, _one]);
        var most = _graph.Node("Max", [_graph.Node("Reshape", [_graph.Node("ReduceMax", [numbers], Attribute("keepdims", 0L)), _graph.Constant("single", [1L])]), _graph.Constant("at-least", [1L])]);
        var table = Join(0, rows, most);
        var place = Join(1, Slice(beginAt, 0, 1, axis: 1), Column(Sub(_graph.Node("GatherND", [numbers, beginAt]), _one)));
        string Table(string values, TensorProto filler) => _graph.Node("ScatterND", [_graph.Node("ConstantOfShape", [table], Attribute("value", filler)), place, values]);
        var names = _graph.Constant("labels", [.. labels, ""]);
        _graph.Output("label", _graph.Node("Gather", [names, Table(label, Filled(labels.Count))]), TensorElementType.String, "N", "M");
        _graph.Output("start", Table(start, Filled(-1)), TensorElementType.Int64, "N", "M");
        _graph.Output("end", Table(end, Filled(-1)), TensorElementType.Int64, "N", "M");
        _graph.Output("probability", Table(probability, FilledFloat(0)), TensorElementType.Float, "N", "M");
    }

    /// <summary>Rows of keys, numbered from <paramref name="first"/>.</summary>
    private string LookUp(string keys, long[] table, int first, int otherwise)
    {
        // An empty table is not allowed; keys carry their channel, so this is none.
        long[] known = table.Length == 0 ? [long.MinValue] : table;
        return _graph.Node("ai.onnx.ml", "LabelEncoder", [keys], 1,
            Attribute("keys_int64s", known),
            Attribute("values_int64s", Enumerable.Range(0, known.Length).Select(i => table.Length == 0 ? otherwise : (long)first + i)),
            Attribute("default_int64", (long)otherwise))[0];
    }

    private string IsWord(string at) => _graph.Node("GreaterOrEqual", [_graph.Node("Gather", [_classes, at]), Number((long)CharacterClass.Alone)]);

    private string Number(long value) => _numbers.TryGetValue(value, out var known) ? known : _numbers[value] = _graph.Scalar("number", value);

    private string Add(string left, string right) => _graph.Node("Add", [left, right]);

    private string Sub(string left, string right) => _graph.Node("Sub", [left, right]);

    private string Mul(string left, string right) => _graph.Node("Mul", [left, right]);

    private string And(string left, string right) => _graph.Node("And", [left, right]);

    private string Not(string value) => _graph.Node("Not", [value]);

    private string Where(string condition, string then, string otherwise) => _graph.Node("Where", [condition, then, otherwise]);

    private string EqualTo(string values, long value) => _graph.Node("Equal", [values, Number(value)]);

    private string ToInt(string flags) => _graph.Node("Cast", [flags], Attribute("to", (long)TensorElementType.Int64));

    /// <summary>[K] as [K, 1].</summary>
    private string Column(string values) => _graph.Node("Unsqueeze", [values, _last]);

    private string Join(long axis, params string[] parts) => _graph.Node("Concat", parts, Attribute("axis", axis));

    private string Slice(string value, long from, long to, long axis = 0) =>
        _graph.Node("Slice", [value, _graph.Constant("from", [from]), _graph.Constant("to", [to]), _graph.Constant("axis", [axis])]);

    private static TensorProto Filled(long value) => new() { DataType = (int)TensorElementType.Int64, Dims = { 1 }, Int64Data = { value } };

    private static TensorProto FilledFloat(float value) => new() { DataType = (int)TensorElementType.Float, Dims = { 1 }, FloatData = { value } };
}
