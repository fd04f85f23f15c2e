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

    /// <summary>Gives the native object away: this handle releases nothing any more.</summary>
    public nint Take()
    {
        var value = handle;
        SetHandleAsInvalid();
        return value;
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

/// <summary>The weights of a model that shares its graph's session: the <c>OrtValue*</c>s over one block of memory.</summary>
internal sealed unsafe class OrtWeightsHandle : OrtHandle
{
    // What vector instructions like best.
    private const int Alignment = 64;

    private readonly nint* _values;
    private readonly void* _block;
    private readonly OrtSessionHandle _session;

    private OrtWeightsHandle(nint* values, int count, void* block, long bytes, OrtSessionHandle session) : base((nint)values, bytes)
    {
        _values = values;
        Count = count;
        _block = block;
        _session = session;
    }

    public int Count { get; }

    public ReadOnlySpan<nint> Values => new(_values, Count);

    public static OrtWeightsHandle Create(OrtApi api, OrtSessionHandle session, IReadOnlyList<OnnxWeight> weights)
    {
        long bytes = 0;
        foreach (var weight in weights) bytes += Aligned(weight.Bytes.Length);
        // One more, as a handle to nothing would count as none.
        var values = (nint*)NativeMemory.AllocZeroed((nuint)weights.Count + 1, (nuint)sizeof(nint));
        var block = bytes == 0 ? null : NativeMemory.AlignedAlloc((nuint)bytes, Alignment);
        var made = 0;
        try
        {
            var next = (byte*)block;
            for (; made < weights.Count; made++)
            {
                var weight = weights[made];
                values[made] = weight.Strings is { } strings ? CreateStrings(api, weight.Shape, strings) : CreateOver(api, weight, next);
                next += Aligned(weight.Bytes.Length);
            }
            // The native session must outlive the weights' last run.
            session.Hold();
            return new OrtWeightsHandle(values, weights.Count, block, bytes, session);
        }
        catch
        {
            while (made > 0) api.ReleaseValue(values[--made]);
            NativeMemory.Free(values);
            NativeMemory.AlignedFree(block);
            throw;
        }
    }

    protected override void Release(nint value)
    {
        var api = OnnxRuntime.Api;
        for (var i = 0; i < Count; i++) api.ReleaseValue(_values[i]);
        NativeMemory.Free(_values);
        NativeMemory.AlignedFree(_block);
        _session.DangerousRelease();
    }

    private static nint CreateOver(OrtApi api, OnnxWeight weight, byte* at)
    {
        weight.Bytes.Span.CopyTo(new Span<byte>(at, weight.Bytes.Length));
        nint value;
        fixed (long* shape = weight.Shape)
        {
            api.Check(api.CreateTensorWithDataAsOrtValue(
                OnnxRuntime.CpuMemory, at, (nuint)weight.Bytes.Length, shape, (nuint)weight.Shape.Length, weight.Type, &value));
        }
        return value;
    }

    private static nint CreateStrings(OrtApi api, long[] shape, IReadOnlyList<string> strings)
    {
        using var tensor = OnnxTensor.FromStrings(strings, shape);
        return tensor.Handle.Take();
    }

    private static long Aligned(long bytes) => (bytes + Alignment - 1) / Alignment * Alignment;
}
