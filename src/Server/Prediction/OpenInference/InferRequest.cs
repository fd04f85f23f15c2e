using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Atoll.Platform.Http;
using Atoll.Serving.Onnx;

namespace Atoll.Prediction.OpenInference;

/// <summary>An infer request, read from its JSON straight into the tensors of a model. Everything is checked before the model sees it.</summary>
internal sealed class InferRequest(InferTensors tensors)
{
    private bool _hasInputs;
    private long _elementsMax;

    public string? Id { get; private set; }

    /// <summary>Reads and checks the body; null when that went well.</summary>
    public Problem? Read(ReadOnlySequence<byte> body)
    {
        // An element takes two bytes of JSON at least; memory is not given for what cannot follow.
        _elementsMax = body.Length / 2;
        try
        {
            if (body.IsEmpty) return OpenInferenceProblems.Invalid("failed to parse the request JSON buffer: The document is empty. at 0");
            var reader = new Utf8JsonReader(body);
            reader.Read();
            if (ReadBody(ref reader) is { } problem) return problem;
            reader.Read();
        }
        catch (JsonException failure)
        {
            return OpenInferenceProblems.Invalid(
                $"failed to parse the request JSON buffer: line {failure.LineNumber + 1}, byte {failure.BytePositionInLine + 1} is not valid JSON");
        }
        return _hasInputs ? tensors.CheckComplete() : OpenInferenceProblems.Invalid("the request has no 'inputs'");
    }

    private Problem? ReadBody(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject) return OpenInferenceProblems.Invalid($"the request body {JsonText.Describe(ref reader)}, expected an object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            Problem? problem = null;
            if (JsonText.Is(ref reader, "id"u8)) problem = ReadId(ref reader);
            else if (JsonText.Is(ref reader, "parameters"u8)) problem = ReadParameters(ref reader, "request");
            else if (JsonText.Is(ref reader, "inputs"u8)) problem = ReadInputs(ref reader);
            else if (JsonText.Is(ref reader, "outputs"u8)) problem = ReadOutputs(ref reader);
            else Skip(ref reader);
            if (problem is not null) return problem;
        }
        return null;
    }

    private Problem? ReadId(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.String) return OpenInferenceProblems.Invalid($"'id' {JsonText.Describe(ref reader)}, expected a string");
        if (ReadString(ref reader) is not { } id) return OpenInferenceProblems.Invalid("'id' is not valid Unicode text");
        Id = id;
        return null;
    }

    /// <summary>Parameters mean nothing to a stateless model, except those that ask for what is not there.</summary>
    private static Problem? ReadParameters(ref Utf8JsonReader reader, string where)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject) return OpenInferenceProblems.Invalid($"'parameters' of {where} {JsonText.Describe(ref reader)}, expected an object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var binary = JsonText.Is(ref reader, "binary_data_size"u8) || JsonText.Is(ref reader, "binary_data"u8) || JsonText.Is(ref reader, "binary_data_output"u8);
            if (ReadString(ref reader) is not { } name) return OpenInferenceProblems.Invalid($"'parameters' of {where} hold a name that is not valid Unicode text");
            reader.Read();
            if (binary && reader.TokenType is not (JsonTokenType.False or JsonTokenType.Null))
                return OpenInferenceProblems.Unsupported($"parameter '{name}' of {where}: binary tensor data is not supported, send 'data' as JSON");
            if (name.StartsWith("shared_memory", StringComparison.Ordinal))
                return OpenInferenceProblems.Unsupported($"parameter '{name}' of {where}: shared memory is not supported, send 'data' as JSON");
            if (name == "classification") return OpenInferenceProblems.Unsupported($"parameter 'classification' of {where}: the classification extension is not supported");
            if (where == "request" && name.StartsWith("triton_", StringComparison.Ordinal))
                return OpenInferenceProblems.Invalid($"parameter '{JsonText.Shorten(name)}' uses a reserved prefix 'triton_'");
            if (!reader.TrySkip()) return OpenInferenceProblems.Invalid("failed to parse the request JSON buffer");
        }
        return null;
    }

    private Problem? ReadInputs(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartArray) return OpenInferenceProblems.Invalid($"'inputs' {JsonText.Describe(ref reader)}, expected a list");
        if (_hasInputs) return OpenInferenceProblems.Invalid("'inputs' is there twice");
        _hasInputs = true;
        for (var i = 0; reader.Read() && reader.TokenType != JsonTokenType.EndArray; i++)
        {
            if (reader.TokenType != JsonTokenType.StartObject) return OpenInferenceProblems.Invalid($"inputs[{i}] {JsonText.Describe(ref reader)}, expected an object");
            if (ReadInput(ref reader, i) is { } problem) return problem;
        }
        return null;
    }

    private Problem? ReadInput(ref Utf8JsonReader reader, int position)
    {
        string? name = null, datatype = null;
        long[]? shape = null;
        var hasData = false;
        var index = -1;
        var data = default(Utf8JsonReader);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (JsonText.Is(ref reader, "name"u8))
            {
                if (ReadText(ref reader, $"inputs[{position}].name", out name) is { } wrong) return wrong;
            }
            else if (JsonText.Is(ref reader, "datatype"u8))
            {
                if (ReadText(ref reader, $"inputs[{position}].datatype", out datatype) is { } wrong) return wrong;
            }
            else if (JsonText.Is(ref reader, "shape"u8))
            {
                if (ReadShape(ref reader, position, out shape) is { } wrong) return wrong;
            }
            else if (JsonText.Is(ref reader, "parameters"u8))
            {
                if (ReadParameters(ref reader, name is null ? $"inputs[{position}]" : $"input '{JsonText.Shorten(name)}'") is { } wrong) return wrong;
            }
            else if (JsonText.Is(ref reader, "data"u8))
            {
                reader.Read();
                if (reader.TokenType != JsonTokenType.StartArray) return OpenInferenceProblems.Invalid($"inputs[{position}].data {JsonText.Describe(ref reader)}, expected a list");
                if (hasData) return OpenInferenceProblems.Invalid($"inputs[{position}].data is there twice");
                hasData = true;
                if (name is not null && datatype is not null && shape is not null)
                {
                    // What follows cannot change where the data goes, so it is read at once.
                    if (Allocate(name, datatype, shape, out index) is { } wrong) return wrong;
                    if (TensorData.Read(ref reader, name, tensors.Inputs[index]) is { } bad) return bad;
                    continue;
                }
                data = reader;
                if (!reader.TrySkip()) return OpenInferenceProblems.Invalid("failed to parse the request JSON buffer");
            }
            else
            {
                Skip(ref reader);
            }
        }
        if (name is null) return OpenInferenceProblems.Invalid($"inputs[{position}] has no 'name'");
        if (datatype is null) return OpenInferenceProblems.Invalid($"input '{JsonText.Shorten(name)}' has no 'datatype'");
        if (shape is null) return OpenInferenceProblems.Invalid($"input '{JsonText.Shorten(name)}' has no 'shape'");
        if (!hasData) return OpenInferenceProblems.Invalid($"input '{JsonText.Shorten(name)}' has no 'data'");
        if (index >= 0) return tensors.Session.Inputs[index].Name == name ? null : OpenInferenceProblems.Invalid($"inputs[{position}].name is there twice");
        return Allocate(name, datatype, shape, out index) ?? TensorData.Read(ref data, name, tensors.Inputs[index]);
    }

    private Problem? Allocate(string name, string datatype, long[] shape, out int index)
    {
        if (tensors.CheckInput(name, datatype, shape, out index, out var count) is { } problem) return problem;
        if (tensors.Session.Inputs[index].Type is TensorElementType.Float16 or TensorElementType.BFloat16)
            return OpenInferenceProblems.Unsupported($"input '{name}' has the datatype {datatype}, which JSON cannot hold; it needs binary tensor data, which is not supported");
        if (count > _elementsMax)
            return OpenInferenceProblems.Invalid($"input '{name}' has the shape [{string.Join(',', shape)}] of {count} elements, more than the request body holds");
        tensors.Allocate(index, shape);
        return null;
    }

    private Problem? ReadOutputs(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartArray) return OpenInferenceProblems.Invalid($"'outputs' {JsonText.Describe(ref reader)}, expected a list");
        for (var i = 0; reader.Read() && reader.TokenType != JsonTokenType.EndArray; i++)
        {
            if (reader.TokenType != JsonTokenType.StartObject) return OpenInferenceProblems.Invalid($"outputs[{i}] {JsonText.Describe(ref reader)}, expected an object");
            string? name = null;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (JsonText.Is(ref reader, "name"u8))
                {
                    if (ReadText(ref reader, $"outputs[{i}].name", out name) is { } wrong) return wrong;
                }
                else if (JsonText.Is(ref reader, "parameters"u8))
                {
                    if (ReadParameters(ref reader, $"outputs[{i}]") is { } wrong) return wrong;
                }
                else
                {
                    Skip(ref reader);
                }
            }
            if (name is null) return OpenInferenceProblems.Invalid($"outputs[{i}] has no 'name'");
            if (tensors.AskFor(name) is { } problem) return problem;
        }
        return null;
    }

    private static Problem? ReadText(ref Utf8JsonReader reader, string where, out string? text)
    {
        text = null;
        reader.Read();
        if (reader.TokenType != JsonTokenType.String) return OpenInferenceProblems.Invalid($"{where} {JsonText.Describe(ref reader)}, expected a string");
        text = ReadString(ref reader);
        return text is null ? OpenInferenceProblems.Invalid($"{where} is not valid Unicode text") : null;
    }

    private static Problem? ReadShape(ref Utf8JsonReader reader, int position, out long[]? shape)
    {
        shape = null;
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartArray) return OpenInferenceProblems.Invalid($"inputs[{position}].shape {JsonText.Describe(ref reader)}, expected a list of numbers");
        Span<long> dimensions = stackalloc long[InferTensors.RankMax];
        var rank = 0;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out var dimension))
                return OpenInferenceProblems.Invalid($"inputs[{position}].shape[{rank}] {JsonText.Describe(ref reader)}, expected a whole number");
            if (rank == InferTensors.RankMax) return OpenInferenceProblems.Invalid($"inputs[{position}].shape has more than {InferTensors.RankMax.ToString(CultureInfo.InvariantCulture)} dimensions");
            dimensions[rank++] = dimension;
        }
        shape = dimensions[..rank].ToArray();
        return null;
    }

    private static void Skip(ref Utf8JsonReader reader)
    {
        reader.Read();
        reader.Skip();
    }

    private static string? ReadString(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString();
        }
        catch (InvalidOperationException)
        {
            // The reader checks escapes and bytes only when the text is asked for.
            return null;
        }
    }
}
