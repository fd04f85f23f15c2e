using System.Buffers;

namespace Atoll.Platform.Grpc;

/// <summary>Sends messages of a stream.</summary>
internal interface IServerStreamWriter<in T>
{
    /// <summary>Sends a message and waits until the client has room for more.</summary>
    Task WriteAsync(T message, CancellationToken cancellationToken);
}

/// <summary>Puts messages into a response body, compressed when the client's are.</summary>
internal sealed class GrpcMessageWriter<T>(HttpResponse response, Serializer<T> serializer, string? encoding) : IServerStreamWriter<T>
{
    // Smaller ones do not become smaller.
    private const int CompressedBytesMin = 512;

    private bool _begun;

    public async Task WriteAsync(T message, CancellationToken cancellationToken)
    {
        Write(message);
        await response.BodyWriter.FlushAsync(cancellationToken);
    }

    /// <summary>Writes a message; it is sent with the trailers.</summary>
    public void Write(T message)
    {
        var size = serializer.SizeOf(message);
        if (size > int.MaxValue - GrpcFrame.HeaderBytes) throw GrpcFailures.AnswerTooLarge(size);
        if (!_begun)
        {
            _begun = true;
            response.ContentType = GrpcAnswers.ContentType;
            if (encoding is not null) response.Headers["grpc-encoding"] = encoding;
        }
        var body = response.BodyWriter;
        if (encoding is null || size < CompressedBytesMin)
        {
            GrpcFrame.Write(body, isCompressed: false, (int)size);
            serializer.Write(message, body);
            return;
        }
        var plain = new ArrayBufferWriter<byte>((int)size);
        serializer.Write(message, plain);
        var packed = MessageCompression.Compress(encoding, plain.WrittenSpan);
        GrpcFrame.Write(body, isCompressed: true, packed.Count);
        body.Write(packed.AsSpan());
    }
}
