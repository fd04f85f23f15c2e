using System.Buffers;
using Atoll.Platform.Grpc;
using Atoll.Prediction.OpenInference.Grpc.Messages;
using Google.Protobuf;

namespace Atoll.Prediction.OpenInference.Grpc;

/// <summary>Reads parameters that a message holds, for requests that have some.</summary>
internal static class InferParameters
{
    /// <summary>How long the client waits by the parameter <c>timeout</c>, in microseconds; null for as long as it takes.</summary>
    public static TimeSpan? TimeoutOf(InferMessage message) =>
        Find(message, "timeout") is { } value ? InferRequest.ToTimeout(value.ParameterChoiceCase == InferParameter.ParameterChoiceOneofCase.Uint64Param ? value.Uint64Param : (ulong)Math.Max(0, value.Int64Param)) : null;

    /// <summary>How many steps of a model that answers many times the client wants at most; null for as many as the model makes.</summary>
    public static long? StepsMaxOf(InferMessage message) => Find(message, "steps_max") switch
    {
        { ParameterChoiceCase: InferParameter.ParameterChoiceOneofCase.Int64Param } value => Math.Max(1, value.Int64Param),
        { ParameterChoiceCase: InferParameter.ParameterChoiceOneofCase.Uint64Param } value => (long)Math.Clamp(value.Uint64Param, 1, long.MaxValue),
        _ => null,
    };

    /// <summary>A parameter of the request; null when it has none of this name.</summary>
    /// <exception cref="RpcException">It is malformed.</exception>
    public static InferParameter? Find(InferMessage message, string name)
    {
        foreach (var entry in message.Parameters)
            if (InferMessageTensors.KeyOf(entry) == name) return Read(entry);
        return null;
    }

    /// <summary>The value of an entry of a map of parameters.</summary>
    /// <exception cref="RpcException">It is malformed.</exception>
    public static InferParameter Read(ReadOnlySequence<byte> entry)
    {
        var value = new InferParameter();
        var reader = new ProtobufReader(entry);
        while (reader.Next())
        {
            if (reader.Is(2, WireType.Bytes)) Merge(value, reader.ReadBytes());
            else reader.Skip();
        }
        return value;
    }

    private static void Merge(InferParameter value, ReadOnlySequence<byte> bytes)
    {
        try
        {
            value.MergeFrom(bytes);
        }
        catch (InvalidProtocolBufferException)
        {
            throw ProtobufReader.Malformed("a parameter is damaged");
        }
    }
}
