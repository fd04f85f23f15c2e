using System.Runtime.InteropServices;

namespace Atoll.Serving.Onnx;

/// <summary>A native object that is released when its last user is done, and by the finalizer when it was forgotten.</summary>
internal abstract class OrtHandle : SafeHandle
{
    // Telling the collector costs more than small objects are worth.
    private const long PressureBytesMin = 32 * 1024;

    private readonly long _pressureBytes;
    private volatile bool _isRetired;

    protected OrtHandle(nint value, long nativeBytes) : base(0, ownsHandle: true)
    {
        SetHandle(value);
        if (nativeBytes < PressureBytesMin) return;
        // Without this the collector sees a few bytes and is in no hurry to finalize a forgotten object.
        _pressureBytes = nativeBytes;
        GC.AddMemoryPressure(nativeBytes);
    }

    public override bool IsInvalid => handle == 0;

    public nint Value => handle;

    /// <summary>True once <see cref="Retire"/> was called, even if somebody still holds the native object.</summary>
    public bool IsRetired => _isRetired;

    /// <summary>Releases the native object when its last holder lets go, and lets nobody hold it any more.</summary>
    public void Retire()
    {
        // A safe handle refuses new holders only after the last one has let go: holders that overlap would keep it alive for ever.
        _isRetired = true;
        Dispose();
    }

    /// <summary>Keeps the native object alive until <see cref="SafeHandle.DangerousRelease"/>.</summary>
    public nint Hold()
    {
        ObjectDisposedException.ThrowIf(_isRetired, this);
        var held = false;
        DangerousAddRef(ref held);
        return handle;
    }

    protected override bool ReleaseHandle()
    {
        Release(handle);
        if (_pressureBytes > 0) GC.RemoveMemoryPressure(_pressureBytes);
        return true;
    }

    protected abstract void Release(nint value);
}

/// <summary>An <c>OrtValue*</c>.</summary>
internal sealed unsafe class OrtValueHandle(nint value, long nativeBytes) : OrtHandle(value, nativeBytes)
{
    protected override void Release(nint value) => OnnxRuntime.Api.ReleaseValue(value);
}

/// <summary>An <c>OrtRunOptions*</c>.</summary>
internal sealed unsafe class OrtRunOptionsHandle(nint value) : OrtHandle(value, nativeBytes: 0)
{
    protected override void Release(nint value) => OnnxRuntime.Api.ReleaseRunOptions(value);
}

/// <summary>An <c>OrtSession*</c>, and the native copies of its input and output names that every run passes.</summary>
internal sealed unsafe class OrtSessionHandle(nint value, long nativeBytes) : OrtHandle(value, nativeBytes)
{
    public byte** InputNames { get; set; }

    public byte** OutputNames { get; set; }

    protected override void Release(nint value)
    {
        OnnxRuntime.Api.ReleaseSession(value);
        NativeMemory.Free(InputNames);
        NativeMemory.Free(OutputNames);
    }
}
