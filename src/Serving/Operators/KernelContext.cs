using System.Runtime.InteropServices;
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
        nint value, info;
        _api.Check(_api.KernelContextGetInput(context, (nuint)index, &value));
        _api.Check(_api.GetTensorTypeAndShape(value, &info));
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
        void* data;
        _api.Check(_api.GetTensorMutableData(value, &data));
        return data;
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
}
