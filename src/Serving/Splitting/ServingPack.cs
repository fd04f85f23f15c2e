using System.Text;
using Atoll.Serving.Onnx;
using Atoll.Serving.Operators;

namespace Atoll.Serving.Splitting;

/// <summary>A model in the form that is loaded for serving, made once when a version is registered.</summary>
/// <remarks>
/// One file: a head with names, types and shapes, the graph, then the weights at multiples of 64 bytes. Reading copies nothing. Either
/// the graph takes the weights as its last inputs and may be shared with other models (<see cref="GraphDigest"/>), or it is a whole
/// optimised model with a session of its own.
/// </remarks>
internal sealed record ServingPack
{
    private const int Mark = 0x31_50_53_41; // "ASP1"
    private const int Alignment = 64;
    private const int CountMax = 1 << 20;

    // What is allocated beside the weights themselves, by native code and by ours; measured (bench: density).
    private const long BoundBytes = 1_536;
    private const long WeightBytes = 320;
    private const long StringBytes = 64;

    /// <summary>Names the graph among all that are loaded; null when the model has a session of its own.</summary>
    public required string? GraphDigest { get; init; }

    /// <summary>ONNX, or ONNX Runtime's own form, optimised.</summary>
    public required ReadOnlyMemory<byte> Graph { get; init; }

    /// <summary>What the model calls its inputs, for a shared graph.</summary>
    public required OnnxValueInfo[] Inputs { get; init; }

    public required OnnxValueInfo[] Outputs { get; init; }

    public required IReadOnlyList<OnnxWeight> Weights { get; init; }

    /// <summary>Native memory that a session of the model's own was seen to take; 0 when that is not known.</summary>
    public long SessionBytes { get; init; }

    /// <summary>Why the model has a session of its own; empty when it has none.</summary>
    public string Reason { get; init; } = "";

    /// <summary>Memory that binding the weights to a shared graph takes.</summary>
    public long BytesWhenLoaded => BoundBytes + Weights.Sum(
        weight => WeightBytes + ((weight.Bytes.Length + Alignment - 1L) / Alignment * Alignment) + (weight.Strings ?? []).Sum(text => StringBytes + (3L * text.Length)));

    /// <summary>A model with a session of its own, as it is.</summary>
    public static ServingPack OfModel(ReadOnlyMemory<byte> model, string reason = "") =>
        new() { GraphDigest = null, Graph = model, Inputs = [], Outputs = [], Weights = [], Reason = reason };

    public byte[] ToBytes()
    {
        var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream, Encoding.UTF8);
        writer.Write(Mark);
        writer.Write(GraphDigest ?? "");
        writer.Write(Reason);
        writer.Write(SessionBytes);
        Write(writer, Inputs);
        Write(writer, Outputs);
        writer.Write(Graph.Length);
        writer.Write(Weights.Count);
        foreach (var weight in Weights)
        {
            writer.Write((int)weight.Type);
            writer.Write(weight.Shape.Length);
            foreach (var size in weight.Shape) writer.Write(size);
            if (weight.Strings is { } strings)
            {
                writer.Write(strings.Length);
                foreach (var text in strings) writer.Write(text);
            }
            else
            {
                writer.Write(weight.Bytes.Length);
            }
        }
        Append(Graph);
        foreach (var weight in Weights) Append(weight.Bytes);
        writer.Flush();
        return stream.ToArray();

        void Append(ReadOnlyMemory<byte> bytes)
        {
            while (stream.Position % Alignment != 0) writer.Write((byte)0);
            writer.Write(bytes.Span);
        }
    }

    /// <exception cref="OnnxException">The bytes are not a pack.</exception>
    public static ServingPack Read(byte[] bytes)
    {
        try
        {
            return ReadParts(bytes);
        }
        catch (Exception broken) when (broken is EndOfStreamException or FormatException or ArgumentException or OverflowException or IOException)
        {
            throw new OnnxException(OnnxErrorCode.InvalidProtobuf, $"The serving form of the model is damaged: {broken.Message}");
        }
    }

    private static ServingPack ReadParts(byte[] bytes)
    {
        using var reader = new BinaryReader(new MemoryStream(bytes, writable: false), Encoding.UTF8);
        if (reader.ReadInt32() != Mark) throw new FormatException("it does not begin as one");
        var digest = reader.ReadString();
        var reason = reader.ReadString();
        var sessionBytes = reader.ReadInt64();
        var inputs = ReadValues(reader);
        var outputs = ReadValues(reader);
        var graphLength = reader.ReadInt32();
        var weights = new OnnxWeight[Count(reader)];
        var lengths = new int[weights.Length];
        for (var i = 0; i < weights.Length; i++)
        {
            var type = (TensorElementType)reader.ReadInt32();
            var shape = new long[Count(reader)];
            long elements = 1;
            for (var d = 0; d < shape.Length; d++) elements = checked(elements * (shape[d] = reader.ReadInt64() is >= 0 and var size ? size : throw new FormatException("a dimension is negative")));
            lengths[i] = Count(reader, int.MaxValue);
            string[]? strings = null;
            if (type == TensorElementType.String)
            {
                if (lengths[i] != elements || elements > bytes.Length) throw new FormatException("a weight has another size than its shape");
                strings = new string[lengths[i]];
                for (var s = 0; s < strings.Length; s++) strings[s] = reader.ReadString();
                lengths[i] = 0;
            }
            else if (checked(elements * TensorElements.Size(type)) != lengths[i])
            {
                throw new FormatException("a weight has another size than its shape");
            }
            weights[i] = new OnnxWeight(type, shape, default, strings);
        }

        var at = reader.BaseStream.Position;
        var graph = Take(graphLength);
        for (var i = 0; i < weights.Length; i++) weights[i] = weights[i] with { Bytes = Take(lengths[i]) };
        return new ServingPack
        {
            GraphDigest = digest.Length == 0 ? null : digest, Reason = reason, SessionBytes = sessionBytes, Graph = graph, Inputs = inputs, Outputs = outputs, Weights = weights,
        };

        ReadOnlyMemory<byte> Take(int length)
        {
            at = (at + Alignment - 1) / Alignment * Alignment;
            var part = bytes.AsMemory(checked((int)at), length);
            at += length;
            return part;
        }
    }

    private static void Write(BinaryWriter writer, OnnxValueInfo[] values)
    {
        writer.Write(values.Length);
        foreach (var value in values)
        {
            writer.Write(value.Name);
            writer.Write((int)value.Type);
            writer.Write((int)value.Kind);
            writer.Write(value.HasShape);
            writer.Write(value.Shape.Length);
            for (var i = 0; i < value.Shape.Length; i++)
            {
                writer.Write(value.Shape[i]);
                writer.Write(i < value.DimensionNames.Count ? value.DimensionNames[i] : "");
            }
        }
    }

    private static OnnxValueInfo[] ReadValues(BinaryReader reader)
    {
        var values = new OnnxValueInfo[Count(reader)];
        for (var v = 0; v < values.Length; v++)
        {
            var name = reader.ReadString();
            var type = (TensorElementType)reader.ReadInt32();
            var kind = (OnnxValueKind)reader.ReadInt32();
            var hasShape = reader.ReadBoolean();
            var shape = new long[Count(reader)];
            var names = new string[shape.Length];
            for (var i = 0; i < shape.Length; i++)
            {
                shape[i] = reader.ReadInt64();
                names[i] = reader.ReadString();
            }
            values[v] = new OnnxValueInfo(name, type, shape) { Kind = kind, HasShape = hasShape, DimensionNames = names };
        }
        return values;
    }

    private static int Count(BinaryReader reader, int most = CountMax) =>
        reader.ReadInt32() is var count && count >= 0 && count <= most ? count : throw new FormatException("a count is out of range");
}
