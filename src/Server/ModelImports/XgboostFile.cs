using System.Globalization;
using System.Text.Json;
using Atoll.Contracts;

namespace Atoll.ModelImports;

/// <summary>Reads the JSON and the UBJSON in which XGBoost saves a model.</summary>
/// <remarks>Source: dmlc/xgboost: doc/model.schema, src/objective (how a base score becomes a margin), src/gbm/gbtree.cc.</remarks>
internal static class XgboostFile
{
    private const int DepthMax = 64;

    /// <summary>Null when it is no file of XGBoost.</summary>
    /// <exception cref="ModelRefusedException">It is one that cannot be used.</exception>
    public static ModelFile? Read(byte[] source, IReadOnlyList<string>? labels)
    {
        if (source.Length < 2 || source[0] != '{') return null;
        var isBinary = source[1] is (byte)'i' or (byte)'U' or (byte)'I' or (byte)'l' or (byte)'L';
        var root = new Part("", isBinary ? Ubjson.Read(source) : ReadJson(source));
        if (root.Find("learner") is not { } learner) throw new ModelRefusedException($"The file is {(isBinary ? "UBJSON" : "JSON")}, and not of XGBoost: it has no 'learner'. Known are ONNX, XGBoost and LightGBM.");

        var notes = new List<string>();
        var (model, objective, booster, trees) = ReadLearner(learner, notes);
        var (onnx, classes) = model.ToOnnx(labels);
        var version = root.Find("version") is { Value: double[] numbers } ? string.Join('.', numbers) : "";
        return new ModelFile
        {
            Format = isBinary ? ModelFormats.XgboostUbjson : ModelFormats.XgboostJson,
            Served = onnx,
            Producer = $"XGBoost {version}".TrimEnd(),
            Algorithm = $"XGBoost {booster}, {trees} trees, {objective}",
            Labels = classes,
            Notes = notes,
        };
    }

    private static (TreeModel Model, string Objective, string Booster, int Trees) ReadLearner(Part learner, List<string> notes)
    {
        var parameters = learner["learner_model_param"];
        var objective = learner["objective"]["name"].Text;
        var booster = learner["gradient_booster"];
        var kind = booster["name"].Text;
        if (kind is not ("gbtree" or "dart")) throw new ModelRefusedException($"The model is a '{kind}' of XGBoost; those of trees, 'gbtree' and 'dart', can be imported.");
        if (parameters.Find("num_target") is { } several && several.Whole > 1) throw new ModelRefusedException("The model has several targets; models of one target can be imported.");
        var classes = parameters.Find("num_class") is { } many ? many.Whole : 0;
        var (link, toMargin) = LinkOf(objective);
        var model = new TreeModel(parameters["num_feature"].Whole, Math.Max(1, classes)) { Link = link };
        if (learner.Find("feature_names") is { Value: object?[] { Length: > 0 } names } && Array.TrueForAll(names, name => name is string)) model.Names = [.. names.Cast<string>()];
        SetBase(model, parameters["base_score"].Text, toMargin);

        var forest = (kind == "dart" ? booster["gbtree"] : booster)["model"];
        var weights = kind == "dart" ? booster["weight_drop"].Numbers : null;
        var targets = forest["tree_info"].Numbers;
        var trees = forest["trees"].Items;
        if (targets.Length != trees.Count || (weights is not null && weights.Length != trees.Count)) throw Damaged("trees, their classes and weights are not as many");
        for (var i = 0; i < trees.Count; i++) model.Add(ReadTree(trees[i], weights is null ? 1f : (float)weights[i]), (int)targets[i]);
        if (learner.Find("attributes")?.Find("best_iteration") is { } best && BestIteration(best) is { } last && last + 1 < trees.Count / Math.Max(1, classes))
            notes.Add($"The training stopped early and found round {last} best; all {trees.Count} trees of the file are used, as Booster.predict does. Save a slice, booster[:{last + 1}], to use fewer.");
        notes.Add("Missing values are NaN. A number that stood for a missing value in training (the parameter 'missing') is not in the file; send NaN for it.");
        return (model, objective, kind, trees.Count);
    }

    private static int? BestIteration(Part best) => best.Value is string text && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static (TreeLink Link, Func<double, double> ToMargin) LinkOf(string objective) => objective switch
    {
        "binary:logistic" => (TreeLink.Logistic, Logit),
        "multi:softprob" or "multi:softmax" => (TreeLink.Softmax, static score => score),
        "reg:squarederror" or "reg:linear" or "reg:absoluteerror" or "reg:squaredlogerror" or "reg:pseudohubererror" or "reg:quantileerror"
            or "rank:pairwise" or "rank:ndcg" or "rank:map" => (TreeLink.None, static score => score),
        "binary:logitraw" => (TreeLink.None, Logit),
        "count:poisson" or "reg:gamma" or "reg:tweedie" => (TreeLink.Exponential, Math.Log),
        _ => throw new ModelRefusedException(
            $"The objective '{objective}' of XGBoost is not known here. Known are binary:logistic, binary:logitraw, multi:softprob, multi:softmax, reg:squarederror and its like, count:poisson, reg:gamma, reg:tweedie, rank:*."),
    };

    private static double Logit(double probability) => -Math.Log((1 / probability) - 1);

    private static void SetBase(TreeModel model, string text, Func<double, double> toMargin)
    {
        // Later versions write a list, of one or of one for each class.
        var scores = text.Trim('[', ']').Split(',');
        if (scores.Length != 1 && scores.Length != model.Targets) throw Damaged("there are not as many base scores as classes");
        for (var i = 0; i < model.Targets; i++)
        {
            if (!float.TryParse(scores[scores.Length == 1 ? 0 : i], NumberStyles.Float, CultureInfo.InvariantCulture, out var score)) throw Damaged("the base score is no number");
            var margin = (float)toMargin(score);
            if (!float.IsFinite(margin)) throw Damaged($"the base score {text} cannot be used with the objective");
            model.BaseValues[i] = margin;
        }
    }

    private static TreeModel.Node[] ReadTree(Part tree, float weight)
    {
        var (left, right) = (tree["left_children"].Numbers, tree["right_children"].Numbers);
        var (features, conditions, defaults) = (tree["split_indices"].Numbers, tree["split_conditions"].Numbers, tree["default_left"].Numbers);
        var kinds = tree.Find("split_type")?.Numbers ?? [];
        if (left.Length != right.Length || left.Length != features.Length || left.Length != conditions.Length || left.Length != defaults.Length) throw Damaged("the parts of a tree are not as long as each other");
        if (tree.Find("tree_param")?.Find("size_leaf_vector") is { } size && size.Whole > 1) throw new ModelRefusedException("The leaves of the model are vectors (multi_strategy=multi_output_tree); trees of one number a leaf can be imported.");
        if (kinds.Any(kind => kind != 0)) throw new ModelRefusedException("The model splits by categories; models that split by numbers can be imported. Encode categories as numbers and train again.");
        var nodes = new TreeModel.Node[left.Length];
        for (var i = 0; i < nodes.Length; i++)
        {
            nodes[i] = left[i] < 0
                ? TreeModel.Node.Leaf((float)conditions[i] * weight)
                : new TreeModel.Node(Index(features[i]), (float)conditions[i], IsLess: true, Index(left[i]), Index(right[i]), defaults[i] != 0, 0);
        }
        return nodes;
    }

    private static int Index(double number) => number is >= 0 and <= int.MaxValue ? (int)number : throw Damaged("a number of a node is out of range");

    private static object? ReadJson(byte[] source)
    {
        try
        {
            using var document = JsonDocument.Parse(source, new JsonDocumentOptions { MaxDepth = DepthMax });
            return Convert(document.RootElement);
        }
        catch (JsonException broken)
        {
            throw new ModelRefusedException($"The file is cut off or damaged JSON: {broken.Message}");
        }
        catch (InvalidOperationException broken)
        {
            // A text that is no UTF-8.
            throw new ModelRefusedException($"The file is damaged JSON: {broken.Message}");
        }
    }

    private static object? Convert(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                var members = new Dictionary<string, object?>(StringComparer.Ordinal);
                foreach (var member in element.EnumerateObject()) members[member.Name] = Convert(member.Value);
                return members;
            case JsonValueKind.Array:
                if (element.EnumerateArray().All(item => item.ValueKind is JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False))
                    return element.EnumerateArray().Select(item => item.ValueKind == JsonValueKind.Number ? item.GetDouble() : item.ValueKind == JsonValueKind.True ? 1 : 0).ToArray();
                return element.EnumerateArray().Select(Convert).ToArray();
            case JsonValueKind.Number:
                return element.GetDouble();
            case JsonValueKind.String:
                return element.GetString();
            case JsonValueKind.True or JsonValueKind.False:
                return element.GetBoolean() ? 1.0 : 0.0;
            default:
                return null;
        }
    }

    private static ModelRefusedException Damaged(string what) => new($"The file of XGBoost is damaged: {what}.");

    /// <summary>A value in the file, with the way to it for messages.</summary>
    private sealed record Part(string Path, object? Value)
    {
        public Part this[string name] => Find(name) ?? throw Damaged($"'{Path}{name}' is missing");

        public string Text => Value as string ?? throw Damaged($"'{Path}' is no text");

        /// <summary>Parameters are numbers written as texts.</summary>
        public int Whole => int.TryParse(Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : throw Damaged($"'{Path}' is no whole number");

        public double[] Numbers => Value as double[] ?? throw Damaged($"'{Path}' is no list of numbers");

        public IReadOnlyList<Part> Items => Value switch
        {
            object?[] items => [.. items.Select((item, i) => new Part($"{Path}{i}.", item))],
            double[] { Length: 0 } => [],
            _ => throw Damaged($"'{Path}' is no list"),
        };

        public Part? Find(string name) => Value is Dictionary<string, object?> members && members.TryGetValue(name, out var value) ? new Part($"{Path}{name}.", value) : null;
    }
}
