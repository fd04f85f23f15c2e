using System.Runtime.InteropServices;
using Atoll.Serving.Onnx;
using Atoll.Serving.Onnx.Proto;

namespace Atoll.Serving.Splitting;

/// <summary>Reads the elements of a tensor in a model file, in whichever of its several fields they are.</summary>
internal static class TensorProtos
{
    private const int External = 1;

    public static OnnxWeight Read(TensorProto tensor)
    {
        if (tensor.DataLocation == External || tensor.ExternalData.Count > 0) throw new ModelSplitException($"The weights '{tensor.Name}' lie in another file.");
        if (!tensor.Segment.IsEmpty) throw new ModelSplitException($"The weights '{tensor.Name}' are a segment.");
        var type = (TensorElementType)tensor.DataType;
        long[] shape = [.. tensor.Dims];
        long count = 1;
        foreach (var size in shape) count = size < 0 || Math.BigMul(count, size, out var low) != 0 || low < 0 ? throw Wrong(tensor) : low;
        if (type == TensorElementType.String)
        {
            if (tensor.StringData.Count != count) throw Wrong(tensor);
            return new OnnxWeight(type, shape, default, [.. tensor.StringData.Select(text => text.ToStringUtf8())]);
        }

        var size1 = TensorElements.Size(type);
        if (size1 <= 0) throw new ModelSplitException($"The weights '{tensor.Name}' are of type {type}.");
        var bytes = tensor.RawData.Length > 0 ? tensor.RawData.ToByteArray() : FromFields(tensor, type);
        if (bytes.LongLength != count * size1) throw Wrong(tensor);
        return new OnnxWeight(type, shape, bytes, null);
    }

    private static byte[] FromFields(TensorProto tensor, TensorElementType type)
    {
        switch (type)
        {
            case TensorElementType.Float:
                return MemoryMarshal.AsBytes<float>(tensor.FloatData.ToArray()).ToArray();
            case TensorElementType.Double:
                return MemoryMarshal.AsBytes<double>(tensor.DoubleData.ToArray()).ToArray();
            case TensorElementType.Int64:
                return MemoryMarshal.AsBytes<long>(tensor.Int64Data.ToArray()).ToArray();
            case TensorElementType.UInt64:
                return MemoryMarshal.AsBytes<ulong>(tensor.Uint64Data.ToArray()).ToArray();
            case TensorElementType.UInt32:
                return [.. tensor.Uint64Data.SelectMany(value => BitConverter.GetBytes((uint)value))];
            case TensorElementType.Int32:
                return MemoryMarshal.AsBytes<int>(tensor.Int32Data.ToArray()).ToArray();
            case TensorElementType.Int16 or TensorElementType.UInt16 or TensorElementType.Float16 or TensorElementType.BFloat16:
                return [.. tensor.Int32Data.SelectMany(value => BitConverter.GetBytes((short)value))];
            case TensorElementType.Int8 or TensorElementType.UInt8 or TensorElementType.Bool:
                return [.. tensor.Int32Data.Select(value => (byte)value)];
            default:
                throw new ModelSplitException($"The weights '{tensor.Name}' are of type {type}.");
        }
    }

    private static ModelSplitException Wrong(TensorProto tensor) =>
        new($"The weights '{tensor.Name}' have another number of elements than their shape says.");
}
