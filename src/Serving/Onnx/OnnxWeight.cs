namespace Atoll.Serving.Onnx;

/// <summary>One of a model's weights: a tensor's elements as they lie in memory, or strings.</summary>
internal sealed record OnnxWeight(TensorElementType Type, long[] Shape, ReadOnlyMemory<byte> Bytes, string[]? Strings);
