using System.Buffers;
using System.Buffers.Binary;
using Atoll.Contracts;
using Atoll.Platform.Http;
using Atoll.Serving.Onnx;

namespace Atoll.Prediction.OpenInference;

/// <summary>Where a tensor lies by the parameters of a request: <c>shared_memory_region</c>, <c>shared_memory_byte_size</c> and <c>shared_memory_offset</c>.</summary>
internal struct SharedPlace
{
    public const string Prefix = "shared_memory";
    public const string RegionName = "shared_memory_region";
    public const string ByteSizeName = "shared_memory_byte_size";
    public const string OffsetName = "shared_memory_offset";

    public string? Region;
    public ulong? ByteSize;
    public ulong? Offset;

    /// <summary>The request says something about it.</summary>
    public readonly bool IsGiven => Region is not null || ByteSize is not null || Offset is not null;
}

/// <summary>The tensors of one request that lie in shared memory.</summary>
internal sealed class SharedTensors(SharedMemory memory, string tenantId, long bytesMax)
{
    private readonly Dictionary<int, Part> _outputs = [];

    // What is read there takes the server's memory just as what is sent, and is bounded by the same limit.
    private ulong _bytesLeft = (ulong)bytesMax;

    /// <summary>Reads an input that was checked; null when that went well.</summary>
    public Problem? Read(SharedPlace place, InferTensors tensors, int index, long count, ReadOnlySpan<long> shape)
    {
        var input = tensors.Session.Inputs[index];
        if (Find(place, "input", input.Name, out var part) is { } problem) return problem;
        if (part.ByteSize > _bytesLeft) return OpenInferenceProblems.BodyTooLarge();
        _bytesLeft -= part.ByteSize;
        var size = (int)part.ByteSize;
        if (input.Type != TensorElementType.String)
        {
            if (RawTensor.CheckSize(size, tensors, index, count) is { } wrong) return wrong;
            var tensor = tensors.Allocate(index, shape);
            if (!part.Region.TryRead(part.Offset, tensor.Bytes())) return Gone(part);
            RawTensor.MakeSound(tensor);
            return null;
        }
        var bytes = ArrayPool<byte>.Shared.Rent(size);
        try
        {
            return part.Region.TryRead(part.Offset, bytes.AsSpan(0, size)) ? RawTensor.Read(new ReadOnlySequence<byte>(bytes, 0, size), tensors, index, count, shape) : Gone(part);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    /// <summary>Has an output put there after the run.</summary>
    /// <param name="index">Its position in the model.</param>
    public Problem? Ask(SharedPlace place, int index, string output)
    {
        if (Find(place, "output", output, out var part) is { } problem) return problem;
        _outputs[index] = part;
        return null;
    }

    /// <summary>No output is wanted there.</summary>
    public bool HasNoOutputs => _outputs.Count == 0;

    /// <summary>Puts the outputs there that are wanted there.</summary>
    public Problem? Write(InferTensors tensors)
    {
        foreach (var (index, part) in _outputs)
        {
            var (name, tensor) = (tensors.Session.Outputs[index].Name, tensors.Call.Outputs[index]);
            if ((tensor.ElementType == TensorElementType.String ? WriteStrings(part, name, tensor, out var size) : Write(part, name, tensor.Bytes(), out size)) is { } problem) return problem;
            _outputs[index] = part with { Written = size };
        }
        return null;
    }

    /// <summary>Where an output was put, with the bytes that it takes there; null for one that is in the answer itself.</summary>
    public (string Region, ulong Offset, ulong ByteSize)? PlaceOf(int index) => _outputs.TryGetValue(index, out var part) ? (part.Region.Name, part.Offset, part.Written) : null;

    private static Problem? Write(Part part, string output, ReadOnlySpan<byte> bytes, out ulong size)
    {
        size = (ulong)bytes.Length;
        if (TooSmall(part, output, size) is { } problem) return problem;
        return part.Region.TryWrite(part.Offset, bytes) ? null : Gone(part);
    }

    private static Problem? WriteStrings(Part part, string output, OnnxTensor tensor, out ulong size)
    {
        using var strings = tensor.ReadStrings();
        size = (ulong)strings.Bytes + ((ulong)strings.Count * sizeof(int));
        if (TooSmall(part, output, size) is { } problem) return problem;

        // In one piece: the file is asked once for each write.
        var length = checked((int)size);
        var bytes = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            var at = 0;
            for (var i = 0; i < strings.Count; i++)
            {
                var element = strings[i];
                BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(at), element.Length);
                element.CopyTo(bytes.AsSpan(at + sizeof(int)));
                at += sizeof(int) + element.Length;
            }
            return part.Region.TryWrite(part.Offset, bytes.AsSpan(0, length)) ? null : Gone(part);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    private Problem? Find(SharedPlace place, string kind, string tensor, out Part part)
    {
        part = default;
        if (place.Region is not { } name) return OpenInferenceProblems.Invalid($"{kind} '{tensor}' has no '{SharedPlace.RegionName}'");
        if (place.ByteSize is not { } size) return OpenInferenceProblems.Invalid($"{kind} '{tensor}' has no '{SharedPlace.ByteSizeName}'");
        if (memory.Find(tenantId, name) is not { } region) return new Problem(404, ProblemCodes.NotFound, $"Unable to find shared memory region: '{JsonText.Shorten(name)}'");
        var offset = place.Offset ?? 0;
        if (offset > region.ByteSize) return OpenInferenceProblems.Invalid($"Invalid offset for shared memory region: '{name}'");
        if (!region.Holds(offset, size)) return OpenInferenceProblems.Invalid($"Invalid offset + byte size for shared memory region: '{name}'");
        part = new Part(region, offset, size, 0);
        return null;
    }

    private static Problem? TooSmall(Part part, string output, ulong size) => size <= part.ByteSize ? null : OpenInferenceProblems.Invalid(
        $"shared memory size specified with the request for output '{output}' ({part.ByteSize} bytes) should be at least {size} bytes to hold the results");

    private static Problem Gone(Part part) => OpenInferenceProblems.Invalid(
        $"shared memory region '{part.Region.Name}' cannot be used: its file has become shorter than it was when it was registered, shared memory is full, or it was unregistered");

    /// <summary>A part of a region.</summary>
    /// <param name="Offset">Within the region.</param>
    /// <param name="Written">Bytes that the output took.</param>
    private readonly record struct Part(SharedMemoryRegion Region, ulong Offset, ulong ByteSize, ulong Written);
}
