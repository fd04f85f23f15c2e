using Atoll.Serving.Onnx;
using Atoll.Serving.Onnx.Proto;
using Atoll.Training.Linear;
using Atoll.Training.Trees;
using static Atoll.Serving.Onnx.OnnxGraphBuilder;

namespace Atoll.Training.Tabular;

/// <summary>Writes a trained tabular model as an ONNX graph that reads raw columns.</summary>
/// <remarks>
/// Every step has its twin in <see cref="PreparationPlan"/>, <see cref="LinearFeatures"/> or <see cref="TreeFeatures"/>;
/// a test compares them value by value. The number of nodes does not grow with the number of plain columns: numbers
/// share one matrix, categories one dictionary whose keys begin with the column's position.
/// </remarks>
internal sealed class TabularGraph
{
    private const string Ml = "ai.onnx.ml";
    private const string Contrib = "com.microsoft";

    private readonly TabularModel _model;
    private readonly OnnxGraphBuilder _graph = new("tabular");
    private readonly Dictionary<string, (string Groups, string? Morning, string? Afternoon)> _dates = [];

    /// <summary>[N, numbers].</summary>
    private string? _numbers;

    /// <summary>[N, categories]: positions in one table of all codes of all categories.</summary>
    private string? _codes;

    /// <summary>Per text [N, words found]: positions in the vocabulary, its size for unknown words.</summary>
    private readonly List<string> _words = [];

    private TabularGraph(TabularModel model) => _model = model;

    public static byte[] Write(TabularModel model) => new TabularGraph(model).Run();

    private PreparationPlan Plan => _model.Plan;

    private TargetValues Target => _model.Target;

    private byte[] Run()
    {
        foreach (var input in Plan.Inputs)
            _graph.Input(input.Name, input.IsNumeric ? TensorElementType.Float : TensorElementType.String, "N", 1);
        _numbers = Numbers();
        _codes = Codes();
        foreach (var words in Plan.Words) _words.Add(Words(words));

        string? sum = null;
        foreach (var member in _model.Members)
        {
            var scores = member.Linear is { } linear ? Linear(linear) : Trees(member.Trees!);
            var outputs = Outputs(member, scores);
            if (_model.Members.Count > 1) outputs = _graph.Node("Mul", [outputs, _graph.Scalar("share", (float)member.Weight)]);
            sum = sum is null ? outputs : _graph.Node("Add", [sum, outputs]);
        }
        if (Target.IsRegression) WriteValue(sum!);
        else WriteLabels(sum!);
        return _graph.ToBytes();
    }

    private string? Numbers()
    {
        var columns = Plan.Numbers.Select(Number).ToArray();
        return columns.Length == 0 ? null : Join(columns);
    }

    private string Number(NumberDerivation number)
    {
        if (number.Form is { } form)
        {
            var matches = _graph.Node("RegexFullMatch", [number.Column], Attribute("pattern", form));
            return Unless(IsEmpty(number.Column), _graph.Node("Cast", [matches], Attribute("to", (long)TensorElementType.Float)));
        }
        return number.Part is { } part ? Date(number, part) : number.Column;
    }

    private string Date(NumberDerivation number, DatePart part)
    {
        var layout = number.Layout!;
        var (groups, morning, afternoon) = DateGroups(number.Column, layout);
        string Group(int position) => _graph.Node("Gather", [groups, _graph.Scalar("group", (long)position)], Attribute("axis", 2));
        string Int(long value) => _graph.Scalar("i", value);
        string Add(string a, string b) => _graph.Node("Add", [a, b]);
        string Times(string a, long b) => _graph.Node("Mul", [a, Int(b)]);
        string Over(string a, long b) => _graph.Node("Div", [a, Int(b)]);
        string Within(string a, long least, long most) => And(_graph.Node("GreaterOrEqual", [a, Int(least)]), _graph.Node("LessOrEqual", [a, Int(most)]));
        string And(string a, string b) => _graph.Node("And", [a, b]);
        string ToFloat(string a) => _graph.Node("Cast", [a], Attribute("to", (long)TensorElementType.Float));
        string Real(string operation, string a, float b) => _graph.Node(operation, [a, _graph.Scalar("f", b)]);

        var year = Group(layout.Year);
        var month = Group(layout.Month);
        var day = Group(layout.Day);
        var shortYear = _graph.Node("Less", [year, Int(100)]);
        var isYear = And(_graph.Node("LessOrEqual", [year, Int(9999)]), _graph.Node("GreaterOrEqual", [year, Int(1000)]));
        if (layout.Year != 0) isYear = _graph.Node("Or", [isYear, shortYear]);
        var isDate = And(isYear, And(Within(month, 1, 12), Within(day, 1, 31)));

        string Hour()
        {
            var (hours, minutes, seconds) = (Group(3), Group(4), Group(5));
            if (layout.HasHalves)
            {
                var late = And(afternoon!, _graph.Node("Less", [hours, Int(12)]));
                var midnight = And(morning!, _graph.Node("Equal", [hours, Int(12)]));
                hours = _graph.Node("Where", [midnight, Int(0), _graph.Node("Where", [late, Add(hours, Int(12)), hours])]);
            }
            var isTime = And(_graph.Node("LessOrEqual", [hours, Int(24)]), And(_graph.Node("LessOrEqual", [minutes, Int(60)]), _graph.Node("LessOrEqual", [seconds, Int(60)])));
            var total = Add(Add(Times(hours, 3600), Times(minutes, 60)), seconds);
            return Real("Div", ToFloat(_graph.Node("Where", [isTime, total, Int(0)])), 3600);
        }
        string Days()
        {
            var century = _graph.Node("Where", [_graph.Node("Less", [year, Int(70)]), Int(2000), Int(1900)]);
            var full = _graph.Node("Where", [shortYear, Add(year, century), year]);
            var early = _graph.Node("LessOrEqual", [month, Int(2)]);
            var fromMarch = _graph.Node("Where", [early, Add(full, Int(-1)), full]);
            var monthFromMarch = Add(month, _graph.Node("Where", [early, Int(9), Int(-3)]));
            var ofYear = Over(Add(Times(monthFromMarch, 153), Int(2)), 5);
            var ofYears = _graph.Node("Sub", [Add(Times(fromMarch, 365), Add(Over(fromMarch, 4), Over(fromMarch, 400))), Over(fromMarch, 100)]);
            return Add(Add(ofYears, ofYear), Add(day, Int(-719469)));
        }
        string DayOfWeek() => ToFloat(_graph.Node("Mod", [Add(Days(), Int(3)), Int(7)]));
        string Cycle(string operation, string a, float length) => _graph.Node(operation, [Real("Mul", a, 2 * MathF.PI / length)]);

        var value = part switch
        {
            DatePart.Days => Add(ToFloat(Add(Days(), Int(-number.Reference))), Real("Div", Hour(), 24)),
            DatePart.Month => ToFloat(month),
            DatePart.DayOfMonth => ToFloat(day),
            DatePart.DayOfWeek => DayOfWeek(),
            DatePart.Hour => Hour(),
            DatePart.MonthSine => Cycle("Sin", ToFloat(month), 12),
            DatePart.MonthCosine => Cycle("Cos", ToFloat(month), 12),
            DatePart.HourSine => Cycle("Sin", Hour(), 24),
            DatePart.HourCosine => Cycle("Cos", Hour(), 24),
            DatePart.WeekSine => Cycle("Sin", DayOfWeek(), 7),
            _ => Cycle("Cos", DayOfWeek(), 7),
        };
        return _graph.Node("Where", [isDate, value, _graph.Scalar("missing", float.NaN)]);
    }

    /// <summary>The digit groups of a date column, [N, 1, groups], and whether the text says am or pm.</summary>
    private (string Groups, string? Morning, string? Afternoon) DateGroups(string column, DateLayout layout)
    {
        if (_dates.TryGetValue(column, out var known)) return known;
        var text = layout.HasNames || layout.HasHalves ? Lower(column) : column;

        // The zeros make sure that there are six groups, and stand for a time that is not given.
        var expression = $"[0-9]{{1,{DateLayout.DigitsMost}}}" + (layout.HasNames ? "|" + string.Join('|', DateLayout.MonthNames) : "");
        var tokens = Tokens(Append(text, " 0 0 0 0 0 0"), expression, "0");
        var first = _graph.Node("Slice", [tokens, _graph.Constant("from", [0L]), _graph.Constant("to", [(long)DateLayout.Groups]), _graph.Constant("axis", [2L])]);
        string ToInt(string digits) => _graph.Node("Cast", [digits], Attribute("to", (long)TensorElementType.Int64));
        string groups;
        if (layout.HasNames)
        {
            var month = _graph.Node(
                Ml, "LabelEncoder", [first], 1, Attribute("keys_strings", DateLayout.MonthNames),
                Attribute("values_int64s", Enumerable.Range(1, 12).Select(i => (long)i)), Attribute("default_int64", 0L))[0];
            var isName = _graph.Node("Greater", [month, _graph.Scalar("i", 0L)]);
            var digits = _graph.Node("Where", [isName, _graph.Constant("zero", ["0"], 1), first]);
            groups = _graph.Node("Where", [isName, month, ToInt(digits)]);
        }
        else
        {
            groups = ToInt(first);
        }
        string? Says(string form) => layout.HasHalves
            ? _graph.Node("Reshape", [_graph.Node("RegexFullMatch", [text], Attribute("pattern", form)), _graph.Constant("column", [-1L, 1L])])
            : null;
        return _dates[column] = (groups, Says(DateLayout.MorningForm), Says(DateLayout.AfternoonForm));
    }

    private string? Codes()
    {
        if (Plan.Categories.Count == 0) return null;
        var texts = Join([.. Plan.Categories.Select(Category)]);
        var keys = new List<string>();
        var values = new List<long>();
        var prefixes = new List<string>();
        var others = new List<long>();
        long start = 0;
        for (var c = 0; c < Plan.Categories.Count; c++)
        {
            var vocabulary = Plan.Categories[c].Vocabulary;
            prefixes.Add($"{c}:");
            for (var i = 0; i < vocabulary.Count; i++)
            {
                keys.Add($"{c}:{vocabulary[i]}");
                values.Add(start + i);
            }
            start += vocabulary.Count;
            others.Add(start++);
        }
        var named = _graph.Node("StringConcat", [_graph.Constant("columns", prefixes, 1, prefixes.Count), texts]);
        var codes = _graph.Node(
            Ml, "LabelEncoder", [named], 1,
            Attribute("keys_strings", keys), Attribute("values_int64s", values), Attribute("default_int64", -1L))[0];
        var other = _graph.Constant("others", others.ToArray(), 1, others.Count);
        return _graph.Node("Where", [_graph.Node("Less", [codes, _graph.Scalar("zero", 0L)]), other, codes]);
    }

    private string Category(CategoryDerivation category)
    {
        var text = category.Column;
        switch (category.Source)
        {
            case CategorySource.EmailDomain:
                return Lower(Part(Split(Append(text, "@"), "@")[0], 1));
            case CategorySource.UrlDomain:
                var parts = Split(Append(text, "://"), "://");
                var hasScheme = _graph.Node("Greater", [parts[1], _graph.Scalar("two", 2L)]);
                var rest = _graph.Node("Where", [hasScheme, Part(parts[0], 1), Part(parts[0], 0)]);
                return Lower(Part(Split(Append(rest, "/"), "/")[0], 0));
            case CategorySource.CodePrefix:
                var letters = Tokens(Append(text, " " + CategoryDerivation.NoLetters), "[A-Za-z]+|" + CategoryDerivation.NoLetters, "");
                return _graph.Node("Where", [IsEmpty(text), _graph.Constant("empty", [""], 1), Part(letters, 0)]);
            default:
                return text;
        }
    }

    private string Words(WordsDerivation words)
    {
        // The last word is one that no vocabulary holds, so that every text has a word.
        var text = Append(Lower(words.Column), " \u0001");
        var tokens = Tokens(_graph.Node("Reshape", [text, _graph.Constant("flat", [-1L])]), @"[a-z0-9\x{80}-\x{10FFFF}]+|\x01", "\u0001");
        return _graph.Node(
            Ml, "LabelEncoder", [tokens], 1,
            Attribute("keys_strings", words.Vocabulary),
            Attribute("values_int64s", Enumerable.Range(0, words.Vocabulary.Count).Select(i => (long)i)),
            Attribute("default_int64", (long)words.Vocabulary.Count))[0];
    }

    private string Linear(LinearMember member)
    {
        var features = member.Features;
        var model = member.Model;
        var outputs = model.Outputs;
        float[] Weights(int start, int count) =>
            [.. Enumerable.Range(start * outputs, count * outputs).Select(i => (float)model.Weights[i])];
        var scores = _graph.Constant("intercepts", [.. model.Intercepts.Select(value => (float)value)], 1, outputs);
        void Add(string part) => scores = _graph.Node("Add", [scores, part]);

        if (_numbers is not null)
        {
            var numbers = features.Means.Length;
            Add(_graph.Node("MatMul", [Standardise(_numbers, features.Means, features.InverseDeviations), _graph.Constant("weights", Weights(0, numbers), numbers, outputs)]));
            if (features.WithMissing.Length > 0)
            {
                var missing = _graph.Node("Cast", [_graph.Node("IsNaN", [Pick(_numbers, features.WithMissing)])], Attribute("to", (long)TensorElementType.Float));
                Add(_graph.Node("MatMul", [missing, _graph.Constant("missing_weights", Weights(features.MissingStart, features.WithMissing.Length), features.WithMissing.Length, outputs)]));
            }
            if (features.Logarithms.Length > 0)
            {
                var values = Pick(_numbers, features.Logarithms);
                var logarithm = _graph.Node("Log", [_graph.Node("Add", [_graph.Node("Abs", [values]), _graph.Scalar("one", 1f)])]);
                var signed = _graph.Node("Mul", [_graph.Node("Sign", [values]), logarithm]);
                var standard = Standardise(signed, features.LogarithmMeans, features.LogarithmInverseDeviations);
                Add(_graph.Node("MatMul", [standard, _graph.Constant("log_weights", Weights(features.LogarithmStart, features.Logarithms.Length), features.Logarithms.Length, outputs)]));
            }
        }
        if (_codes is not null)
        {
            var start = features.CategoryStarts[0];
            var count = Plan.Categories.Sum(category => category.CodeCount);
            Add(SumOf(_codes, Weights(start, count), count, outputs));
        }
        for (var w = 0; w < _words.Count; w++)
        {
            var count = Plan.Words[w].Vocabulary.Count;
            Add(SumOf(_words[w], [.. Weights(features.WordStarts[w], count), .. new float[outputs]], count + 1, outputs));
        }
        return scores;
    }

    private string Standardise(string values, float[] means, float[] inverseDeviations)
    {
        var mean = _graph.Constant("means", means, 1, means.Length);
        var filled = _graph.Node("Where", [_graph.Node("IsNaN", [values]), mean, values]);
        var scaled = _graph.Node("Mul", [_graph.Node("Sub", [filled, mean]), _graph.Constant("inverse_deviations", inverseDeviations, 1, means.Length)]);
        return _graph.Node("Clip", [scaled, _graph.Scalar("least", -LinearFeatures.LargestDeviation), _graph.Scalar("most", LinearFeatures.LargestDeviation)]);
    }

    private string Trees(TreeMember member)
    {
        var features = member.Features;
        var parts = new List<string>();
        if (features.Numbers.Length > 0)
            parts.Add(features.Numbers.Length == Plan.Numbers.Count ? _numbers! : Pick(_numbers!, features.Numbers));
        if (_codes is not null)
        {
            var table = features.Encodings.SelectMany(values => values).ToArray();
            if (features.EncodingsPerCategory == 1)
            {
                parts.Add(_graph.Node("Gather", [_graph.Constant("means_of_codes", table), _codes]));
            }
            else
            {
                var perCategory = features.EncodingsPerCategory;
                var gathered = _graph.Node("Gather", [_graph.Constant("means_of_codes", table, table.Length / perCategory, perCategory), _codes]);
                parts.Add(_graph.Node("Reshape", [gathered, _graph.Constant("shape", [0L, perCategory * Plan.Categories.Count])]));
            }
        }
        for (var w = 0; w < _words.Count; w++)
        {
            var used = features.Words[w];
            var rows = Plan.Words[w].Vocabulary.Count + 1;
            var table = new float[rows * used.Length];
            for (var i = 0; i < used.Length; i++) table[(used[i] * used.Length) + i] = 1;
            if (used.Length > 0) parts.Add(SumOf(_words[w], table, rows, used.Length));
        }
        return Ensemble(Join([.. parts]), member.Model);
    }

    private string Ensemble(string input, BoostedTrees model)
    {
        List<long> trees = [], nodes = [], featureIds = [], trueNodes = [], falseNodes = [], missing = [], targetTrees = [], targetNodes = [], targetIds = [];
        List<float> values = [], weights = [];
        List<string> modes = [];
        for (var t = 0; t < model.Trees.Count; t++)
        {
            var tree = model.Trees[t];
            var inner = tree.Feature.Length;
            long IdOf(int child) => child >= 0 ? child : inner + ~child;
            void Node(long id, string mode, long feature, float value, long whenTrue, long whenFalse, bool missingIsTrue)
            {
                trees.Add(t);
                nodes.Add(id);
                modes.Add(mode);
                featureIds.Add(feature);
                values.Add(value);
                trueNodes.Add(whenTrue);
                falseNodes.Add(whenFalse);
                missing.Add(missingIsTrue ? 1 : 0);
            }
            for (var i = 0; i < inner; i++)
                Node(i, "BRANCH_LEQ", tree.Feature[i], tree.Threshold[i], IdOf(tree.Left[i]), IdOf(tree.Right[i]), tree.MissingGoesLeft[i]);
            for (var leaf = 0; leaf < tree.Values.Length; leaf++)
            {
                Node(inner + leaf, "LEAF", 0, 0, 0, 0, false);
                targetTrees.Add(t);
                targetNodes.Add(inner + leaf);
                targetIds.Add(t % model.Outputs);
                weights.Add(tree.Values[leaf]);
            }
        }
        return _graph.Node(
            Ml, "TreeEnsembleRegressor", [input], 1,
            Attribute("n_targets", (long)model.Outputs),
            Attribute("base_values", model.Base.Select(value => (float)value)),
            Attribute("nodes_treeids", trees), Attribute("nodes_nodeids", nodes), Attribute("nodes_modes", modes),
            Attribute("nodes_featureids", featureIds), Attribute("nodes_values", values),
            Attribute("nodes_truenodeids", trueNodes), Attribute("nodes_falsenodeids", falseNodes),
            Attribute("nodes_missing_value_tracks_true", missing),
            Attribute("target_treeids", targetTrees), Attribute("target_nodeids", targetNodes),
            Attribute("target_ids", targetIds), Attribute("target_weights", weights))[0];
    }

    private string Outputs(ModelMember member, string scores)
    {
        switch (Target.Loss)
        {
            case LossKind.Squared:
                var scale = member.Scale!;
                var value = _graph.Node("Add", [
                    _graph.Node("Mul", [scores, _graph.Scalar("deviation", (float)scale.Deviation)]), _graph.Scalar("mean", (float)scale.Mean)]);
                return scale.Logarithm ? _graph.Node("Sub", [_graph.Node("Exp", [value]), _graph.Scalar("one", 1f)]) : value;
            case LossKind.Logistic:
                var second = _graph.Node("Sigmoid", [scores]);
                return Join([_graph.Node("Sub", [_graph.Scalar("one", 1f), second]), second]);
            default:
                return _graph.Node("Softmax", [scores], Attribute("axis", -1L));
        }
    }

    private void WriteLabels(string probabilities)
    {
        var best = _graph.Node("ArgMax", [probabilities], Attribute("axis", 1L), Attribute("keepdims", 0L));
        var label = _graph.Node("Gather", [_graph.Constant("labels", Target.Labels), best]);
        _graph.Output("label", label, TensorElementType.String, "N");
        _graph.Output("probabilities", probabilities, TensorElementType.Float, "N", Target.Labels.Count);
    }

    private void WriteValue(string value)
    {
        var flat = _graph.Node("Reshape", [value, _graph.Constant("flat", [-1L])]);
        _graph.Output("value", flat, TensorElementType.Float, "N");
        if (_model.Interval is not { } interval) return;
        string group;
        if (interval.Limits.Length == 0)
        {
            group = _graph.Node("Cast", [_graph.Node("Mul", [flat, _graph.Scalar("nothing", 0f)])], Attribute("to", (long)TensorElementType.Int64));
        }
        else
        {
            var above = _graph.Node("Greater", [value, _graph.Constant("limits", interval.Limits, 1, interval.Limits.Length)]);
            group = _graph.Node(
                "ReduceSum", [_graph.Node("Cast", [above], Attribute("to", (long)TensorElementType.Int64)), _graph.Constant("columns", [1L])],
                Attribute("keepdims", 0L));
        }
        void End(string name, float[] offsets) => _graph.Output(
            name, _graph.Node("Add", [flat, _graph.Node("Gather", [_graph.Constant(name + "_offsets", offsets), group])]), TensorElementType.Float, "N");
        End("lower", interval.Lower);
        End("upper", interval.Upper);
    }

    /// <summary>Sums rows of a table over the positions of each row: [N, positions] to [N, width].</summary>
    private string SumOf(string positions, float[] table, int rows, int width)
    {
        var gathered = _graph.Node("Gather", [_graph.Constant("table", table, rows, width), positions]);
        return _graph.Node("ReduceSum", [gathered, _graph.Constant("positions", [1L])], Attribute("keepdims", 0L));
    }

    private string Join(string[] columns) => columns.Length == 1 ? columns[0] : _graph.Node("Concat", columns, Attribute("axis", 1L));

    private string Pick(string matrix, int[] columns) =>
        _graph.Node("Gather", [matrix, _graph.Constant("columns", [.. columns.Select(column => (long)column)])], Attribute("axis", 1L));

    private string Append(string text, string end) => _graph.Node("StringConcat", [text, _graph.Constant("end", [end], 1)]);

    private string[] Split(string text, string delimiter) =>
        _graph.Node("", "StringSplit", [text], 2, Attribute("delimiter", delimiter));

    private string Part(string parts, long position) =>
        _graph.Node("Gather", [parts, _graph.Scalar("part", position)], Attribute("axis", -1L));

    private string IsEmpty(string text) => _graph.Node("Equal", [text, _graph.Constant("empty", [""], 1)]);

    private string Unless(string condition, string value) =>
        _graph.Node("Where", [condition, _graph.Scalar("missing", float.NaN), value]);

    // The operator takes one axis only. The locale C is the one that every system has; it knows the case of ASCII letters.
    private string Lower(string text)
    {
        var flat = _graph.Node("Reshape", [text, _graph.Constant("flat", [-1L])]);
        var lower = _graph.Node("StringNormalizer", [flat], Attribute("case_change_action", "LOWER"), Attribute("is_case_sensitive", 1L), Attribute("locale", "C"));
        return _graph.Node("Reshape", [lower, _graph.Constant("column", [-1L, 1L])]);
    }

    private string Tokens(string text, string expression, string pad) => _graph.Node(
        Contrib, "Tokenizer", [text], 1,
        Attribute("mark", 0L), Attribute("mincharnum", 1L), Attribute("pad_value", pad), Attribute("tokenexp", expression))[0];
}
