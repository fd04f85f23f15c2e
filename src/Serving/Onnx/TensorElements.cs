namespace Atoll.Serving.Onnx;

/// <summary>Which .NET type holds which element type.</summary>
internal static class TensorElements
{
    public static TensorElementType Of<T>() where T : unmanaged => Held<T>.Type;

    /// <summary>Bytes of one element; zero for strings.</summary>
    public static int Size(TensorElementType type) => type switch
    {
        TensorElementType.UInt8 or TensorElementType.Int8 or TensorElementType.Bool => 1,
        TensorElementType.UInt16 or TensorElementType.Int16 or TensorElementType.Float16 or TensorElementType.BFloat16 => 2,
        TensorElementType.Float or TensorElementType.Int32 or TensorElementType.UInt32 => 4,
        TensorElementType.Double or TensorElementType.Int64 or TensorElementType.UInt64 => 8,
        TensorElementType.String => 0,
        _ => throw new OnnxException(OnnxErrorCode.NotImplemented, $"Tensors of element type {type} are not supported."),
    };

    private static class Held<T> where T : unmanaged
    {
        public static readonly TensorElementType Type = Find();

        private static TensorElementType Find()
        {
            if (typeof(T) == typeof(float)) return TensorElementType.Float;
            if (typeof(T) == typeof(double)) return TensorElementType.Double;
            if (typeof(T) == typeof(long)) return TensorElementType.Int64;
            if (typeof(T) == typeof(int)) return TensorElementType.Int32;
            if (typeof(T) == typeof(bool)) return TensorElementType.Bool;
            if (typeof(T) == typeof(byte)) return TensorElementType.UInt8;
            if (typeof(T) == typeof(sbyte)) return TensorElementType.Int8;
            if (typeof(T) == typeof(short)) return TensorElementType.Int16;
            if (typeof(T) == typeof(ushort)) return TensorElementType.UInt16;
            if (typeof(T) == typeof(uint)) return TensorElementType.UInt32;
            if (typeof(T) == typeof(ulong)) return TensorElementType.UInt64;
            if (typeof(T) == typeof(Half)) return TensorElementType.Float16;
            if (typeof(T) == typeof(BFloat16)) return TensorElementType.BFloat16;
            return TensorElementType.Undefined;
        }
    }
}
