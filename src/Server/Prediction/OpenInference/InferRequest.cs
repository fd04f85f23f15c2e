using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Atoll.Platform.Http;
using Atoll.Serving.Onnx;

namespace Atoll.Prediction.OpenInference;

/// <summary>An infer request, read from its body straight into the tensors of a model. Everything is checked before the model sees it.</summary>
/// <remarks>Used again for other requests, together with its tensors.</remarks>
internal sealed class InferRequest(InferTensors tensors)
{
    private readonly long[] _shape = new long[InferTensors.RankMax];

    // For the outputs that were asked for, in their order: null where nothing was said.
    private readonly List<bool?> _isBinary = [];

    private bool _hasInputs;
    private long _elementsMax;
    private bool _hasBinary;
    private ReadOnlySequence<byte> _binary;
    private bool _isBinaryByDefault;
    private bool _isPlain;
    private ReadOnlySequence<byte> _json;
    private int _offset;

    public string? Id { get; private set; }

    /// <summary>How long the caller waits; null for as long as it takes.</summary>
    public TimeSpan? Timeout { get; private set; }

    /// <summary>Whether an output of the answer is wanted in binary.</summary>
    /// <param name="position">Its position in the answer.</param>
    public bool IsBinary(int position) => (_isBinary.Count > 0 ? _isBinary[position] : null) ?? _isBinaryByDefault;

    /// <summary>Reads and checks the body; null when that went well.</summary>
    /// <param name="body">Its JSON.</param>
    /// <param name="binary">The tensors that follow; null when the request does not say where its JSON ends.</param>
    /// <param name="isPlain">The body is small, and problems are not told to anybody, so that their place need not be known: numbers may be read without tokens.</param>
    public Problem? Read(ReadOnlySequence<byte> body, ReadOnlySequence<byte>? binary, bool isPlain = false)
    {
        Clear();
        _isPlain = isPlain;
        byte[]? whole = null;
        if (isPlain && !body.IsSingleSegment)
        {
            // A body of more than a block of the web server's. It is small, or it would not be plain.
            whole = ArrayPool<byte>.Shared.Rent((int)body.Length);
            body.CopyTo(whole);
            body = new ReadOnlySequence<byte>(whole, 0, (int)body.Length);
        }
        _json = body;
        _hasBinary = binary is not null;
        _binary = binary ?? default;

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
        finally
        {
            _json = default;
            if (whole is not null) ArrayPool<byte>.Shared.Return(whole);
        }
        if (!_hasInputs) return OpenInferenceProblems.Invalid("the request has no 'inputs'");
        return _binary.IsEmpty
            ? tensors.CheckComplete()
            : OpenInferenceProblems.Invalid($"unexpected additional input data for model '{tensors.Model}'");
    }

    /// <summary>Takes the body as the tensor of the model's one input; every output is wanted in binary.</summary>
    public Problem? ReadRaw(ReadOnlySequence<byte> body)
    {
        Clear();
        _isBinaryByDefault = true;
        var inputs = tensors.Session.Inputs;
        if (inputs.Count != 1)
        {
            return OpenInferenceProblems.Invalid(
                $"Raw request must only have 1 input (found 1) to be deduced but got {inputs.Count} inputs in '{tensors.Model}' model configuration");
        }
        var input = inputs[0];
        var shape = (long[])input.Shape.Clone();
        if (DeduceShape(input, shape, body.Length) is { } problem) return problem;
        if (tensors.CheckInput(input.Name, Datatypes.NameOf(input.Type), shape, out var index, out var count) is { } wrong) return wrong;
        if (input.Type != TensorElementType.String) return RawTensor.Read(body, tensors, index, count, shape) ?? tensors.CheckComplete();
        if (count != 1) return OneText(input.Name);
        RawTensor.SetUtf8(tensors.Allocate(index, shape), 0, body);
        return tensors.CheckComplete();
    }

    private void Clear()
    {
        _isBinary.Clear();
        (_hasInputs, _isBinaryByDefault, Id, Timeout, _json, _offset) = (false, false, null, null, default, 0);
    }

    private static Problem? DeduceShape(OnnxValueInfo input, long[] shape, long bytes)
    {
        var isText = input.Type == TensorElementType.String;
        var free = shape.Count(dimension => dimension < 0);
        if (!input.HasShape || (free > 1 && !(free == 2 && shape[0] < 0 && !isText)))
        {
            return isText
                ? OneText(input.Name)
                : OpenInferenceProblems.Invalid($"The shape of the raw input '{input.Name}' can not be deduced because there are more than one variable-sized dimension");
        }
        if (free == 0) return null;
        if (isText)
        {
            shape[Array.FindIndex(shape, dimension => dimension < 0)] = 1;
            return null;
        }

        // The batch, which the first dimension is when it is free, is one where another has to be found.
        if (free == 2) shape[0] = 1;
        long known = TensorElements.Size(input.Type);
        foreach (var dimension in shape)
        {
            if (dimension >= 0) known = Math.BigMul(known, dimension, out var low) == 0 && low >= 0 ? low : long.MaxValue;
        }
        shape[Array.FindIndex(shape, dimension => dimension < 0)] = known == 0 ? 0 : bytes / known;
        return null;
    }

    private static Problem OneText(string input) =>
        OpenInferenceProblems.Invalid($"For BYTE datatype raw input '{input}', the model must have input shape [1]");

    private Problem? ReadBody(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject) return OpenInferenceProblems.Invalid($"the request body {JsonText.Describe(ref reader)}, expected an object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            Problem? problem = null;
            if (JsonText.Is(ref reader, "id"u8)) problem = ReadId(ref reader);
            else if (JsonText.Is(ref reader, "parameters"u8)) problem = ReadRequestParameters(ref reader);
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

    private Problem? ReadRequestParameters(ref Utf8JsonReader reader)
    {
        if (BeginParameters(ref reader, Where.Request) is { } wrong) return wrong;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (ReadString(ref reader) is not { } name) return NoName(Where.Request);
            if (name.StartsWith("triton_", StringComparison.Ordinal))
                return OpenInferenceProblems.Invalid($"parameter '{JsonText.Shorten(name)}' uses a reserved prefix 'triton_'");
            reader.Read();
            var bad = name switch
            {
                "binary_data_output" => ReadFlag(ref reader, name, Where.Request, out _isBinaryByDefault),
                "timeout" => ReadTimeout(ref reader),
                "priority" => ReadWhole(ref reader, name, Where.Request, out _),

                // Models keep nothing between requests, so that a sequence is as good as its requests.
                "sequence_start" or "sequence_end" => ReadFlag(ref reader, name, Where.Request, out _),
                "sequence_id" when reader.TokenType != JsonTokenType.String => ReadWhole(ref reader, name, Where.Request, out _),
                _ => null,
            };
            if (bad is not null) return bad;
            if (!reader.TrySkip()) return OpenInferenceProblems.Invalid("failed to parse the request JSON buffer");
        }
        return null;
    }

    private Problem? ReadTimeout(ref Utf8JsonReader reader)
    {
        if (ReadWhole(ref reader, "timeout", Where.Request, out var microseconds) is { } wrong) return wrong;
        Timeout = ToTimeout(microseconds);
        return null;
    }

    /// <summary>How long a client waits that says so many microseconds; null for as long as it takes.</summary>
    public static TimeSpan? ToTimeout(ulong microseconds) =>
        // Timers reach no further than some weeks; nobody waits so long.
        microseconds is > 0 and < 1_000_000_000_000 ? TimeSpan.FromMicroseconds(microseconds) : null;

    private Problem? ReadInputParameters(ref Utf8JsonReader reader, Where where, out long? binarySize, ref SharedPlace place)
    {
        binarySize = null;
        if (BeginParameters(ref reader, where) is { } wrong) return wrong;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (ReadString(ref reader) is not { } name) return NoName(where);
            reader.Read();
            if (name.StartsWith(SharedPlace.Prefix, StringComparison.Ordinal) && ReadPlace(ref reader, name, where, ref place) is { } shared) return shared;
            if (name == "binary_data_size")
            {
                if (ReadWhole(ref reader, name, where, out var size) is { } bad) return bad;
                binarySize = (long)Math.Min(size, long.MaxValue);
            }
            if (!reader.TrySkip()) return OpenInferenceProblems.Invalid("failed to parse the request JSON buffer");
        }
        return null;
    }

    private Problem? ReadOutputParameters(ref Utf8JsonReader reader, Where where, out bool? isBinary, out int classes, ref SharedPlace place)
    {
        isBinary = null;
        classes = 0;
        if (BeginParameters(ref reader, where) is { } wrong) return wrong;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (ReadString(ref reader) is not { } name) return NoName(where);
            reader.Read();
            if (name.StartsWith(SharedPlace.Prefix, StringComparison.Ordinal) && ReadPlace(ref reader, name, where, ref place) is { } shared) return shared;
            if (name == "classification")
            {
                if (ReadWhole(ref reader, name, where, out var wanted) is { } bad) return bad;
                classes = (int)Math.Min(wanted, int.MaxValue);
            }
            if (name == "binary_data")
            {
                if (ReadFlag(ref reader, name, where, out var flag) is { } bad) return bad;
                isBinary = flag;
            }
            if (!reader.TrySkip()) return OpenInferenceProblems.Invalid("failed to parse the request JSON buffer");
        }
        return null;
    }

    private static Problem? BeginParameters(ref Utf8JsonReader reader, Where where)
    {
        reader.Read();
        return reader.TokenType == JsonTokenType.StartObject
            ? null
            : OpenInferenceProblems.Invalid($"'parameters' of {where} {JsonText.Describe(ref reader)}, expected an object");
    }

    private static Problem? ReadFlag(ref Utf8JsonReader reader, string name, Where where, out bool flag)
    {
        flag = reader.TokenType == JsonTokenType.True;
        return flag || reader.TokenType == JsonTokenType.False
            ? null
            : OpenInferenceProblems.Invalid($"Unable to parse '{name}' of {where}: it {JsonText.Describe(ref reader)}, expected true or false");
    }

    private static Problem? ReadWhole(ref Utf8JsonReader reader, string name, Where where, out ulong number)
    {
        number = 0;
        return reader.TokenType == JsonTokenType.Number && reader.TryGetUInt64(out number)
            ? null
            : OpenInferenceProblems.Invalid($"Unable to parse '{name}' of {where}: it {JsonText.Describe(ref reader)}, expected a whole number of at least 0");
    }

    private static Problem NoName(Where where) => OpenInferenceProblems.Invalid($"'parameters' of {where} hold a name that is not valid Unicode text");

    private Problem? ReadPlace(ref Utf8JsonReader reader, string name, Where where, ref SharedPlace place)
    {
        if (tensors.Shared is null) return OpenInferenceProblems.NoSharedMemory(name, where.ToString());
        Problem? wrong = null;
        switch (name)
        {
            case SharedPlace.RegionName:
                place.Region = reader.TokenType == JsonTokenType.String ? ReadString(ref reader) : null;
                if (place.Region is null) wrong = OpenInferenceProblems.Invalid($"Unable to parse '{name}' of {where}, expected a string");
                break;
            case SharedPlace.ByteSizeName:
                wrong = ReadWhole(ref reader, name, where, out var size);
                place.ByteSize = size;
                break;
            case SharedPlace.OffsetName:
                wrong = ReadWhole(ref reader, name, where, out var offset);
                place.Offset = offset;
                break;
        }
        return wrong;
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
        var rank = -1;
        long? binarySize = null;
        var place = default(SharedPlace);
        var hasData = false;
        var index = -1;
        var data = default(Utf8JsonReader);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (JsonText.Is(ref reader, "name"u8))
            {
                // Mostly inputs come in the order of the model; then no text is made.
                var likely = position < tensors.Session.Inputs.Count ? tensors.Session.Inputs[position].Name : "";
                if (ReadText(ref reader, "inputs", position, "name", likely, out name) is { } wrong) return wrong;
            }
            else if (JsonText.Is(ref reader, "datatype"u8))
            {
                if (ReadText(ref reader, "inputs", position, "datatype", "FP32", out datatype) is { } wrong) return wrong;
            }
            else if (JsonText.Is(ref reader, "shape"u8))
            {
                if (ReadShape(ref reader, position, out rank) is { } wrong) return wrong;
            }
            else if (JsonText.Is(ref reader, "parameters"u8))
            {
                if (ReadInputParameters(ref reader, new Where("input", position, name), out binarySize, ref place) is { } wrong) return wrong;
            }
            else if (JsonText.Is(ref reader, "data"u8))
            {
                reader.Read();
                if (reader.TokenType != JsonTokenType.StartArray) return OpenInferenceProblems.Invalid($"inputs[{position}].data {JsonText.Describe(ref reader)}, expected a list");
                if (hasData) return OpenInferenceProblems.Invalid($"inputs[{position}].data is there twice");
                hasData = true;
                if (name is not null && datatype is not null && rank >= 0)
                {
                    // What follows cannot change where the data goes, so it is read at once.
                    if (Allocate(name, datatype, _shape.AsSpan(0, rank), out index) is { } wrong) return wrong;
                    if (_isPlain && NumberList.TryRead(ref reader, _json.FirstSpan, ref _offset, tensors.Call.Inputs[index])) continue;
                    if (TensorData.Read(ref reader, name, tensors.Call.Inputs[index]) is { } bad) return bad;
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
        if (rank < 0) return OpenInferenceProblems.Invalid($"input '{JsonText.Shorten(name)}' has no 'shape'");
        ReadOnlySpan<long> shape = _shape.AsSpan(0, rank);
        if (place.IsGiven)
        {
            if (hasData || binarySize is not null) return OpenInferenceProblems.Invalid($"input '{JsonText.Shorten(name)}' has data in shared memory and in the request");
            return tensors.CheckInput(name, datatype, shape, out index, out var count) ?? tensors.Shared!.Read(place, tensors, index, count, shape);
        }
        if (binarySize is { } size)
        {
            return hasData
                ? OpenInferenceProblems.Invalid($"input '{JsonText.Shorten(name)}' has both 'data' and 'binary_data_size'")
                : ReadBinary(name, datatype, shape, size);
        }
        if (!hasData) return OpenInferenceProblems.Invalid($"input '{JsonText.Shorten(name)}' has no 'data' and no 'binary_data_size'");
        if (index >= 0) return tensors.Session.Inputs[index].Name == name ? null : OpenInferenceProblems.Invalid($"inputs[{position}].name is there twice");
        return Allocate(name, datatype, shape, out index) ?? TensorData.Read(ref data, name, tensors.Call.Inputs[index]);
    }

    private Problem? ReadBinary(string name, string datatype, ReadOnlySpan<long> shape, long size)
    {
        if (!_hasBinary)
        {
            return OpenInferenceProblems.Invalid(
                $"must specify valid '{BodyEncoding.HeaderLength}' in request header and 'binary_data_size' when passing inputs in binary data format");
        }
        if (tensors.CheckInput(name, datatype, shape, out var index, out var count) is { } problem) return problem;
        if (size > _binary.Length)
            return OpenInferenceProblems.Invalid($"unexpected size for input '{name}', expecting {size - _binary.Length} additional bytes for model '{tensors.Model}'");
        var raw = _binary.Slice(0, size);
        _binary = _binary.Slice(size);
        return RawTensor.Read(raw, tensors, index, count, shape);
    }

    private Problem? Allocate(string name, string datatype, ReadOnlySpan<long> shape, out int index)
    {
        if (tensors.CheckInput(name, datatype, shape, out index, out var count) is { } problem) return problem;
        if (tensors.Session.Inputs[index].Type is TensorElementType.Float16 or TensorElementType.BFloat16)
            return OpenInferenceProblems.NotInJson(tensors.Session.Inputs[index].Type, $"input '{name}'");
        if (count > _elementsMax)
            return OpenInferenceProblems.Invalid($"input '{name}' has the shape [{string.Join(',', shape.ToArray())}] of {count} elements, more than the request body holds");
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
            bool? isBinary = null;
            var classes = 0;
            var place = default(SharedPlace);
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (JsonText.Is(ref reader, "name"u8))
                {
                    var likely = i < tensors.Session.Outputs.Count ? tensors.Session.Outputs[i].Name : "";
                    if (ReadText(ref reader, "outputs", i, "name", likely, out name) is { } wrong) return wrong;
                }
                else if (JsonText.Is(ref reader, "parameters"u8))
                {
                    if (ReadOutputParameters(ref reader, new Where("output", i, name), out isBinary, out classes, ref place) is { } wrong) return wrong;
                }
                else
                {
                    Skip(ref reader);
                }
            }
            if (name is null) return OpenInferenceProblems.Invalid($"outputs[{i}] has no 'name'");
            if (tensors.AskFor(name, classes, place) is { } problem) return problem;
            _isBinary.Add(isBinary);
        }
        return null;
    }

    /// <param name="likely">What it probably is: then that text is given, and no new one made.</param>
    private static Problem? ReadText(ref Utf8JsonReader reader, string list, int position, string field, string likely, out string? text)
    {
        text = null;
        reader.Read();
        if (reader.TokenType != JsonTokenType.String) return OpenInferenceProblems.Invalid($"{list}[{position}].{field} {JsonText.Describe(ref reader)}, expected a string");
        text = !reader.ValueIsEscaped && reader.ValueTextEquals(likely) ? likely : ReadString(ref reader);
        return text is null ? OpenInferenceProblems.Invalid($"{list}[{position}].{field} is not valid Unicode text") : null;
    }

    private Problem? ReadShape(ref Utf8JsonReader reader, int position, out int rank)
    {
        rank = -1;
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartArray) return OpenInferenceProblems.Invalid($"inputs[{position}].shape {JsonText.Describe(ref reader)}, expected a list of numbers");
        var read = 0;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out var dimension))
                return OpenInferenceProblems.Invalid($"inputs[{position}].shape[{read}] {JsonText.Describe(ref reader)}, expected a whole number");
            if (read == InferTensors.RankMax) return OpenInferenceProblems.Invalid($"inputs[{position}].shape has more than {InferTensors.RankMax.ToString(CultureInfo.InvariantCulture)} dimensions");
            _shape[read++] = dimension;
        }
        rank = read;
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

    /// <summary>A part of the request, for messages; text is made of it only for one.</summary>
    private readonly record struct Where(string Kind, int Position, string? Name)
    {
        public static Where Request => new("request", -1, null);

        public override string ToString() =>
            Position < 0 ? Kind : Name is null ? $"{Kind}s[{Position}]" : $"{Kind} '{JsonText.Shorten(Name)}'";
    }
}
