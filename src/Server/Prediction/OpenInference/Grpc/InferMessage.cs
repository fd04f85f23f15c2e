using System.Buffers;
using Atoll.Platform.Grpc;

namespace Atoll.Prediction.OpenInference.Grpc;

/// <summary>A <c>ModelInferRequest</c>, found its way through but not taken apart: tensors stay in the bytes that were received.</summary>
/// <remarks>Written by hand so that tensors go from the request straight into native memory. A test compares it with the generated parser.</remarks>
internal sealed class InferMessage
{
    // Mostly the next message is for the same model.
    private string _lastName = "";

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
        message.Fill(bytes);
        return message;
    }

    /// <summary>Takes another message in the place of the last one.</summary>
    /// <exception cref="RpcException">The bytes are no such message.</exception>
    public void Fill(ReadOnlySequence<byte> bytes)
    {
        Clear();
        var reader = new ProtobufReader(bytes);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1 when reader.Type == WireType.Bytes: ModelName = _lastName = reader.ReadString(_lastName); break;
                case 2 when reader.Type == WireType.Bytes: ModelVersion = reader.ReadString(); break;
                case 3 when reader.Type == WireType.Bytes: Id = reader.ReadString(); break;
                case 4 when reader.Type == WireType.Bytes: Parameters.Add(reader.ReadBytes()); break;
                case 5 when reader.Type == WireType.Bytes: Inputs.Add(reader.ReadBytes()); break;
                case 6 when reader.Type == WireType.Bytes: Outputs.Add(reader.ReadBytes()); break;
                case 7 when reader.Type == WireType.Bytes: RawInputs.Add(reader.ReadBytes()); break;
                default: reader.Skip(); break;
            }
        }
    }

    /// <summary>Lets go of the bytes.</summary>
    public void Clear()
    {
        (ModelName, ModelVersion, Id) = ("", "", "");
        Parameters.Clear();
        Inputs.Clear();
        Outputs.Clear();
        RawInputs.Clear();
    }
}
