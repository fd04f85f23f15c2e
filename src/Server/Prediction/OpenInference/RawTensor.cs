using System.Buffers;
using Atoll.Platform.Http;
using Atoll.Serving.Onnx;

namespace Atoll.Prediction.OpenInference;

/// <summary>Reads a tensor in its binary form into native memory: elements little-endian one after the other, each of BYTES behind its length in four bytes.</summary>
internal static class RawTensor
{
    /// <summary>Fills an input that was checked; null when that went well.</summary>
    public static Problem? Read(ReadOnlySequence<byte> raw, InferTensors tensors, int index, long count, ReadOnlySpan<long> shape)
    {
        var input = tensors.Session.Inputs[index];
        if (input.Type == TensorElementType.String) return ReadStrings(raw, tensors, index, count, shape);
        if (CheckSize(raw.Length, tensors, index, count) is { } wrong) return wrong;
        var tensor = tensors.Allocate(index, shape);
        raw.CopyTo(tensor.Bytes());
        MakeSound(tensor);
        return null;
    }

    /// <summary>Whether so many bytes are the elements of an input that is not of strings.</summary>
    public static Problem? CheckSize(long bytes, InferTensors tensors, int index, long count)
    {
        var input = tensors.Session.Inputs[index];
        var expected = Math.BigMul(count, TensorElements.Size(input.Type), out var low) == 0 && low >= 0 ? low : long.MaxValue;
        return bytes == expected
            ? null
            : OpenInferenceProblems.Invalid($"input byte size mismatch for input '{input.Name}' for model '{tensors.Model}'. Expected {expected}, got {bytes}");
    }

    /// <summary>Native code relies on a bool being 0 or 1, which bytes of a client need not be.</summary>
    public static void MakeSound(OnnxTensor tensor)
    {
        if (tensor.ElementType != TensorElementType.Bool) return;
        foreach (ref var one in tensor.Bytes()) one = one == 0 ? (byte)0 : (byte)1;
    }

    /// <summary>Sets an element of a new tensor of strings.</summary>
    public static void SetUtf8(OnnxTensor tensor, int index, in ReadOnlySequence<byte> text)
    {
        // A new tensor holds empty texts.
        if (text.IsEmpty) return;
        if (text.IsSingleSegment)
        {
            tensor.SetUtf8(index, text.FirstSpan);
            return;
        }
        var length = checked((int)text.Length);
        var bytes = ArrayPool<byte>.Shared.Rent(length);
        text.CopyTo(bytes);
        tensor.SetUtf8(index, bytes.AsSpan(0, length));
        ArrayPool<byte>.Shared.Return(bytes);
    }

    private static Problem? ReadStrings(ReadOnlySequence<byte> raw, InferTensors tensors, int index, long count, ReadOnlySpan<long> shape)
    {
        var input = tensors.Session.Inputs[index].Name;

        // Memory is not given for elements that cannot follow.
        if (count > raw.Length / sizeof(int))
            return OpenInferenceProblems.Invalid($"unexpected number of string elements for inference input '{input}', expecting {count} but the data holds {raw.Length} bytes");
        var tensor = tensors.Allocate(index, shape);
        var reader = new SequenceReader<byte>(raw);
        var found = 0;
        while (!reader.End)
        {
            if (found == count) return OpenInferenceProblems.Invalid($"unexpected number of string elements {found + 1} for inference input '{input}', expecting {count}");
            if (!reader.TryReadLittleEndian(out int length))
                return OpenInferenceProblems.Invalid($"incomplete string length indicator for inference input '{input}', expecting 4 bytes but only {reader.Remaining} bytes available");
            if ((uint)length > reader.Remaining || !reader.TryReadExact(length, out var text))
                return OpenInferenceProblems.Invalid($"incomplete string data for inference input '{input}', expecting string of length {(uint)length} but only {reader.Remaining} bytes available");
            SetUtf8(tensor, found++, text);
        }
        return found == count ? null : OpenInferenceProblems.Invalid($"unexpected number of string elements {found} for inference input '{input}', expecting {count}");
    }
}
