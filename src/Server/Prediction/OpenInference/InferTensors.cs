using Atoll.Platform.Http;
using Atoll.Serving.Onnx;

namespace Atoll.Prediction.OpenInference;

/// <summary>The inputs of one infer request and the outputs it asks for, checked against the model whatever the protocol was.</summary>
/// <remarks>Used again for other requests; between <see cref="Begin"/> and <see cref="Dispose"/> it is one request's.</remarks>
internal sealed class InferTensors : IDisposable
{
    /// <summary>More dimensions than any model has.</summary>
    public const int RankMax = 16;

    private const int NamesShown = 20;

    private readonly List<int> _outputs = [];
    private readonly List<int> _classes = [];
    private OnnxCall? _call;

    public string Model { get; private set; } = "";

    /// <summary>The names of the classes, for outputs with an element for each.</summary>
    public IReadOnlyList<string> Labels { get; private set; } = [];

    public OnnxSession Session => Call.Session;

    /// <summary>The memory of the request, which the model runs on.</summary>
    public OnnxCall Call => _call ?? throw new ObjectDisposedException(nameof(InferTensors));

    /// <summary>Outputs in the answer.</summary>
    public int OutputCount => _outputs.Count > 0 ? _outputs.Count : Session.Outputs.Count;

    /// <summary>Those that lie in shared memory; null where that is not offered.</summary>
    public SharedTensors? Shared { get; private set; }

    /// <summary>The request says by name which outputs it wants.</summary>
    public bool AsksByName => _outputs.Count > 0;

    /// <summary>Begins a request.</summary>
    public InferTensors Begin(string model, OnnxSession session, IReadOnlyList<string>? labels = null, SharedTensors? shared = null)
    {
        Model = model;
        Shared = shared;
        Labels = labels ?? [];
        _call = OnnxCall.Rent(session);
        return this;
    }

    /// <summary>The position in the model of an output in the answer: those that were asked for in the order of the request, or all.</summary>
    public int OutputAt(int position) => _outputs.Count > 0 ? _outputs[position] : position;

    /// <summary>Finds the input that a tensor is for; memory is given only when this went well and the data is known to be there.</summary>
    public Problem? CheckInput(string name, string datatype, ReadOnlySpan<long> shape, out int index, out long count)
    {
        count = 0;
        index = Session.IndexOfInput(name);
        if (index < 0)
        {
            return OpenInferenceProblems.Invalid(
                $"unexpected inference input '{JsonText.Shorten(name)}' for model '{Model}'. Expected {string.Join(", ", Session.Inputs.Take(NamesShown).Select(input => $"'{input.Name}'"))}");
        }
        if (Call.Has(index)) return OpenInferenceProblems.Invalid($"input '{name}' already exists in request");
        var expected = Session.Inputs[index];
        if (Datatypes.Find(datatype) is not { } type)
            return OpenInferenceProblems.Invalid($"input '{name}' has the unknown datatype '{JsonText.Shorten(datatype)}'. Expected {Datatypes.NameOf(expected.Type)}");
        return type != expected.Type
            ? OpenInferenceProblems.Invalid($"unexpected datatype {datatype} for inference input '{name}', expecting {Datatypes.NameOf(expected.Type)}")
            : CheckShape(name, shape, expected, out count);
    }

    /// <summary>The memory of an input that was checked.</summary>
    public OnnxTensor Allocate(int index, ReadOnlySpan<long> shape) => Call.Allocate(index, shape);

    /// <summary>Adds an output to those that the answer holds.</summary>
    /// <param name="classes">So many of its highest elements as texts, instead of the tensor; 0 for the tensor.</param>
    /// <param name="place">Where in shared memory it is wanted, if it is; only where that is offered.</param>
    public Problem? AskFor(string name, int classes = 0, SharedPlace place = default)
    {
        var index = Session.IndexOfOutput(name);
        if (index < 0)
        {
            return OpenInferenceProblems.Invalid(
                $"unexpected inference output '{JsonText.Shorten(name)}' for model '{Model}'. Expected {string.Join(", ", Session.Outputs.Take(NamesShown).Select(output => $"'{output.Name}'"))}");
        }
        if (_outputs.Contains(index)) return OpenInferenceProblems.Invalid($"output '{name}' already requested");
        _outputs.Add(index);
        _classes.Add(classes);
        return place.IsGiven ? Shared!.Ask(place, index, name) : null;
    }

    /// <summary>The output is wanted as classes.</summary>
    public bool IsClassified(int index) => _outputs.IndexOf(index) is >= 0 and var position && _classes[position] > 0;

    /// <summary>Puts texts in the place of the outputs that are wanted as classes.</summary>
    public Problem? Classify()
    {
        for (var i = 0; i < _classes.Count; i++)
        {
            if (_classes[i] == 0) continue;
            var index = _outputs[i];
            if (Classification.Make(Call.Outputs[index], Session.Outputs[index], _classes[i], Labels, out var texts) is { } problem) return problem;
            Call.Replace(index, texts!);
        }
        return null;
    }

    /// <summary>What is missing, or does not go together; null when the model can run.</summary>
    public Problem? CheckComplete()
    {
        var (given, all) = (0, Session.Inputs.Count);
        for (var i = 0; i < all; i++) given += Call.Has(i) ? 1 : 0;
        return given < all ? Missing(given, all) : CheckFreeDimensions();
    }

    public void Dispose()
    {
        _outputs.Clear();
        _classes.Clear();
        Shared = null;
        _call?.Dispose();
        _call = null;
    }

    private Problem Missing(int given, int all)
    {
        var missing = Session.Inputs.Where((_, i) => !Call.Has(i)).Take(NamesShown).Select(input => $"'{input.Name}'");
        return OpenInferenceProblems.Invalid($"expected {all} inputs but got {given} inputs for model '{Model}'. Missing {string.Join(", ", missing)}");
    }

    private Problem? CheckShape(string name, ReadOnlySpan<long> shape, OnnxValueInfo expected, out long count)
    {
        count = 1;
        foreach (var dimension in shape)
        {
            if (dimension < 0) return OpenInferenceProblems.Invalid($"input '{name}' has the shape [{Join(shape)}]: dimensions are zero or more");
            if (Math.BigMul(count, dimension, out var low) != 0 || low < 0)
                return OpenInferenceProblems.Invalid($"input '{name}': shape [{Join(shape)}] causes total element count to exceed maximum size of {long.MaxValue}");
            count = low;
        }
        var fits = !expected.HasShape || expected.Shape.Length == shape.Length;
        for (var i = 0; fits && expected.HasShape && i < shape.Length; i++) fits = expected.Shape[i] < 0 || expected.Shape[i] == shape[i];
        return fits
            ? null
            : OpenInferenceProblems.Invalid($"unexpected shape for input '{name}' for model '{Model}'. Expected [{Join(expected.Shape)}], got [{Join(shape)}]");
    }

    // Dimensions of one name, such as the number of samples, are equal in all inputs; the model relies on it.
    private Problem? CheckFreeDimensions()
    {
        var inputs = Session.Inputs;
        for (var i = 0; i < inputs.Count; i++)
        {
            for (var d = 0; d < inputs[i].DimensionNames.Count; d++)
            {
                var name = inputs[i].DimensionNames[d];
                if (name.Length == 0 || !TryFindFirst(name, i, d, out var first, out var other)) continue;
                var (size, expected) = (Call.Inputs[i].Shape[d], Call.Inputs[first].Shape[other]);
                if (size == expected) continue;
                return OpenInferenceProblems.Invalid(
                    $"input '{inputs[i].Name}' has {size} in dimension {d} where input '{inputs[first].Name}' has {expected}; both are '{name}' for model '{Model}'");
            }
        }
        return null;
    }

    /// <summary>Finds a dimension of this name before that one; mostly the first of all has it.</summary>
    private bool TryFindFirst(string name, int beforeInput, int beforeDimension, out int input, out int dimension)
    {
        dimension = 0;
        for (input = 0; input <= beforeInput; input++)
        {
            var names = Session.Inputs[input].DimensionNames;
            var end = input < beforeInput ? names.Count : beforeDimension;
            for (dimension = 0; dimension < end; dimension++)
                if (names[dimension] == name) return true;
        }
        return false;
    }

    private static string Join(ReadOnlySpan<long> shape) => string.Join(',', shape.ToArray());
}
