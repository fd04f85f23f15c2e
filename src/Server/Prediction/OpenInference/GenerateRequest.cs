using System.Buffers;
using System.Text;
using System.Text.Json;
using Atoll.Platform.Http;
using Atoll.Serving.Onnx;

namespace Atoll.Prediction.OpenInference;

/// <summary>A generate request: members that are named like an input of the model become its tensor, all others are parameters.</summary>
internal sealed class GenerateRequest(InferTensors tensors)
{
    public string? Id { get; private set; }

    /// <summary>How long the caller waits; null for as long as it takes.</summary>
    public TimeSpan? Timeout { get; private set; }

    /// <summary>How many answers of a model that gives many the caller wants at most; null for all.</summary>
    public long? StepsMax { get; private set; }

    /// <summary>Reads and checks the body; null when that went well.</summary>
    public Problem? Read(ReadOnlySequence<byte> body) => JsonBody.Read(body, default, root =>
    {
        foreach (var member in root.EnumerateObject())
        {
            var problem = member.Name == "parameters" && tensors.Session.IndexOfInput(member.Name) < 0 ? ReadParameters(member.Value) : ReadMember(member.Name, member.Value);
            if (problem is not null) return problem;
        }
        return tensors.CheckComplete();
    });

    private Problem? ReadParameters(JsonElement parameters)
    {
        if (parameters.ValueKind != JsonValueKind.Object) return OpenInferenceProblems.Invalid("Unable to parse 'parameters', expected an object");
        foreach (var parameter in parameters.EnumerateObject())
        {
            if (ReadMember(parameter.Name, parameter.Value) is { } problem) return problem;
        }
        return null;
    }

    private Problem? ReadMember(string name, JsonElement value)
    {
        if (tensors.Session.IndexOfInput(name) is >= 0 and var index) return ReadInput(tensors.Session.Inputs[index], value);
        if (name.StartsWith("triton_", StringComparison.Ordinal)) return OpenInferenceProblems.Invalid($"parameter '{JsonText.Shorten(name)}' uses a reserved prefix 'triton_'");
        switch (name)
        {
            case "id":
                if (value.ValueKind != JsonValueKind.String) return OpenInferenceProblems.Invalid("'id' is not a string");
                Id = value.GetString();
                return null;

            case "timeout":
                if (value.ValueKind != JsonValueKind.Number || !value.TryGetUInt64(out var microseconds)) return OpenInferenceProblems.Invalid("Unable to parse 'timeout', expected a whole number of at least 0");
                Timeout = InferRequest.ToTimeout(microseconds);
                return null;

            case "steps_max":
                if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt64(out var steps) || steps < 1) return OpenInferenceProblems.Invalid("Unable to parse 'steps_max', expected a whole number of at least 1");
                StepsMax = steps;
                return null;

            default:
                return null;
        }
    }

    private Problem? ReadInput(OnnxValueInfo input, JsonElement value)
    {
        var isList = value.ValueKind == JsonValueKind.Array;
        var shape = ShapeOf(input, isList ? value.GetArrayLength() : 1);
        if (tensors.CheckInput(input.Name, Datatypes.NameOf(input.Type), shape, out var index, out var count) is { } problem) return problem;
        if (input.Type is TensorElementType.Float16 or TensorElementType.BFloat16) return OpenInferenceProblems.NotInJson(input.Type, $"input '{input.Name}'");

        // Fixed dimensions are a stranger's word; memory is not given for what does not follow.
        if (count != (isList ? value.GetArrayLength() : 1))
            return OpenInferenceProblems.Invalid($"unable to parse '{input.Name}': it has {(isList ? value.GetArrayLength() : 1)} elements where the shape [{string.Join(',', shape)}] has {count}");
        var text = value.GetRawText();
        var reader = new Utf8JsonReader(Encoding.UTF8.GetBytes(isList ? text : $"[{text}]"));
        reader.Read();
        return TensorData.Read(ref reader, input.Name, tensors.Allocate(index, shape));
    }

    /// <summary>The last free dimension takes all elements, others are 1.</summary>
    private static long[] ShapeOf(OnnxValueInfo input, int elements)
    {
        if (!input.HasShape) return [elements];
        var shape = (long[])input.Shape.Clone();
        var last = Array.FindLastIndex(shape, dimension => dimension < 0);
        long others = 1;
        for (var i = 0; i < shape.Length; i++)
        {
            if (i == last) continue;
            if (shape[i] < 0) shape[i] = 1;
            others = Math.BigMul(others, shape[i], out var low) == 0 && low >= 0 ? low : long.MaxValue;
        }
        if (last >= 0) shape[last] = others == 0 ? 0 : elements / others;
        return shape;
    }
}
