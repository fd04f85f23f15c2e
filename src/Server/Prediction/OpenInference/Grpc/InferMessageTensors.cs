using System.Buffers;
using Atoll.Platform.Grpc;
using Atoll.Platform.Http;
using Atoll.Prediction.OpenInference.Grpc.Messages;
using Atoll.Serving.Onnx;

namespace Atoll.Prediction.OpenInference.Grpc;

/// <summary>Brings the tensors of a message into those of a model. Everything is checked before the model sees it.</summary>
internal static class InferMessageTensors
{
    /// <summary>Reads and checks; null when the model can run.</summary>
    /// <exception cref="RpcException">The message is malformed.</exception>
    public static Problem? Read(InferMessage message, InferTensors tensors)
    {
        foreach (var entry in message.Parameters)
        {
            var name = KeyOf(entry);
            if (name.StartsWith("triton_", StringComparison.Ordinal) && name != "triton_enable_empty_final_response")
                return OpenInferenceProblems.Invalid($"parameter '{JsonText.Shorten(name)}' uses a reserved prefix 'triton_'");
        }
        var raw = 0;
        for (var i = 0; i < message.Inputs.Count; i++)
        {
            if (ReadInput(message, i, ref raw, tensors) is { } problem) return problem;
        }
        if (message.RawInputs.Count > raw)
            return OpenInferenceProblems.Invalid($"expected {raw} entries of raw_input_contents, got {message.RawInputs.Count} for model '{tensors.Model}'");
        foreach (var output in message.Outputs)
        {
            if (ReadOutput(output, tensors) is { } problem) return problem;
        }
        return tensors.CheckComplete();
    }

    private static Problem? ReadInput(InferMessage message, int position, ref int raw, InferTensors tensors)
    {
        string name = "", datatype = "";
        Span<long> dimensions = stackalloc long[InferTensors.RankMax];
        var rank = 0;
        var hasContents = false;
        string? unsupported = null;
        var place = default(SharedPlace);
        var reader = new ProtobufReader(message.Inputs[position]);
        while (reader.Next())
        {
            if (reader.Is(1, WireType.Bytes)) name = reader.ReadString(position < tensors.Session.Inputs.Count ? tensors.Session.Inputs[position].Name : "");
            else if (reader.Is(2, WireType.Bytes)) datatype = reader.ReadString("FP32");
            else if (reader.Is(3, WireType.Varint)) Add((long)reader.ReadVarint(), dimensions, ref rank);
            else if (reader.Is(3, WireType.Bytes)) AddAll(reader.ReadBytes(), dimensions, ref rank);
            else if (reader.Is(4, WireType.Bytes)) unsupported = ReadPlace(reader.ReadBytes(), tensors, ref place) ?? unsupported;
            else if (reader.Is(5, WireType.Bytes)) hasContents |= !reader.ReadBytes().IsEmpty;
            else reader.Skip();
        }
        if (rank > InferTensors.RankMax) return OpenInferenceProblems.Invalid($"input '{JsonText.Shorten(name)}' has more than {InferTensors.RankMax} dimensions");
        if (unsupported is not null) return NoPlace(unsupported, $"input '{JsonText.Shorten(name)}'", tensors);
        var shape = dimensions[..rank];
        if (tensors.CheckInput(name, datatype, shape, out var index, out var count) is { } problem) return problem;
        if (place.IsGiven)
        {
            return hasContents
                ? OpenInferenceProblems.Invalid($"input '{name}' has data in shared memory and in the request")
                : tensors.Shared!.Read(place, tensors, index, count, shape);
        }
        if (message.RawInputs.Count == 0) return ReadContents(message.Inputs[position], tensors, index, count, shape);
        if (hasContents)
            return OpenInferenceProblems.Invalid($"contents field must not be specified when using raw_input_contents for '{name}' for model '{tensors.Model}'");
        return raw < message.RawInputs.Count
            ? RawTensor.Read(message.RawInputs[raw++], tensors, index, count, shape)
            : OpenInferenceProblems.Invalid($"unable to find data for input tensor '{name}' for model '{tensors.Model}' in request");
    }

    private static Problem? ReadOutput(ReadOnlySequence<byte> output, InferTensors tensors)
    {
        var name = "";
        long classes = 0;
        string? unsupported = null;
        var place = default(SharedPlace);
        var reader = new ProtobufReader(output);
        while (reader.Next())
        {
            if (reader.Is(1, WireType.Bytes))
            {
                name = reader.ReadString();
            }
            else if (reader.Is(2, WireType.Bytes) && reader.ReadBytes() is var entry && KeyOf(entry) is var key)
            {
                if (key == "classification") classes = InferParameters.Read(entry) is { ParameterChoiceCase: InferParameter.ParameterChoiceOneofCase.Int64Param, Int64Param: >= 0 and var wanted } ? wanted : -1;
                unsupported = ReadPlace(entry, tensors, ref place) ?? unsupported;
            }
            else
            {
                reader.Skip();
            }
        }
        if (unsupported is not null) return NoPlace(unsupported, $"output '{JsonText.Shorten(name)}'", tensors);
        return classes < 0
            ? OpenInferenceProblems.Invalid($"unable to parse 'classification' of output '{JsonText.Shorten(name)}', expected an int64_param of at least 0")
            : tensors.AskFor(name, (int)Math.Min(classes, int.MaxValue), place);
    }

    /// <summary>Takes a parameter of shared memory; others are let pass.</summary>
    /// <returns>Its name when it cannot be taken.</returns>
    private static string? ReadPlace(ReadOnlySequence<byte> entry, InferTensors tensors, ref SharedPlace place)
    {
        var key = KeyOf(entry);
        if (!key.StartsWith(SharedPlace.Prefix, StringComparison.Ordinal)) return null;
        if (tensors.Shared is null) return key;
        var value = InferParameters.Read(entry);
        ulong? number = value switch
        {
            { ParameterChoiceCase: InferParameter.ParameterChoiceOneofCase.Int64Param, Int64Param: >= 0 } => (ulong)value.Int64Param,
            { ParameterChoiceCase: InferParameter.ParameterChoiceOneofCase.Uint64Param } => value.Uint64Param,
            _ => null,
        };
        switch (key)
        {
            case SharedPlace.RegionName:
                place.Region = value.ParameterChoiceCase == InferParameter.ParameterChoiceOneofCase.StringParam ? value.StringParam : null;
                return place.Region is null ? key : null;
            case SharedPlace.ByteSizeName:
                place.ByteSize = number;
                return number is null ? key : null;
            case SharedPlace.OffsetName:
                place.Offset = number;
                return number is null ? key : null;
            default:
                return null;
        }
    }

    private static Problem NoPlace(string parameter, string where, InferTensors tensors) => tensors.Shared is null
        ? OpenInferenceProblems.NoSharedMemory(parameter, where)
        : OpenInferenceProblems.Invalid($"unable to parse '{JsonText.Shorten(parameter)}' of {where}, expected {(parameter == SharedPlace.RegionName ? "a string_param" : "an int64_param of at least 0")}");

    /// <summary>The key of an entry of parameters. The value is walked over, so that a malformed one does not pass.</summary>
    public static string KeyOf(ReadOnlySequence<byte> entry)
    {
        var key = "";
        var reader = new ProtobufReader(entry);
        while (reader.Next())
        {
            if (reader.Is(1, WireType.Bytes)) key = reader.ReadString();
            else if (reader.Is(2, WireType.Bytes)) CheckParameter(reader.ReadBytes());
            else reader.Skip();
        }
        return key;
    }

    private static void CheckParameter(ReadOnlySequence<byte> value)
    {
        var reader = new ProtobufReader(value);
        while (reader.Next())
        {
            if (reader.Is(3, WireType.Bytes)) reader.ReadString();
            else reader.Skip();
        }
    }

    private static void AddAll(ReadOnlySequence<byte> packed, Span<long> dimensions, ref int rank)
    {
        var numbers = new PackedNumbers(packed);
        while (numbers.TryRead(out var dimension)) Add((long)dimension, dimensions, ref rank);
    }

    private static void Add(long dimension, Span<long> dimensions, ref int rank)
    {
        if (rank < dimensions.Length) dimensions[rank] = dimension;
        rank++;
    }

    /// <summary>Reads the typed form: once to count, once to fill.</summary>
    private static Problem? ReadContents(ReadOnlySequence<byte> message, InferTensors tensors, int index, long count, ReadOnlySpan<long> shape)
    {
        var input = tensors.Session.Inputs[index];
        var counter = new ContentsWalk(input.Type, null);
        counter.Walk(message);
        if (counter.Field == 0)
            return OpenInferenceProblems.Invalid($"input '{input.Name}' has the datatype {Datatypes.NameOf(input.Type)}, which contents cannot hold; send raw_input_contents");
        if (counter.Count != count || counter.Others > 0)
        {
            return OpenInferenceProblems.Invalid(
                $"unexpected explicit tensor data for input tensor '{input.Name}' for model '{tensors.Model}': expected {count} elements of {Datatypes.NameOf(input.Type)}, got {counter.Count}"
                + (counter.Others > 0 ? $" and {counter.Others} of another type" : ""));
        }
        var filler = new ContentsWalk(input.Type, tensors.Allocate(index, shape));
        filler.Walk(message);
        return filler.IsOutOfRange
            ? OpenInferenceProblems.Invalid($"input tensor '{input.Name}' for model '{tensors.Model}' has a value that is out of the range of {Datatypes.NameOf(input.Type)}")
            : null;
    }

    /// <summary>Goes over the <c>contents</c> of an input and counts its elements, or puts them into a tensor.</summary>
    private ref struct ContentsWalk(TensorElementType type, OnnxTensor? tensor)
    {
        private const int BytesField = 8;

        /// <summary>The field that holds elements of this type; 0 when there is none.</summary>
        public int Field { get; } = type switch
        {
            TensorElementType.Bool => 1,
            TensorElementType.Int8 or TensorElementType.Int16 or TensorElementType.Int32 => 2,
            TensorElementType.Int64 => 3,
            TensorElementType.UInt8 or TensorElementType.UInt16 or TensorElementType.UInt32 => 4,
            TensorElementType.UInt64 => 5,
            TensorElementType.Float => 6,
            TensorElementType.Double => 7,
            TensorElementType.String => BytesField,
            _ => 0,
        };

        public long Count { get; private set; }

        /// <summary>Fields that hold elements of other types.</summary>
        public long Others { get; private set; }

        public bool IsOutOfRange { get; private set; }

        public void Walk(ReadOnlySequence<byte> input)
        {
            var outer = new ProtobufReader(input);
            while (outer.Next())
            {
                if (outer.Is(5, WireType.Bytes)) WalkContents(outer.ReadBytes());
                else outer.Skip();
            }
        }

        private void WalkContents(ReadOnlySequence<byte> contents)
        {
            var reader = new ProtobufReader(contents);
            while (reader.Next())
            {
                var single = reader.Field switch { >= 1 and <= 5 => WireType.Varint, 6 => WireType.Fixed32, 7 => WireType.Fixed64, _ => WireType.Bytes };
                if (reader.Field > BytesField || (reader.Type != single && reader.Type != WireType.Bytes))
                {
                    reader.Skip();
                }
                else if (reader.Field == BytesField)
                {
                    var text = reader.ReadBytes();
                    if (Field != BytesField) Others++;
                    else Put(text);
                }
                else if (reader.Type == WireType.Bytes)
                {
                    WalkPacked(reader.ReadBytes(), reader.Field, single);
                }
                else
                {
                    var value = single switch { WireType.Varint => reader.ReadVarint(), WireType.Fixed32 => reader.ReadFixed32(), _ => reader.ReadFixed64() };
                    if (reader.Field != Field) Others++;
                    else Put(value);
                }
            }
        }

        private void WalkPacked(ReadOnlySequence<byte> packed, int field, WireType single)
        {
            if (single == WireType.Varint)
            {
                var numbers = new PackedNumbers(packed);
                while (numbers.TryRead(out var number))
                {
                    if (field != Field) Others++;
                    else Put(number);
                }
                return;
            }
            var size = single == WireType.Fixed32 ? sizeof(uint) : sizeof(ulong);
            if (packed.Length % size != 0) throw ProtobufReader.Malformed("it ends too early");
            var count = packed.Length / size;
            if (field != Field)
            {
                Others += count;
                return;
            }
            if (tensor is not null) packed.CopyTo(tensor.Bytes().Slice((int)Count * size));
            Count += count;
        }

        private void Put(in ReadOnlySequence<byte> text)
        {
            if (tensor is not null) RawTensor.SetUtf8(tensor, (int)Count, text);
            Count++;
        }

        private void Put(ulong value)
        {
            var i = (int)Count++;
            if (tensor is null) return;
            switch (type)
            {
                case TensorElementType.Bool: tensor.Span<bool>()[i] = value != 0; break;
                case TensorElementType.Int8: tensor.Span<sbyte>()[i] = (sbyte)Checked((int)value, sbyte.MinValue, sbyte.MaxValue); break;
                case TensorElementType.Int16: tensor.Span<short>()[i] = (short)Checked((int)value, short.MinValue, short.MaxValue); break;
                case TensorElementType.Int32: tensor.Span<int>()[i] = (int)value; break;
                case TensorElementType.Int64: tensor.Span<long>()[i] = (long)value; break;
                case TensorElementType.UInt8: tensor.Span<byte>()[i] = (byte)Checked((uint)value, 0, byte.MaxValue); break;
                case TensorElementType.UInt16: tensor.Span<ushort>()[i] = (ushort)Checked((uint)value, 0, ushort.MaxValue); break;
                case TensorElementType.UInt32: tensor.Span<uint>()[i] = (uint)value; break;
                case TensorElementType.UInt64: tensor.Span<ulong>()[i] = value; break;
                case TensorElementType.Float: tensor.Span<float>()[i] = BitConverter.UInt32BitsToSingle((uint)value); break;
                default: tensor.Span<double>()[i] = BitConverter.UInt64BitsToDouble(value); break;
            }
        }

        private long Checked(long value, long min, long max)
        {
            if (value < min || value > max) IsOutOfRange = true;
            return value;
        }
    }

    /// <summary>Numbers one after the other, as repeated fields hold them.</summary>
    private ref struct PackedNumbers(ReadOnlySequence<byte> packed)
    {
        private ProtobufReader _reader = new(packed);

        public bool TryRead(out ulong number)
        {
            number = 0;
            if (_reader.IsAtEnd) return false;
            number = _reader.ReadVarint();
            return true;
        }
    }
}
