using System.Buffers;
using System.Text;
using Atoll.Serving.Onnx;

namespace Atoll.Serving.Operators;

/// <summary>What a kernel reads its inputs from and writes its output to, for the time of one call.</summary>
internal readonly unsafe ref struct KernelContext(nint context)
{
    private readonly OrtApi _api = OnnxRuntime.Api;

    /// <summary>The elements of an input; their shape goes to <paramref name="shape"/>, which must be long enough. Returns the rank.</summary>
    public void* Input(int index, Span<long> shape, out int rank)
    {
        ReadShape(index, shape, out rank, out var value);
        void* data;
        _api.Check(_api.GetTensorMutableData(value, &data));
        return data;
    }

    /// <summary>The texts of a string input, in pooled arrays that the caller returns.</summary>
    public Texts Strings(int index, Span<long> shape, out int rank, ref byte[]? text, ref nuint[]? starts)
    {
        nuint bytes;
        ReadShape(index, shape, out rank, out var value);
        long count = 1;
        foreach (var size in shape[..rank]) count *= size;
        _api.Check(_api.GetStringTensorDataLength(value, &bytes));
        text = ArrayPool<byte>.Shared.Rent(checked((int)bytes) + 1);
        starts = ArrayPool<nuint>.Shared.Rent((int)count + 1);
        fixed (byte* first = text)
        fixed (nuint* at = starts)
            if (count > 0) _api.Check(_api.GetStringTensorContent(value, first, bytes, at, (nuint)count));
        starts[count] = bytes;
        return new Texts(text, starts, (int)count);
    }

    /// <summary>Room for the output's elements.</summary>
    public void* Output(ReadOnlySpan<long> shape)
    {
        nint value;
        fixed (long* first = shape) _api.Check(_api.KernelContextGetOutput(context, 0, first, (nuint)shape.Length, &value));
        void* data;
        _api.Check(_api.GetTensorMutableData(value, &data));
        return data;
    }

    /// <summary>An <c>OrtStatus*</c> that says what went wrong: exceptions must not cross into native code.</summary>
    public static nint ToStatus(Exception failure)
    {
        var code = failure is OnnxException known ? known.Code : OnnxErrorCode.Fail;
        var text = Encoding.UTF8.GetBytes(failure.Message + '\0');
        fixed (byte* first = text) return OnnxRuntime.Api.CreateStatus(code, first);
    }

    private void ReadShape(int index, Span<long> shape, out int rank, out nint value)
    {
        nint input, info;
        _api.Check(_api.KernelContextGetInput(context, (nuint)index, &input));
        _api.Check(_api.GetTensorTypeAndShape(input, &info));
        try
        {
            nuint dimensions;
            _api.Check(_api.GetDimensionsCount(info, &dimensions));
            if (dimensions > (nuint)shape.Length) throw new OnnxException(OnnxErrorCode.InvalidArgument, $"Input {index} has {dimensions} dimensions; {shape.Length} at most are taken.");
            rank = (int)dimensions;
            fixed (long* first = shape) _api.Check(_api.GetDimensions(info, first, dimensions));
        }
        finally
        {
            _api.ReleaseTensorTypeAndShapeInfo(info);
        }
        value = input;
    }

    /// <summary>Texts in one array, one after the other.</summary>
    public readonly ref struct Texts(byte[] text, nuint[] starts, int count)
    {
        public int Count => count;

        public ReadOnlySpan<byte> this[int index] => text.AsSpan((int)starts[index]..(int)starts[index + 1]);
    }
}
