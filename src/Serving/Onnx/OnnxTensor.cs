using System.Runtime.InteropServices;
using System.Text;

namespace Atoll.Serving.Onnx;

/// <summary>A tensor in native memory. It may be read by many threads, or written by one.</summary>
internal sealed unsafe class OnnxTensor : IDisposable
{
    private readonly long[] _shape;
    private readonly void* _data;

    private OnnxTensor(OrtValueHandle handle, TensorElementType type, long[] shape, void* data)
    {
        Handle = handle;
        ElementType = type;
        _shape = shape;
        _data = data;
        Count = checked((int)CountOf(type, shape));
    }

    internal OrtValueHandle Handle { get; }

    /// <summary>Bytes of the longest text that was put into it: memory of an element is not given back when its text becomes shorter.</summary>
    internal int LongestText { get; private set; }

    public TensorElementType ElementType { get; }

    /// <summary>Empty for a scalar. Not to be changed.</summary>
    public long[] Shape => _shape;

    /// <summary>How many elements there are.</summary>
    public int Count { get; }

    /// <summary>A tensor with uninitialised elements.</summary>
    public static OnnxTensor Allocate<T>(params ReadOnlySpan<long> shape) where T : unmanaged => Allocate(ElementTypeOf<T>(), shape);

    /// <inheritdoc cref="Allocate{T}"/>
    public static OnnxTensor Allocate(TensorElementType type, params ReadOnlySpan<long> shape)
    {
        _ = CountOf(type, shape);
        var api = OnnxRuntime.Api;
        nint value;
        fixed (long* dimensions = shape)
            api.Check(api.CreateTensorAsOrtValue(OnnxRuntime.CpuAllocator, dimensions, (nuint)shape.Length, type, &value));
        return Own(api, value, type, shape.ToArray());
    }

    /// <summary>A tensor with a copy of <paramref name="data"/>.</summary>
    public static OnnxTensor Create<T>(ReadOnlySpan<T> data, params ReadOnlySpan<long> shape) where T : unmanaged
    {
        var type = ElementTypeOf<T>();
        CheckCount(data.Length, type, shape);
        var tensor = Allocate(type, shape);
        data.CopyTo(new Span<T>(tensor._data, tensor.Count));
        return tensor;
    }

    /// <inheritdoc cref="Create{T}(ReadOnlySpan{T}, ReadOnlySpan{long})"/>
    public static OnnxTensor Create<T>(T[] data, params ReadOnlySpan<long> shape) where T : unmanaged => Create<T>(data.AsSpan(), shape);

    /// <summary>A tensor over memory that the caller owns and keeps alive and in place until the tensor is disposed.</summary>
    public static OnnxTensor Over<T>(T* memory, int count, params ReadOnlySpan<long> shape) where T : unmanaged
    {
        var type = ElementTypeOf<T>();
        CheckCount(count, type, shape);
        var api = OnnxRuntime.Api;
        nint value;
        fixed (long* dimensions = shape)
        {
            api.Check(api.CreateTensorWithDataAsOrtValue(
                OnnxRuntime.CpuMemory, memory, (nuint)count * (nuint)sizeof(T), dimensions, (nuint)shape.Length, type, &value));
        }
        return Own(api, value, type, shape.ToArray());
    }

    /// <summary>A tensor of strings.</summary>
    public static OnnxTensor FromStrings(IReadOnlyList<string> values, params ReadOnlySpan<long> shape)
    {
        CheckCount(values.Count, TensorElementType.String, shape);
        var tensor = Allocate(TensorElementType.String, shape);
        try
        {
            tensor.SetStrings(values);
            return tensor;
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
    }

    /// <summary>The elements, in native memory. Keep the tensor and do not dispose it while the span is in use.</summary>
    public Span<T> Span<T>() where T : unmanaged
    {
        if (ElementTypeOf<T>() != ElementType)
            throw new OnnxException(OnnxErrorCode.InvalidArgument, $"The tensor holds {Describe(ElementType, _shape)}, which cannot be read as {typeof(T).Name}.");
        ObjectDisposedException.ThrowIf(Handle.IsRetired, this);
        return new Span<T>(_data, Count);
    }

    /// <summary>The elements as they lie in memory, whatever their type.</summary>
    public Span<byte> Bytes()
    {
        CheckNotStrings();
        ObjectDisposedException.ThrowIf(Handle.IsRetired, this);
        return new Span<byte>(_data, checked(Count * TensorElements.Size(ElementType)));
    }

    /// <summary>Replaces all elements of a string tensor.</summary>
    public void SetStrings(IReadOnlyList<string> values)
    {
        CheckStrings();
        CheckCount(values.Count, ElementType, _shape);
        long bytes = 0;
        var hasNul = false;
        for (var i = 0; i < values.Count; i++)
        {
            var value = values[i] ?? throw new OnnxException(OnnxErrorCode.InvalidArgument, $"Element {i} is null; a string tensor has no missing values.");
            bytes += Encoding.UTF8.GetByteCount(value) + 1;
            hasNul |= value.Contains('\0');
        }

        using var lease = new Lease(Handle);
        if (hasNul)
        {
            SetStringsOneByOne(values);
            return;
        }

        // One block: the pointers, then the texts, each ended by a zero as FillStringTensor wants them.
        var pointers = (byte**)NativeMemory.Alloc((nuint)values.Count * (nuint)sizeof(byte*) + (nuint)bytes);
        try
        {
            var text = (byte*)(pointers + values.Count);
            var end = text + bytes;
            for (var i = 0; i < values.Count; i++)
            {
                pointers[i] = text;
                text += Encoding.UTF8.GetBytes(values[i], new Span<byte>(text, (int)Math.Min(end - text, int.MaxValue)));
                *text++ = 0;
            }
            var api = OnnxRuntime.Api;
            api.Check(api.FillStringTensor(Handle.Value, pointers, (nuint)values.Count));
        }
        finally
        {
            NativeMemory.Free(pointers);
        }
    }

    /// <summary>Replaces one element of a string tensor by UTF-8 bytes, which may contain zeros.</summary>
    public void SetUtf8(int index, ReadOnlySpan<byte> utf8)
    {
        CheckStrings();
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
        using var lease = new Lease(Handle);
        var api = OnnxRuntime.Api;
        byte* buffer;
        api.Check(api.GetResizedStringTensorElementBuffer(Handle.Value, (nuint)index, (nuint)utf8.Length, &buffer));
        utf8.CopyTo(new Span<byte>(buffer, utf8.Length));
        LongestText = Math.Max(LongestText, utf8.Length);
    }

    /// <summary>Makes every element of a string tensor empty, as in a new one.</summary>
    internal void ClearStrings()
    {
        CheckStrings();
        using var lease = new Lease(Handle);
        var api = OnnxRuntime.Api;
        byte* buffer;
        for (var i = 0; i < Count; i++) api.Check(api.GetResizedStringTensorElementBuffer(Handle.Value, (nuint)i, 0, &buffer));
    }

    /// <summary>The elements of a string tensor.</summary>
    public string[] ToStrings()
    {
        using var elements = ReadStrings();
        var strings = new string[Count];
        for (var i = 0; i < strings.Length; i++) strings[i] = Encoding.UTF8.GetString(elements[i]);
        return strings;
    }

    /// <summary>Bytes of all elements of a string tensor.</summary>
    public long TextBytes()
    {
        CheckStrings();
        using var lease = new Lease(Handle);
        var api = OnnxRuntime.Api;
        nuint length;
        api.Check(api.GetStringTensorDataLength(Handle.Value, &length));
        return (long)length;
    }

    /// <summary>A copy of the elements of a string tensor as they are, which need not be UTF-8. The caller disposes it.</summary>
    public OnnxStrings ReadStrings()
    {
        CheckStrings();
        if (Count == 0) return new OnnxStrings(null, 0, 0);
        using var lease = new Lease(Handle);
        var api = OnnxRuntime.Api;
        nuint length;
        api.Check(api.GetStringTensorDataLength(Handle.Value, &length));
        var offsets = (nuint*)NativeMemory.Alloc((nuint)Count * (nuint)sizeof(nuint) + length);
        try
        {
            api.Check(api.GetStringTensorContent(Handle.Value, (byte*)(offsets + Count), length, offsets, (nuint)Count));
            return new OnnxStrings(offsets, Count, length);
        }
        catch
        {
            NativeMemory.Free(offsets);
            throw;
        }
    }

    public override string ToString() => Describe(ElementType, _shape);

    public void Dispose() => Handle.Retire();

    /// <summary>Takes over a native value that a run made.</summary>
    internal static OnnxTensor Adopt(OrtApi api, nint value)
    {
        nint info = 0;
        try
        {
            OnnxValueKind kind;
            api.Check(api.GetValueType(value, &kind));
            if (kind != OnnxValueKind.Tensor)
                throw new OnnxException(OnnxErrorCode.NotImplemented, $"The model gave a {kind}, which cannot be read as a tensor.");
            api.Check(api.GetTensorTypeAndShape(value, &info));
            TensorElementType type;
            nuint rank;
            api.Check(api.GetTensorElementType(info, &type));
            api.Check(api.GetDimensionsCount(info, &rank));
            var shape = new long[rank];
            fixed (long* dimensions = shape) api.Check(api.GetDimensions(info, dimensions, rank));
            // Before the value is owned, so that a type without an element size is released below.
            _ = CountOf(type, shape);
            var owned = value;
            value = 0;
            return Own(api, owned, type, shape);
        }
        finally
        {
            if (info != 0) api.ReleaseTensorTypeAndShapeInfo(info);
            if (value != 0) api.ReleaseValue(value);
        }
    }

    internal static string Describe(TensorElementType type, ReadOnlySpan<long> shape, IReadOnlyList<string>? names = null)
    {
        var text = new StringBuilder().Append(type).Append(" [");
        for (var i = 0; i < shape.Length; i++)
        {
            if (i > 0) text.Append(", ");
            if (shape[i] >= 0)
                text.Append(shape[i]);
            else
                text.Append(names is not null && names[i].Length > 0 ? names[i] : "?");
        }
        return text.Append(']').ToString();
    }

    private static OnnxTensor Own(OrtApi api, nint value, TensorElementType type, long[] shape)
    {
        var bytes = CountOf(type, shape) * TensorElements.Size(type);
        var handle = new OrtValueHandle(value, bytes);
        try
        {
            void* data = null;
            if (type != TensorElementType.String) api.Check(api.GetTensorMutableData(value, &data));
            return new OnnxTensor(handle, type, shape, data);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    private static long CountOf(TensorElementType type, ReadOnlySpan<long> shape)
    {
        // Refuses what has no size here before native code sees it.
        var size = Math.Max(1, TensorElements.Size(type));
        long count = 1;
        foreach (var dimension in shape)
        {
            if (dimension < 0) throw new OnnxException(OnnxErrorCode.InvalidArgument, $"A tensor cannot have the shape {Describe(type, shape)}: dimensions are zero or more.");
            count = Math.BigMul(count, dimension, out var low) == 0 && low >= 0 ? low : long.MaxValue;
        }
        // A span reaches no further; this is far beyond any batch.
        if (count > int.MaxValue / size) throw new OnnxException(OnnxErrorCode.InvalidArgument, $"A tensor {Describe(type, shape)} is larger than 2 GiB.");
        return count;
    }

    private static void CheckCount(int count, TensorElementType type, ReadOnlySpan<long> shape)
    {
        if (CountOf(type, shape) != count)
            throw new OnnxException(OnnxErrorCode.InvalidArgument, $"{count} values do not fill a tensor {Describe(type, shape)}.");
    }

    private static TensorElementType ElementTypeOf<T>() where T : unmanaged
    {
        var type = TensorElements.Of<T>();
        return type != TensorElementType.Undefined
            ? type
            : throw new OnnxException(OnnxErrorCode.NotImplemented, $"There is no tensor element type for {typeof(T).Name}.");
    }

    private void SetStringsOneByOne(IReadOnlyList<string> values)
    {
        for (var i = 0; i < values.Count; i++) SetUtf8(i, Encoding.UTF8.GetBytes(values[i]));
    }

    private void CheckStrings()
    {
        if (ElementType != TensorElementType.String)
            throw new OnnxException(OnnxErrorCode.InvalidArgument, $"The tensor holds {this}, not strings.");
    }

    private void CheckNotStrings()
    {
        if (ElementType == TensorElementType.String)
            throw new OnnxException(OnnxErrorCode.InvalidArgument, "A string tensor has no plain memory; use ToStrings.");
    }

    /// <summary>Keeps the native value alive for one call.</summary>
    private readonly ref struct Lease
    {
        private readonly OrtHandle _handle;

        public Lease(OrtHandle handle)
        {
            handle.Hold();
            _handle = handle;
        }

        public void Dispose() => _handle.DangerousRelease();
    }
}
