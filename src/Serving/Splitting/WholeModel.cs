using Atoll.Serving.Onnx;
using Atoll.Serving.Onnx.Proto;
using Google.Protobuf;

namespace Atoll.Serving.Splitting;

/// <summary>A split model put together again, so that ONNX Runtime may do with its weights what it likes on this processor.</summary>
internal static class WholeModel
{
    // All that ONNX Runtime knows: layouts for this processor too, since the result is not kept.
    private static readonly OnnxSessionOptions Options = new() { AtollOperators = true };

    /// <summary>The graph with its weights as constants again. Inputs and outputs are called as in the graph.</summary>
    /// <param name="pack">One that <see cref="SharedGraph.Bind"/> took before: its tables are not checked again.</param>
    public static byte[] ToBytes(ServingPack pack)
    {
        var model = ModelProto.Parser.ParseFrom(pack.Graph.Span);
        for (var i = 0; i < pack.Weights.Count; i++)
        {
            var (weight, input) = (pack.Weights[i], model.Graph.Input[pack.Inputs.Length + i]);
            var tensor = new TensorProto { Name = input.Name, DataType = (int)weight.Type, Dims = { weight.Shape } };
            if (weight.Strings is { } strings) tensor.StringData.Add(strings.Select(ByteString.CopyFromUtf8));
            else tensor.RawData = UnsafeByteOperations.UnsafeWrap(weight.Bytes);
            model.Graph.Initializer.Add(tensor);
        }
        while (model.Graph.Input.Count > pack.Inputs.Length) model.Graph.Input.RemoveAt(model.Graph.Input.Count - 1);
        return model.ToByteArray();
    }

    /// <summary>A session of the model's own, with the names that clients know.</summary>
    /// <param name="model">Made by <see cref="ToBytes"/>.</param>
    public static OnnxSession Load(ReadOnlySpan<byte> model, ServingPack pack)
    {
        using var session = OnnxSession.Load(model, Options);
        return session.Bind(pack.Inputs, pack.Outputs, []);
    }
}
