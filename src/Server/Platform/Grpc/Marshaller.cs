using System.Buffers;
using Google.Protobuf;

namespace Atoll.Platform.Grpc;

/// <summary>Makes a message of the bytes that were received.</summary>
/// <remarks>What it gives may point into them: they stay until the handler of a unary call is done, or until the next message of a stream is read.</remarks>
/// <exception cref="RpcException">The bytes are no such message.</exception>
internal delegate T Deserializer<out T>(ReadOnlySequence<byte> bytes);

/// <summary>Writes a message.</summary>
/// <param name="SizeOf">Bytes that <paramref name="Write"/> will write, exactly.</param>
internal sealed record Serializer<T>(Func<T, long> SizeOf, Action<T, IBufferWriter<byte>> Write);

/// <summary>How generated messages are read and written.</summary>
internal static class Marshaller
{
    public static Deserializer<T> Read<T>() where T : IMessage<T>, new()
    {
        // Nobody reads unknown fields; kept, they would go back to the client where a request is echoed.
        var parser = new MessageParser<T>(static () => new T()).WithDiscardUnknownFields(true);
        return bytes =>
        {
            try
            {
                return parser.ParseFrom(bytes);
            }
            catch (InvalidProtocolBufferException failure)
            {
                throw GrpcFailures.Malformed(failure.Message);
            }
        };
    }

    public static Serializer<T> Write<T>() where T : IMessage<T> =>
        new(static message => message.CalculateSize(), static (message, bytes) => message.WriteTo(bytes));
}
