using System.Buffers;
using Atoll.Platform.Grpc;
using Atoll.Prediction.OpenInference.Grpc.Messages;
using Atoll.Serving.Onnx;
using Google.Protobuf;
using static Atoll.Platform.Grpc.ProtobufWriter;
using InferOutputTensor = Atoll.Prediction.OpenInference.Grpc.Messages.ModelInferResponse.Types.InferOutputTensor;

namespace Atoll.Prediction.OpenInference.Grpc;

/// <summary>What a model gave, as a <c>ModelInferResponse</c>: tensors go from native memory straight into the response.</summary>
/// <remarks>Written by hand, as <see cref="InferMessage"/> is read; a test compares it with the generated messages.</remarks>
internal sealed class InferAnswer : IDisposable
{
    // One entry {key: "triton_final_response", value: {bool_param: true}} of the map in field 4.
    private static readonly byte[] FinalParameter = [0x22, 27, 0x0A, 21, .. "triton_final_response"u8, 0x12, 2, 0x08, 1];
    private static readonly byte[] MoreParameter = [.. FinalParameter[..^1], 0];

    private readonly List<Output> _outputs = [];
    private InferTensors? _tensors;

    public string Model { get; private set; } = "";

    public string Version { get; private set; } = "";

    public string Id { get; private set; } = "";

    /// <summary>Says whether more answers to this request follow, which those of a stream do; null says nothing.</summary>
    public bool? IsFinalOfStream { get; init; }

    /// <summary>The tensors stay their owner's, for another answer.</summary>
    public bool KeepsTensors { get; init; }

    /// <summary>Makes it the answer to a request.</summary>
    /// <param name="tensors">After the run; they are disposed with the answer. Null for an answer without outputs.</param>
    public InferAnswer Begin(string model, string version, string id, InferTensors? tensors)
    {
        (Model, Version, Id, _tensors) = (model, version, id, tensors);
        for (var i = 0; i < tensors?.OutputCount; i++)
        {
            var index = tensors.OutputAt(i);
            _outputs.Add(new Output(tensors.Session.Outputs[index].Name, tensors.Call.Outputs[index], ParametersOf(tensors, index)));
        }
        return this;
    }

    public long Size()
    {
        var size = SizeOfString(Model) + SizeOfString(Version) + SizeOfString(Id) + (IsFinalOfStream is null ? 0 : FinalParameter.Length);
        foreach (var output in _outputs) size += SizeOfBytes(output.DescriptionSize) + SizeOfBytes(output.RawSize);
        return size;
    }

    public void WriteTo(IBufferWriter<byte> bytes)
    {
        WriteString(bytes, 1, Model);
        WriteString(bytes, 2, Version);
        WriteString(bytes, 3, Id);
        if (IsFinalOfStream is { } isFinal) bytes.Write(isFinal ? FinalParameter : MoreParameter);
        foreach (var output in _outputs)
        {
            WriteLength(bytes, 5, output.DescriptionSize);
            output.WriteDescription(bytes);
        }
        foreach (var output in _outputs)
        {
            WriteLength(bytes, 6, output.RawSize);
            output.WriteRaw(bytes);
        }
    }

    public void Dispose()
    {
        foreach (var output in _outputs) output.Dispose();
        _outputs.Clear();
        if (!KeepsTensors) _tensors?.Dispose();
        _tensors = null;
    }

    /// <summary>What says where in shared memory an output is; null for one that is in the answer itself.</summary>
    private static byte[]? ParametersOf(InferTensors tensors, int index) => tensors.Shared?.PlaceOf(index) is not { } place ? null : new InferOutputTensor
    {
        Parameters =
        {
            [SharedPlace.RegionName] = new InferParameter { StringParam = place.Region },
            [SharedPlace.ByteSizeName] = new InferParameter { Int64Param = (long)place.ByteSize },
            [SharedPlace.OffsetName] = new InferParameter { Int64Param = (long)place.Offset },
        },
    }.ToByteArray();

    /// <summary>One tensor of the answer.</summary>
    private readonly struct Output : IDisposable
    {
        private readonly string _name;
        private readonly string _datatype;
        private readonly OnnxTensor _tensor;
        private readonly OnnxStrings? _strings;
        private readonly long _shapeSize;
        private readonly byte[]? _parameters;

        /// <param name="parameters">Of an output that is not in the answer; its entry among the raw ones is empty, as clients count them.</param>
        public Output(string name, OnnxTensor tensor, byte[]? parameters)
        {
            _parameters = parameters;
            _name = name;
            _tensor = tensor;
            _datatype = Datatypes.NameOf(tensor.ElementType);
            foreach (var dimension in tensor.Shape) _shapeSize += SizeOfVarint((ulong)dimension);
            DescriptionSize = SizeOfString(name) + SizeOfString(_datatype) + (_shapeSize == 0 ? 0 : SizeOfBytes(_shapeSize)) + (parameters?.Length ?? 0);
            if (parameters is not null) return;
            if (tensor.ElementType == TensorElementType.String)
            {
                _strings = tensor.ReadStrings();
                RawSize = _strings.Bytes + ((long)_strings.Count * sizeof(int));
            }
            else
            {
                RawSize = tensor.Bytes().Length;
            }
        }

        public long DescriptionSize { get; }

        public long RawSize { get; }

        public void WriteDescription(IBufferWriter<byte> bytes)
        {
            WriteString(bytes, 1, _name);
            WriteString(bytes, 2, _datatype);
            if (_shapeSize > 0) WriteLength(bytes, 3, _shapeSize);
            foreach (var dimension in _tensor.Shape) WriteVarint(bytes, (ulong)dimension);
            bytes.Write(_parameters);
        }

        public void WriteRaw(IBufferWriter<byte> bytes)
        {
            if (_parameters is not null) return;
            if (_strings is null)
            {
                bytes.Write(_tensor.Bytes());
                return;
            }
            for (var i = 0; i < _strings.Count; i++)
            {
                var element = _strings[i];
                WriteInt32LittleEndian(bytes, element.Length);
                bytes.Write(element);
            }
        }

        public void Dispose() => _strings?.Dispose();
    }
}

/// <summary>A <c>ModelStreamInferResponse</c>: an answer, or what was wrong with a request.</summary>
/// <param name="Answer">Null when something was wrong.</param>
/// <param name="RequestId">Tells the client which of its requests this is about.</param>
internal sealed record StreamAnswer(InferAnswer? Answer, string ErrorMessage, string RequestId) : IDisposable
{
    private PooledBuffer? _written;

    /// <summary>Writes it now, so that its tensors are not needed any more when it can be sent.</summary>
    public void Detach()
    {
        var size = Size();
        if (size > Array.MaxLength) throw GrpcFailures.AnswerTooLarge(size);
        var written = new PooledBuffer();
        try
        {
            written.GetSpan((int)size);
            WriteTo(written);
        }
        catch
        {
            written.Dispose();
            throw;
        }
        _written = written;
        Answer?.Dispose();
    }

    public long Size() => _written?.Length ?? SizeOfString(ErrorMessage) + SizeOfBytes(InnerSize());

    public void WriteTo(IBufferWriter<byte> bytes)
    {
        if (_written is not null)
        {
            bytes.Write(_written.Written.Span);
            return;
        }
        WriteString(bytes, 1, ErrorMessage);
        WriteLength(bytes, 2, InnerSize());
        if (Answer is not null) Answer.WriteTo(bytes);
        else WriteString(bytes, 3, RequestId);
    }

    public void Dispose()
    {
        Answer?.Dispose();
        _written?.Dispose();
        _written = null;
    }

    private long InnerSize() => Answer?.Size() ?? SizeOfString(RequestId);
}
