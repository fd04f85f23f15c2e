using System.Runtime.InteropServices;

namespace Atoll.Serving.Onnx;

/// <summary>A native object that is released when its last user is done, and by the finalizer when it was forgotten.</summary>
internal abstract class OrtHandle : SafeHandle
{
    protected OrtHandle(nint value) : base(0, ownsHandle: true) => SetHandle(value);

    public override bool IsInvalid => handle == 0;

    public nint Value => handle;
}

/// <summary>An <c>OrtValue*</c>.</summary>
internal sealed unsafe class OrtValueHandle(nint value) : OrtHandle(value)
{
    protected override bool ReleaseHandle()
    {
        OnnxRuntime.Api.ReleaseValue(handle);
        return true;
    }
}

/// <summary>An <c>OrtRunOptions*</c>.</summary>
internal sealed unsafe class OrtRunOptionsHandle(nint value) : OrtHandle(value)
{
    protected override bool ReleaseHandle()
    {
        OnnxRuntime.Api.ReleaseRunOptions(handle);
        return true;
    }
}

/// <summary>An <c>OrtSession*</c>, and the native copies of its input and output names that every run passes.</summary>
internal sealed unsafe class OrtSessionHandle(nint value) : OrtHandle(value)
{
    public byte** InputNames { get; set; }

    public byte** OutputNames { get; set; }

    protected override bool ReleaseHandle()
    {
        OnnxRuntime.Api.ReleaseSession(handle);
        NativeMemory.Free(InputNames);
        NativeMemory.Free(OutputNames);
        return true;
    }
}
