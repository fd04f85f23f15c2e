using System.Collections.Frozen;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Platform;
using Atoll.Serving.Onnx;
using Route = Atoll.Deployments.Route;

namespace Atoll.Prediction;

/// <summary>What a version reads and gives, prepared once: names to look up, labels ready to be written, an example to show.</summary>
internal sealed class SamplePlan
{
    private const int ExampleColumnsMax = 40;

    // A column below this share says so little that its absence is not worth a word.
    private const double ImportanceLeast = 0.01;

    // Rows that lack a value so seldom say little about what its absence means.
    private const double MissingShareMost = 0.01;

    private static readonly ConditionalWeakTable<Route, SamplePlan> Plans = [];

    private readonly FrozenDictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _columns;
    private readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> _unread;
    private readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> _leaks;
    private OutputPlan? _outputs;

    private SamplePlan(Route route)
    {
        Route = route;
        Columns = [.. route.Signature.Inputs.Select(input => new SampleColumn(input))];
        _columns = Columns.Select((column, i) => KeyValuePair.Create(column.Name, i)).ToFrozenDictionary(StringComparer.Ordinal)
            .GetAlternateLookup<ReadOnlySpan<char>>();
        _unread = (route.Signature.Unread ?? []).Append(route.Signature.Target).OfType<string>().ToFrozenSet(StringComparer.Ordinal)
            .GetAlternateLookup<ReadOnlySpan<char>>();
        _leaks = (route.Signature.Leaks ?? []).ToFrozenSet(StringComparer.Ordinal).GetAlternateLookup<ReadOnlySpan<char>>();
        ExpectedColumns =
        [
            .. Enumerable.Range(0, Columns.Count)
                .Where(i => Columns[i].Importance >= ImportanceLeast && route.Signature.Inputs[i].MissingShare < MissingShareMost)
                .OrderByDescending(i => Columns[i].Importance),
        ];
        KnownColumns = [.. Enumerable.Range(0, Columns.Count).Where(i => Columns[i].Values is not null)];
        MissingMarkers = new MissingMarkers(route.Signature.MissingMarkers);
        Labels = [.. (route.Signature.Labels ?? []).Select(label => JsonEncodedText.Encode(label, JsonText.Encoder))];
        ListName = route.Signature.SampleType switch
        {
            DatasetTypes.Tabular => "rows",
            DatasetTypes.Text => "texts",
            DatasetTypes.Image => "images",
            DatasetTypes.Audio => "sounds",
            _ => "",
        };
        CanRead = route.Signature.Steps is null && ListName switch
        {
            "rows" => route.Signature.Inputs.All(input => input.Datatype is "FP32" or "BYTES"),
            "texts" => route.Signature.Inputs is [{ Datatype: "BYTES" }],
            "images" => route.Signature.Inputs is [{ Datatype: "UINT8", Shape.Count: 4 }],
            "sounds" => route.Signature is { SampleRate: > 0, Inputs: [{ Datatype: "FP32", Shape.Count: 2 }] },
            _ => false,
        };
    }

    public Route Route { get; }

    /// <summary>Columns of a row; for texts, images and sounds the only input.</summary>
    public IReadOnlyList<SampleColumn> Columns { get; }

    /// <summary>Columns that matter and that training rows nearly always have, the most important first.</summary>
    public int[] ExpectedColumns { get; }

    /// <summary>Columns of which all values of the training data are known.</summary>
    public int[] KnownColumns { get; }

    /// <summary>What stands for no value in the cells of a row.</summary>
    public MissingMarkers MissingMarkers { get; }

    public IReadOnlyList<JsonEncodedText> Labels { get; }

    /// <summary>The list of a request that this model reads: <c>rows</c>, <c>texts</c>, <c>images</c> or <c>sounds</c>.</summary>
    public string ListName { get; }

    /// <summary>Its samples are files.</summary>
    public bool TakesFiles => FileKind is not null;

    /// <summary>What the files are, for messages; null when samples are none.</summary>
    public string? FileKind => ListName switch { "images" => "JPEG or PNG file", "sounds" => "wav file", _ => null };

    /// <summary>A file of that kind, as an example.</summary>
    public string FileExample => ListName == "sounds" ? "sound.wav" : "photo.jpg";

    /// <summary>False for models whose inputs only the Open Inference Protocol can fill.</summary>
    public bool CanRead { get; }

    public bool IsMultiLabel => Route.Signature.Task == TaskKinds.MultiLabelClassification;

    public bool IsEntityExtraction => Route.Signature.Task == TaskKinds.EntityExtraction;

    public bool IsRegression => Route.Signature.Task == TaskKinds.Regression;

    public static SamplePlan Of(Route route) => Plans.GetValue(route, static r => new SamplePlan(r));

    /// <summary>The position of a column, or -1.</summary>
    public int IndexOf(ReadOnlySpan<char> name) => _columns.TryGetValue(name, out var index) ? index : -1;

    /// <summary>What stands in the data that the model comes from may stand in a row, too: the column that was learned, and ids, say.</summary>
    public bool IsUnread(ReadOnlySpan<char> name) => _unread.Contains(name);

    /// <summary>One of those gave the target away in the training data.</summary>
    public bool IsLeak(ReadOnlySpan<char> name) => _leaks.Contains(name);

    /// <summary>The column that was probably meant, or null when nothing is like it.</summary>
    public string? NearestColumn(string name) => Spelling.Nearest(name, Columns.Select(column => column.Name));

    /// <summary>Where the inputs and outputs of a loaded model are.</summary>
    public OutputPlan OutputsOf(OnnxSession session) => _outputs ??= new OutputPlan(this, session);

    /// <summary>A request body that this model answers, made of values as they occurred in the training data.</summary>
    public JsonObject ExampleBody() => new()
    {
        [ListName] = ListName switch
        {
            "rows" => new JsonArray(ExampleRow()),
            "texts" => new JsonArray(JsonValue.Create(Columns[0].Example ?? "Where is my order?")),
            _ => new JsonArray(JsonValue.Create($"<base64 of a {FileKind}>")),
        },
    };

    private JsonObject ExampleRow()
    {
        var row = new JsonObject();
        foreach (var column in Columns.Take(ExampleColumnsMax)) row[column.Name] = column.ExampleValue();
        return row;
    }
}

/// <summary>One column that a model reads.</summary>
internal sealed class SampleColumn
{
    private readonly byte[] _true;
    private readonly byte[] _false;
    private readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> _values;

    public SampleColumn(TensorSpec input)
    {
        Name = input.Name;
        Utf8Name = Encoding.UTF8.GetBytes(input.Name);
        IsNumber = input.Datatype == "FP32";
        Type = input.ColumnType;
        Example = input.Example;
        Importance = input.Importance ?? 0;
        Typical = input.Typical;
        Values = input.Values;
        _values = (input.Values ?? []).ToFrozenSet(StringComparer.Ordinal).GetAlternateLookup<ReadOnlySpan<char>>();
        HasDecimalComma = input.Format == ColumnFormats.DecimalComma;
        TakesBooleans = Type == ColumnTypes.Boolean || (!IsNumber && Type != ColumnTypes.Text && CellValues.BooleanPair(Example ?? "") is >= 0 and < 5);
        var (whenTrue, whenFalse) = BooleanWords(Example ?? "");
        _true = Encoding.UTF8.GetBytes(whenTrue);
        _false = Encoding.UTF8.GetBytes(whenFalse);
    }

    public string Name { get; }

    public byte[] Utf8Name { get; }

    public bool IsNumber { get; }

    /// <summary>One of <see cref="ColumnTypes"/>, where the trainer knew it.</summary>
    public string? Type { get; }

    public string? Example { get; }

    /// <summary>What most stands for its training values; null when missing does.</summary>
    public string? Typical { get; }

    /// <summary>Share in what the model goes by; 0 when the trainer did not say.</summary>
    public double Importance { get; }

    /// <summary>All values of the training data; null for columns of which they are not known.</summary>
    public IReadOnlyList<string>? Values { get; }

    /// <summary>The training data has this value.</summary>
    public bool Knows(ReadOnlySpan<char> value) => _values.Contains(value);

    /// <summary>Numbers in text have a comma before their fraction, as in the training data.</summary>
    public bool HasDecimalComma { get; }

    /// <summary>JSON's true and false can stand for the words that were seen in training.</summary>
    public bool TakesBooleans { get; }

    /// <summary>The word for true or false, written as in the training data.</summary>
    public ReadOnlySpan<byte> BooleanWord(bool value) => value ? _true : _false;

    /// <summary>What may stand in the column, for messages: <c>a number such as 42</c>.</summary>
    public string Describe()
    {
        var what = IsNumber ? Type == ColumnTypes.Boolean ? "true, false, 1 or 0" : "a number" : TakesBooleans ? "true or false, or text" : "text";
        return Example is { Length: > 0 } example ? $"{what} such as {JsonText.Quote(example, asNumber: IsNumber)}" : what;
    }

    public JsonNode? ExampleValue()
    {
        if (!IsNumber) return JsonValue.Create(Example ?? "...");
        return CellValues.TryNumeric(Example, HasDecimalComma, out var number)
            ? JsonValue.Create(number)
            : JsonValue.Create(1);
    }

    private static (string True, string False) BooleanWords(string example)
    {
        var (whenTrue, whenFalse) = CellValues.BooleanPair(example) switch
        {
            1 => ("yes", "no"),
            2 => ("y", "n"),
            3 => ("t", "f"),
            4 => ("on", "off"),
            5 => ("1", "0"),
            _ => ("true", "false"),
        };
        return example.Length > 0 && char.IsAsciiLetterUpper(example[0])
            ? example.Length > 1 && char.IsAsciiLetterLower(example[1])
                ? (Capitalise(whenTrue), Capitalise(whenFalse))
                : (whenTrue.ToUpperInvariant(), whenFalse.ToUpperInvariant())
            : (whenTrue, whenFalse);
    }

    private static string Capitalise(string word) => char.ToUpperInvariant(word[0]) + word[1..];
}

/// <summary>Where a loaded model's inputs take their values from, and which of its outputs mean what.</summary>
internal sealed class OutputPlan
{
    public OutputPlan(SamplePlan plan, OnnxSession session)
    {
        InputColumns = new int[session.Inputs.Count];
        for (var i = 0; i < InputColumns.Length; i++)
        {
            InputColumns[i] = plan.IndexOf(session.Inputs[i].Name);
            if (InputColumns[i] < 0)
                throw new InvalidOperationException($"The model file reads '{session.Inputs[i].Name}', which its signature does not list.");
        }
        var kind = plan.Route.Signature.Task;
        Start = kind == TaskKinds.EntityExtraction ? Find(session, "start") : -1;
        End = kind == TaskKinds.EntityExtraction ? Find(session, "end") : -1;
        Probabilities = kind == TaskKinds.Regression ? -1 : Find(session, kind == TaskKinds.EntityExtraction ? "probability" : "probabilities", TensorElementType.Float);
        Label = kind is TaskKinds.Classification or TaskKinds.EntityExtraction ? Find(session, "label", TensorElementType.String, TensorElementType.Int64) : -1;
        Selected = kind == TaskKinds.MultiLabelClassification ? Find(session, "selected", TensorElementType.Bool) : -1;
        Value = kind == TaskKinds.Regression ? Find(session, "value", TensorElementType.Float) : -1;
        Lower = kind == TaskKinds.Regression ? session.IndexOfOutput("lower") : -1;
        Upper = kind == TaskKinds.Regression ? session.IndexOfOutput("upper") : -1;
    }

    /// <summary>For each input of the model the position of its column.</summary>
    public int[] InputColumns { get; }

    public int Probabilities { get; }

    public int Label { get; }

    public int Selected { get; }

    public int Start { get; }

    public int End { get; }

    public int Value { get; }

    public int Lower { get; }

    public int Upper { get; }

    /// <summary>The output of that name; in imported models, which have names of their own, the only one of its type.</summary>
    private static int Find(OnnxSession session, string name, params ReadOnlySpan<TensorElementType> types)
    {
        var position = session.IndexOfOutput(name);
        for (var i = 0; position < 0 && i < session.Outputs.Count; i++)
            if (types.Contains(session.Outputs[i].Type)) position = i;
        return position >= 0 ? position : throw new InvalidOperationException($"The model file has no output '{name}', which its task needs.");
    }
}
