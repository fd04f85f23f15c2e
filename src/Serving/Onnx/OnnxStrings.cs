using System.Runtime.InteropServices;

namespace Atoll.Serving.Onnx;

/// <summary>The elements of a string tensor in one block of native memory: where each begins, then their bytes.</summary>
internal sealed unsafe class OnnxStrings : IDisposable
{
    private readonly nuint _bytes;
    private nuint* _offsets;

    internal OnnxStrings(nuint* offsets, int count, nuint bytes)
    {
        _offsets = offsets;
        _bytes = bytes;
        Count = count;
    }

    ~OnnxStrings() => NativeMemory.Free(_offsets);

    public int Count { get; }

    /// <summary>Of all elements together.</summary>
    public long Bytes => (long)_bytes;

    /// <summary>An element, until this is disposed.</summary>
    public ReadOnlySpan<byte> this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
            ObjectDisposedException.ThrowIf(_offsets == null, this);
            var begin = _offsets[index];
            var end = index + 1 < Count ? _offsets[index + 1] : _bytes;
            return new ReadOnlySpan<byte>((byte*)(_offsets + Count) + begin, checked((int)(end - begin)));
        }
    }

    public void Dispose()
    {
        NativeMemory.Free(_offsets);
        _offsets = null;
        GC.SuppressFinalize(this);
    }
}
