using System.Buffers;
using Atoll.Platform.Grpc;

namespace Atoll.Prediction.OpenInference.Grpc;

/// <summary>A <c>ModelInferRequest</c>, found its way through but not taken apart: tensors stay in the bytes that were received.</summary>
/// <remarks>Written by hand so that tensors go from the request straight into native memory. A test compares it with the generated parser.</remarks>
internal sealed class InferMessage
{
    public string ModelName { get; private set; } = "";

    /// <summary>Empty for what the endpoint serves.</summary>
    public string ModelVersion { get; private set; } = "";

    public string Id { get; private set; } = "";

    /// <summary>Entries of the map of parameters.</summary>
    public List<ReadOnlySequence<byte>> Parameters { get; } = [];

    public List<ReadOnlySequence<byte>> Inputs { get; } = [];

    public List<ReadOnlySequence<byte>> Outputs { get; } = [];

    public List<ReadOnlySequence<byte>> RawInputs { get; } = [];

    /// <exception cref="RpcException">The bytes are no such message.</exception>
    public static InferMessage Read(ReadOnlySequence<byte> bytes)
    {
        var message = new InferMessage();
        var reader = new ProtobufReader(bytes);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1 when reader.Type == WireType.Bytes: message.ModelName = reader.ReadString(); break;
                case 2 when reader.Type == WireType.Bytes: message.ModelVersion = reader.ReadString(); break;
                case 3 when reader.Type == WireType.Bytes: message.Id = reader.ReadString(); break;
                case 4 when reader.Type == WireType.Bytes: message.Parameters.Add(reader.ReadBytes()); break;
                case 5 when reader.Type == WireType.Bytes: message.Inputs.Add(reader.ReadBytes()); break;
                case 6 when reader.Type == WireType.Bytes: message.Outputs.Add(reader.ReadBytes()); break;
                case 7 when reader.Type == WireType.Bytes: message.RawInputs.Add(reader.ReadBytes()); break;
                default: reader.Skip(); break;
            }
        }
        return message;
    }
}
