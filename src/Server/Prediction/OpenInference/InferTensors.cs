using Atoll.Platform.Http;
using Atoll.Serving.Onnx;

namespace Atoll.Prediction.OpenInference;

/// <summary>The inputs of one infer request and the outputs it asks for, checked against the model whatever the protocol was.</summary>
internal sealed class InferTensors(string model, OnnxSession session) : IDisposable
{
    /// <summary>More dimensions than any model has.</summary>
    public const int RankMax = 16;

    private const int NamesShown = 20;

    private readonly OnnxTensor?[] _inputs = new OnnxTensor?[session.Inputs.Count];
    private List<int>? _outputs;
    private List<int>? _classes;

    public string Model => model;

    /// <summary>The names of the classes, for outputs with an element for each.</summary>
    public IReadOnlyList<string> Labels { get; init; } = [];

    public OnnxSession Session => session;

    /// <summary>In the order of the model's inputs; complete after <see cref="CheckComplete"/>.</summary>
    public OnnxTensor[] Inputs => _inputs!;

    /// <summary>Positions of the outputs that were asked for, in the order of the request; null for all.</summary>
    public IReadOnlyList<int>? Outputs => _outputs;

    /// <summary>Finds the input that a tensor is for; memory is given only when this went well and the data is known to be there.</summary>
    public Problem? CheckInput(string name, string datatype, ReadOnlySpan<long> shape, out int index, out long count)
    {
        count = 0;
        index = session.IndexOfInput(name);
        if (index < 0)
        {
            return OpenInferenceProblems.Invalid(
                $"unexpected inference input '{JsonText.Shorten(name)}' for model '{model}'. Expected {string.Join(", ", session.Inputs.Take(NamesShown).Select(input => $"'{input.Name}'"))}");
        }
        if (_inputs[index] is not null) return OpenInferenceProblems.Invalid($"input '{name}' already exists in request");
        var expected = session.Inputs[index];
        if (Datatypes.Find(datatype) is not { } type)
            return OpenInferenceProblems.Invalid($"input '{name}' has the unknown datatype '{JsonText.Shorten(datatype)}'. Expected {Datatypes.NameOf(expected.Type)}");
        return type != expected.Type
            ? OpenInferenceProblems.Invalid($"unexpected datatype {datatype} for inference input '{name}', expecting {Datatypes.NameOf(expected.Type)}")
            : CheckShape(name, shape, expected, out count);
    }

    /// <summary>The memory of an input that was checked.</summary>
    public OnnxTensor Allocate(int index, ReadOnlySpan<long> shape) =>
        _inputs[index] = OnnxTensor.Allocate(session.Inputs[index].Type, shape);

    /// <summary>Adds an output to those that the answer holds.</summary>
    /// <param name="classes">So many of its highest elements as texts, instead of the tensor; 0 for the tensor.</param>
    public Problem? AskFor(string name, int classes = 0)
    {
        var index = session.IndexOfOutput(name);
        if (index < 0)
        {
            return OpenInferenceProblems.Invalid(
                $"unexpected inference output '{JsonText.Shorten(name)}' for model '{model}'. Expected {string.Join(", ", session.Outputs.Take(NamesShown).Select(output => $"'{output.Name}'"))}");
        }
        _outputs ??= [];
        if (_outputs.Contains(index)) return OpenInferenceProblems.Invalid($"output '{name}' already requested");
        _outputs.Add(index);
        (_classes ??= []).Add(classes);
        return null;
    }

    /// <summary>Puts texts in the place of the outputs that are wanted as classes.</summary>
    public Problem? Classify(OnnxTensor[] outputs)
    {
        for (var i = 0; i < (_classes?.Count ?? 0); i++)
        {
            if (_classes![i] == 0) continue;
            var index = _outputs![i];
            if (Classification.Make(outputs[index], session.Outputs[index], _classes[i], Labels, out var texts) is { } problem) return problem;
            outputs[index].Dispose();
            outputs[index] = texts!;
        }
        return null;
    }

    /// <summary>What is missing, or does not go together; null when the model can run.</summary>
    public Problem? CheckComplete()
    {
        var given = 0;
        foreach (var input in _inputs) given += input is null ? 0 : 1;
        if (given < _inputs.Length)
        {
            var missing = session.Inputs.Where((_, i) => _inputs[i] is null).Take(NamesShown).Select(input => $"'{input.Name}'");
            return OpenInferenceProblems.Invalid($"expected {_inputs.Length} inputs but got {given} inputs for model '{model}'. Missing {string.Join(", ", missing)}");
        }
        return CheckFreeDimensions();
    }

    public void Dispose()
    {
        foreach (var input in _inputs) input?.Dispose();
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
            : OpenInferenceProblems.Invalid($"unexpected shape for input '{name}' for model '{model}'. Expected [{Join(expected.Shape)}], got [{Join(shape)}]");
    }

    // Dimensions of one name, such as the number of samples, are equal in all inputs; the model relies on it.
    private Problem? CheckFreeDimensions()
    {
        Dictionary<string, (string Input, long Size)>? sizes = null;
        for (var i = 0; i < _inputs.Length && _inputs.Length > 1; i++)
        {
            var info = session.Inputs[i];
            for (var d = 0; d < info.DimensionNames.Count; d++)
            {
                if (info.DimensionNames[d].Length == 0) continue;
                sizes ??= [];
                var size = _inputs[i]!.Shape[d];
                if (sizes.TryAdd(info.DimensionNames[d], (info.Name, size)) || sizes[info.DimensionNames[d]] is var (input, other) && other == size) continue;
                return OpenInferenceProblems.Invalid(
                    $"input '{info.Name}' has {size} in dimension {d} where input '{input}' has {other}; both are '{info.DimensionNames[d]}' for model '{model}'");
            }
        }
        return null;
    }

    private static string Join(ReadOnlySpan<long> shape) => string.Join(',', shape.ToArray());
}
