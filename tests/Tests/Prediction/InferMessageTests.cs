using System.Buffers;
using Atoll.Platform.Grpc;
using Atoll.Prediction.OpenInference;
using Atoll.Prediction.OpenInference.Grpc;
using Atoll.Prediction.OpenInference.Grpc.Messages;
using Atoll.Serving.Onnx;
using Google.Protobuf;
using InputTensor = Atoll.Prediction.OpenInference.Grpc.Messages.ModelInferRequest.Types.InferInputTensor;
using RequestedOutput = Atoll.Prediction.OpenInference.Grpc.Messages.ModelInferRequest.Types.InferRequestedOutputTensor;

namespace Atoll.Tests.Prediction;

/// <summary>The parser and the writer that were written by hand agree with the generated messages.</summary>
public sealed class InferMessageTests : IDisposable
{
    private static readonly (string Name, TensorElementType Type, string Datatype)[] Types =
    [
        ("b", TensorElementType.Bool, "BOOL"), ("i8", TensorElementType.Int8, "INT8"), ("i64", TensorElementType.Int64, "INT64"), ("u32", TensorElementType.UInt32, "UINT32"),
        ("u64", TensorElementType.UInt64, "UINT64"), ("f32", TensorElementType.Float, "FP32"), ("f64", TensorElementType.Double, "FP64"), ("s", TensorElementType.String, "BYTES"),
    ];

    /// <summary>What the format forbids and the generated parser of this language lets pass: in texts, and in entries of maps.</summary>
    private static readonly string[] Stricter = ["not UTF-8", "unknown form"];

    private readonly OnnxSession _session = OnnxSession.Load(PredictionModels.Echo(Types).Onnx);
    private readonly int _seed = Environment.TickCount;
    private readonly Random _random;

    public InferMessageTests()
    {
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {_seed}");
        _random = new Random(_seed);
    }

    public void Dispose() => _session.Dispose();

    [Fact]
    public void The_parser_reads_what_the_generated_one_reads()
    {
        for (var i = 0; i < Math.Max(2_000, ModelImports.ModelFileFuzzTests.Rounds); i++)
        {
            var request = Make(sound: true);
            var bytes = Shuffle(request);
            Assert.Equal(request, ModelInferRequest.Parser.ParseFrom(bytes));
            Compare(request, bytes, $"seed {_seed}, try {i}");
        }
    }

    [Fact]
    public void The_parser_refuses_what_the_generated_one_refuses()
    {
        int refused = 0, read = 0;
        for (var i = 0; i < 20_000; i++)
        {
            var bytes = Spoil(Make(sound: false).ToByteArray());
            ModelInferRequest? expected = null;
            try
            {
                expected = ModelInferRequest.Parser.ParseFrom(bytes);
                read++;
            }
            catch (InvalidProtocolBufferException)
            {
                refused++;
            }
            Compare(expected, bytes, $"seed {_seed}, try {i}: {Convert.ToHexString(bytes)}");
        }

        // Both kinds were tried.
        Assert.True(refused > 1000 && read > 1000, $"{refused} refused, {read} read");
    }

    /// <summary>Tensors of a model out of both parsers are equal; or both refuse.</summary>
    private void Compare(ModelInferRequest? expected, byte[] bytes, string where)
    {
        InferMessage message;
        using var tensors = new InferTensors().Begin("m", _session);
        try
        {
            message = InferMessage.Read(Cut(bytes));

            // Inner messages are read when their tensor is wanted, which a request that is refused before may never be.
            if (InferMessageTensors.Read(message, tensors) is not null)
            {
                if (expected is not null) Assert.False(IsSound(expected), where);
                return;
            }
        }
        catch (RpcException failure)
        {
            Assert.Equal(StatusCode.InvalidArgument, failure.Status.StatusCode);
            Assert.True(expected is null || Stricter.Any(failure.Message.Contains), $"{failure.Message} {where}");
            return;
        }
        Assert.True(expected is not null, $"Only the generated parser refuses. {where}");
        Assert.Equal((expected.ModelName, expected.ModelVersion, expected.Id), (message.ModelName, message.ModelVersion, message.Id));
        Assert.Equal(expected.Outputs.Select(output => output.Name), expected.Outputs.Select((_, i) => _session.Outputs[tensors.OutputAt(i)].Name));
        for (var i = 0; i < expected.Inputs.Count; i++)
        {
            var input = expected.Inputs[i];
            var tensor = tensors.Call.Inputs[_session.IndexOfInput(input.Name)];
            Assert.Equal(input.Shape, tensor.Shape);
            var raw = expected.RawInputContents.Count > 0 ? expected.RawInputContents[i].ToByteArray() : RawOf(input);

            // Whatever is true is one.
            if (tensor.ElementType == TensorElementType.Bool) raw = [.. raw.Select(one => (byte)(one == 0 ? 0 : 1))];
            Assert.True(raw.AsSpan().SequenceEqual(RawOf(tensor)), $"{input.Name} {where}");
        }
    }

    [Fact]
    public void The_writer_writes_what_the_generated_parser_reads()
    {
        for (var i = 0; i < 300; i++)
        {
            var rows = _random.Next(4);
            var tensors = new InferTensors().Begin("m", _session);
            var asked = _random.Next(2) == 0 ? Types.OrderBy(_ => _random.Next()).Take(_random.Next(1, Types.Length)).ToArray() : Types;
            if (asked != Types) foreach (var (name, _, _) in asked) Assert.Null(tensors.AskFor(name + "_out"));
            var outputs = Types.Select(type => TensorOf(type.Type, rows)).ToArray();
            for (var t = 0; t < Types.Length; t++) _ = tensors.Allocate(t, [rows, 2]);
            tensors.Call.Run();
            for (var t = 0; t < Types.Length; t++) tensors.Call.Replace(t, outputs[t]);
            using var answer = new InferAnswer { IsFinalOfStream = (i % 3) switch { 0 => true, 1 => false, _ => null } }.Begin("modél", $"{_random.Next()}", i % 2 == 0 ? "" : $"id{i}", tensors);
            var bytes = new ArrayBufferWriter<byte>();
            answer.WriteTo(bytes);
            Assert.Equal(bytes.WrittenCount, answer.Size());
            var expected = new ModelInferResponse { ModelName = answer.Model, ModelVersion = answer.Version, Id = answer.Id };
            if (answer.IsFinalOfStream is { } isFinal) expected.Parameters["triton_final_response"] = new InferParameter { BoolParam = isFinal };
            foreach (var (name, _, datatype) in asked)
            {
                expected.Outputs.Add(new ModelInferResponse.Types.InferOutputTensor { Name = name + "_out", Datatype = datatype, Shape = { rows, 2 } });
                expected.RawOutputContents.Add(ByteString.CopyFrom(RawOf(outputs[Array.FindIndex(Types, type => type.Name == name)])));
            }
            Assert.Equal(expected.ToByteArray(), bytes.WrittenSpan.ToArray());

            var streamed = new StreamAnswer(answer, "", answer.Id);
            bytes.ResetWrittenCount();
            streamed.WriteTo(bytes);
            Assert.Equal(bytes.WrittenCount, streamed.Size());
            Assert.Equal(new ModelStreamInferResponse { InferResponse = expected }.ToByteArray(), bytes.WrittenSpan.ToArray());
            var failed = new StreamAnswer(null, "wröng", answer.Id);
            bytes.ResetWrittenCount();
            failed.WriteTo(bytes);
            Assert.Equal(bytes.WrittenCount, failed.Size());
            Assert.Equal(new ModelStreamInferResponse { ErrorMessage = "wröng", InferResponse = new ModelInferResponse { Id = answer.Id } }.ToByteArray(), bytes.WrittenSpan.ToArray());
        }
    }

    [Fact]
    public void Texts_that_are_not_utf8_are_refused()
    {
        foreach (var field in (int[])[1, 2, 3])
        {
            Assert.NotNull(InferMessage.Read(new ReadOnlySequence<byte>([(byte)((field << 3) | 2), 2, 0xC3, 0xA9])));
            Assert.Throws<RpcException>(() => InferMessage.Read(new ReadOnlySequence<byte>([(byte)((field << 3) | 2), 2, 0xC3, 0x28])));
        }
    }

    [Fact]
    public void Groups_that_nest_without_end_are_refused()
    {
        foreach (var depth in (int[])[50, 99])
            Assert.NotNull(InferMessage.Read(new ReadOnlySequence<byte>([.. Enumerable.Repeat((byte)0x7B, depth), .. Enumerable.Repeat((byte)0x7C, depth)])));
        Assert.Throws<RpcException>(() => InferMessage.Read(new ReadOnlySequence<byte>(Enumerable.Repeat((byte)0x7B, 1_000_000).ToArray())));
    }

    private ModelInferRequest Make(bool sound)
    {
        var rows = _random.Next(3);
        var raw = _random.Next(2) == 0;
        var request = new ModelInferRequest { ModelName = Text(), ModelVersion = Text(), Id = Text() };
        for (var i = _random.Next(3); i > 0; i--) request.Parameters[Text()] = Parameter();
        foreach (var (name, type, datatype) in Types.OrderBy(_ => _random.Next()))
        {
            var input = new InputTensor { Name = name, Datatype = datatype, Shape = { rows, 2 } };
            if (_random.Next(3) == 0) input.Parameters[Text()] = Parameter();
            using var tensor = TensorOf(type, rows);
            if (raw) request.RawInputContents.Add(ByteString.CopyFrom(RawOf(tensor)));
            else input.Contents = ContentsOf(tensor);
            request.Inputs.Add(input);
        }
        foreach (var (name, _, _) in Types.Where(_ => _random.Next(3) == 0)) request.Outputs.Add(new RequestedOutput { Name = name + "_out" });
        if (!sound && _random.Next(3) == 0) request.Inputs.RemoveAt(0);
        return request;
    }

    /// <summary>The fields in another order, with unknown ones between; packed numbers now and then one by one.</summary>
    private byte[] Shuffle(ModelInferRequest request)
    {
        var parts = new List<(int Order, byte[] Bytes)>();

        // Fields of one name keep their order among themselves.
        foreach (var (name, version, id) in (ReadOnlySpan<(string, string, string)>)[(request.ModelName, request.ModelVersion, request.Id)])
        {
            Add(new ModelInferRequest { ModelName = "overwritten" }.ToByteArray(), -1);
            Add(new ModelInferRequest { ModelName = name }.ToByteArray(), _random.Next(1000));
            if (name.Length == 0) Add([0x0A, 0], 1000);
            Add(new ModelInferRequest { ModelVersion = version }.ToByteArray(), _random.Next(1000));
            Add(new ModelInferRequest { Id = id }.ToByteArray(), _random.Next(1000));
        }
        foreach (var (key, value) in request.Parameters) Add(new ModelInferRequest { Parameters = { [key] = value } }.ToByteArray(), _random.Next(1000));
        for (var i = 0; i < request.Inputs.Count; i++) Add(new ModelInferRequest { Inputs = { request.Inputs[i] } }.ToByteArray(), 100 * i);
        for (var i = 0; i < request.Outputs.Count; i++) Add(new ModelInferRequest { Outputs = { request.Outputs[i] } }.ToByteArray(), (100 * i) + 33);
        for (var i = 0; i < request.RawInputContents.Count; i++) Add(new ModelInferRequest { RawInputContents = { request.RawInputContents[i] } }.ToByteArray(), (100 * i) + 66);
        return [.. parts.OrderBy(part => part.Order).SelectMany(part => part.Bytes)];

        void Add(byte[] bytes, int order) => parts.Add((order, bytes));
    }

    private byte[] Spoil(byte[] bytes)
    {
        if (bytes.Length == 0) return bytes;
        switch (_random.Next(4))
        {
            case 0: return bytes[.._random.Next(bytes.Length)];
            case 1: bytes[_random.Next(bytes.Length)] = (byte)_random.Next(256); return bytes;
            case 2: bytes[_random.Next(bytes.Length)] ^= (byte)(1 << _random.Next(8)); return bytes;
            default:
                var at = _random.Next(bytes.Length);
                var inserted = new byte[_random.Next(1, 4)];
                _random.NextBytes(inserted);
                return [.. bytes[..at], .. inserted, .. bytes[at..]];
        }
    }

    /// <summary>Memory as the server's pipes have it: in pieces.</summary>
    private ReadOnlySequence<byte> Cut(byte[] bytes)
    {
        if (bytes.Length < 2 || _random.Next(2) == 0) return new ReadOnlySequence<byte>(bytes);
        Piece first = new(bytes.AsMemory(0, 1)), last = first;
        for (var at = 1; at < bytes.Length;)
        {
            var length = Math.Min(_random.Next(1, 40), bytes.Length - at);
            last = last.Append(bytes.AsMemory(at, length));
            at += length;
        }
        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    /// <summary>True when nothing but bytes that mean nothing differs from a request that the model takes.</summary>
    private static bool IsSound(ModelInferRequest request) =>
        request.Inputs.Count == Types.Length
        && request.Inputs.Select(input => input.Name).ToHashSet().SetEquals(Types.Select(type => type.Name))
        && request.Inputs.All(input => Types.Single(type => type.Name == input.Name).Datatype == input.Datatype)
        && request.Inputs.All(input => input.Shape.Count == 2 && input.Shape[1] == 2 && input.Shape[0] is >= 0 and < 3 && input.Shape[0] == request.Inputs[0].Shape[0])
        && request.Inputs.All(input => !input.Parameters.Keys.Any(key => key.StartsWith("shared_memory", StringComparison.Ordinal)))
        && !request.Parameters.Keys.Any(key => key.StartsWith("triton_", StringComparison.Ordinal))
        && request.Outputs.All(output => output.Parameters.Count == 0 && Types.Any(type => type.Name + "_out" == output.Name))
        && request.Outputs.Select(output => output.Name).Distinct().Count() == request.Outputs.Count
        && (request.RawInputContents.Count == 0
            ? request.Inputs.All(input => ElementsOf(input) == input.Shape[0] * 2)
            : request.RawInputContents.Count == request.Inputs.Count && request.Inputs.All(input => input.Contents is null || input.Contents.CalculateSize() == 0)
                && request.Inputs.Zip(request.RawInputContents).All(pair => IsWhole(pair.First, pair.Second.Span)));

    private static bool IsWhole(InputTensor input, ReadOnlySpan<byte> raw)
    {
        var type = Types.Single(one => one.Name == input.Name).Type;
        if (type != TensorElementType.String) return raw.Length == input.Shape[0] * 2 * TensorElements.Size(type);
        for (var i = 0; i < input.Shape[0] * 2; i++)
        {
            if (raw.Length < 4 || BitConverter.ToUInt32(raw) > raw.Length - 4) return false;
            raw = raw[(4 + BitConverter.ToInt32(raw))..];
        }
        return raw.IsEmpty;
    }

    /// <summary>Elements of the right type within its range; -1 when there are others.</summary>
    private static long ElementsOf(InputTensor input)
    {
        var all = input.Contents ?? new InferTensorContents();
        long others = all.BoolContents.Count + all.IntContents.Count + all.Int64Contents.Count + all.UintContents.Count + all.Uint64Contents.Count
            + all.Fp32Contents.Count + all.Fp64Contents.Count + all.BytesContents.Count;
        var own = input.Datatype switch
        {
            "BOOL" => all.BoolContents.Count,
            "INT8" => all.IntContents.All(value => value is >= -128 and <= 127) ? all.IntContents.Count : -1,
            "INT64" => all.Int64Contents.Count,
            "UINT32" => all.UintContents.Count,
            "UINT64" => all.Uint64Contents.Count,
            "FP32" => all.Fp32Contents.Count,
            "FP64" => all.Fp64Contents.Count,
            _ => all.BytesContents.Count,
        };
        return own == others ? own : -1;
    }

    private string Text() => new(Enumerable.Range(0, _random.Next(5)).Select(_ => "aé漢z"[_random.Next(4)]).ToArray());

    private InferParameter Parameter() => _random.Next(5) switch
    {
        0 => new InferParameter { BoolParam = true },
        1 => new InferParameter { Int64Param = _random.NextInt64() },
        2 => new InferParameter { StringParam = Text() },
        3 => new InferParameter { DoubleParam = _random.NextDouble() },
        _ => new InferParameter { Uint64Param = 1 },
    };

    private OnnxTensor TensorOf(TensorElementType type, int rows)
    {
        var tensor = OnnxTensor.Allocate(type, rows, 2);
        for (var i = 0; i < tensor.Count; i++)
        {
            var element = new byte[type == TensorElementType.String ? _random.Next(200) : TensorElements.Size(type)];
            _random.NextBytes(element);
            if (type == TensorElementType.Bool) element[0] &= 1;
            if (type == TensorElementType.String) tensor.SetUtf8(i, element);
            else element.CopyTo(tensor.Bytes()[(i * element.Length)..]);
        }
        return tensor;
    }

    private static InferTensorContents ContentsOf(OnnxTensor tensor)
    {
        var contents = new InferTensorContents();
        for (var i = 0; i < tensor.Count; i++)
        {
            switch (tensor.ElementType)
            {
                case TensorElementType.Bool: contents.BoolContents.Add(tensor.Span<bool>()[i]); break;
                case TensorElementType.Int8: contents.IntContents.Add(tensor.Span<sbyte>()[i]); break;
                case TensorElementType.Int64: contents.Int64Contents.Add(tensor.Span<long>()[i]); break;
                case TensorElementType.UInt32: contents.UintContents.Add(tensor.Span<uint>()[i]); break;
                case TensorElementType.UInt64: contents.Uint64Contents.Add(tensor.Span<ulong>()[i]); break;
                case TensorElementType.Float: contents.Fp32Contents.Add(tensor.Span<float>()[i]); break;
                case TensorElementType.Double: contents.Fp64Contents.Add(tensor.Span<double>()[i]); break;
                default:
                    using (var strings = tensor.ReadStrings()) contents.BytesContents.Add(ByteString.CopyFrom(strings[i]));
                    break;
            }
        }
        return contents;
    }

    private static byte[] RawOf(InputTensor input)
    {
        var all = input.Contents ?? new InferTensorContents();
        return input.Datatype switch
        {
            "BOOL" => [.. all.BoolContents.Select(value => value ? (byte)1 : (byte)0)],
            "INT8" => [.. all.IntContents.Select(value => (byte)(sbyte)value)],
            "INT64" => [.. all.Int64Contents.SelectMany(BitConverter.GetBytes)],
            "UINT32" => [.. all.UintContents.SelectMany(BitConverter.GetBytes)],
            "UINT64" => [.. all.Uint64Contents.SelectMany(BitConverter.GetBytes)],
            "FP32" => [.. all.Fp32Contents.SelectMany(BitConverter.GetBytes)],
            "FP64" => [.. all.Fp64Contents.SelectMany(BitConverter.GetBytes)],
            _ => [.. all.BytesContents.SelectMany(value => BitConverter.GetBytes(value.Length).Concat(value.ToByteArray()))],
        };
    }

    private static byte[] RawOf(OnnxTensor tensor)
    {
        if (tensor.ElementType != TensorElementType.String) return tensor.Bytes().ToArray();
        using var strings = tensor.ReadStrings();
        using var raw = new MemoryStream();
        for (var i = 0; i < strings.Count; i++)
        {
            raw.Write(BitConverter.GetBytes(strings[i].Length));
            raw.Write(strings[i]);
        }
        return raw.ToArray();
    }

    private sealed class Piece : ReadOnlySequenceSegment<byte>
    {
        public Piece(ReadOnlyMemory<byte> memory) => Memory = memory;

        public Piece Append(ReadOnlyMemory<byte> memory)
        {
            var next = new Piece(memory) { RunningIndex = RunningIndex + Memory.Length };
            Next = next;
            return next;
        }
    }
}
