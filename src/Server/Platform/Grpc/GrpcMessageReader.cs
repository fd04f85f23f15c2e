using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;

namespace Atoll.Platform.Grpc;

/// <summary>The messages that a client sends, one after the other.</summary>
internal interface IAsyncStreamReader<out T>
{
    /// <summary>The message that <see cref="MoveNext"/> read.</summary>
    T Current { get; }

    /// <summary>Reads the next message; false after the last one.</summary>
    Task<bool> MoveNext(CancellationToken cancellationToken);
}

/// <summary>Takes messages out of a request body: a flag, four bytes of length, and the message.</summary>
internal sealed class GrpcMessageReader<T>(PipeReader body, Deserializer<T> deserialize, string? encoding, long bytesMax) : IAsyncStreamReader<T>, IDisposable
{
    private SequencePosition? _end;
    private byte[]? _rented;

    public T Current { get; private set; } = default!;

    public async Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        Release();
        while (true)
        {
            var result = await body.ReadAsync(cancellationToken);
            if (TryTake(result.Buffer)) return true;
            if (result.IsCompleted) return result.Buffer.IsEmpty ? false : throw GrpcFailures.Incomplete();
            body.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }

    /// <summary>Reads the one message of the request.</summary>
    public async ValueTask<T> ReadSingleAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var result = await body.ReadAsync(cancellationToken);
            var buffer = result.Buffer;
            if (Measure(buffer) is { } length && buffer.Length > GrpcFrame.HeaderBytes + length) throw GrpcFailures.SecondMessage();
            if (result.IsCompleted)
            {
                if (buffer.IsEmpty) throw GrpcFailures.NoMessage();
                return TryTake(buffer) ? Current : throw GrpcFailures.Incomplete();
            }
            body.AdvanceTo(buffer.Start, buffer.End);
        }
    }

    public void Dispose() => Release();

    private void Release()
    {
        if (_end is { } end) body.AdvanceTo(end);
        _end = null;
        if (_rented is not null) ArrayPool<byte>.Shared.Return(_rented);
        _rented = null;
    }

    /// <summary>The length of the first message, once its header is there. What is too large is refused unread.</summary>
    private long? Measure(in ReadOnlySequence<byte> buffer)
    {
        if (buffer.Length < GrpcFrame.HeaderBytes) return null;
        Span<byte> header = stackalloc byte[GrpcFrame.HeaderBytes];
        buffer.Slice(0, GrpcFrame.HeaderBytes).CopyTo(header);
        if (header[0] > 1) throw GrpcFailures.UnknownFlag(header[0]);
        var length = BinaryPrimitives.ReadUInt32BigEndian(header[1..]);
        return length > bytesMax ? throw GrpcFailures.TooLarge(bytesMax) : length;
    }

    private bool TryTake(in ReadOnlySequence<byte> buffer)
    {
        if (Measure(buffer) is not { } length || buffer.Length < GrpcFrame.HeaderBytes + length) return false;
        var payload = buffer.Slice(GrpcFrame.HeaderBytes, length);
        _end = payload.End;
        if (buffer.FirstSpan[0] == 1)
        {
            var message = MessageCompression.Decompress(encoding ?? throw GrpcFailures.NotCompressed(), payload, bytesMax);
            _rented = message.Array;
            payload = new ReadOnlySequence<byte>(message.Array!, 0, message.Count);
        }
        Current = deserialize(payload);
        return true;
    }
}
