using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using Atoll.Serving.Onnx;

namespace Atoll.Prediction.OpenInference;

/// <summary>An output in its binary form, which goes from native memory straight into the response.</summary>
internal sealed class RawOutput : IDisposable
{
    // So much is handed over before the next is copied: a slow client must not have all of it waiting in memory.
    private const int ChunkBytes = 64 * 1024;

    private readonly OnnxTensor _tensor;
    private readonly OnnxStrings? _strings;

    /// <param name="tensor">Stays the caller's.</param>
    public RawOutput(OnnxTensor tensor)
    {
        _tensor = tensor;
        if (tensor.ElementType == TensorElementType.String)
        {
            _strings = tensor.ReadStrings();
            Size = _strings.Bytes + ((long)_strings.Count * sizeof(int));
        }
        else
        {
            Size = tensor.Bytes().Length;
        }
    }

    public long Size { get; }

    public async ValueTask WriteAsync(PipeWriter writer, CancellationToken cancellationToken)
    {
        if (_strings is not null)
        {
            await WriteStringsAsync(writer, _strings, cancellationToken);
            return;
        }
        for (var at = 0; at < Size; at += ChunkBytes)
        {
            writer.Write(_tensor.Bytes().Slice(at, (int)Math.Min(ChunkBytes, Size - at)));
            await writer.FlushAsync(cancellationToken);
        }
    }

    public void Dispose() => _strings?.Dispose();

    private static async ValueTask WriteStringsAsync(PipeWriter writer, OnnxStrings strings, CancellationToken cancellationToken)
    {
        var waiting = 0L;
        for (var i = 0; i < strings.Count; i++)
        {
            waiting += Write(writer, strings[i]);
            if (waiting < ChunkBytes) continue;
            await writer.FlushAsync(cancellationToken);
            waiting = 0;
        }
        await writer.FlushAsync(cancellationToken);
    }

    private static int Write(PipeWriter writer, ReadOnlySpan<byte> element)
    {
        BinaryPrimitives.WriteInt32LittleEndian(writer.GetSpan(sizeof(int)), element.Length);
        writer.Advance(sizeof(int));
        writer.Write(element);
        return sizeof(int) + element.Length;
    }
}
