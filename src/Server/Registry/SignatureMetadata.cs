using System.Text.Json;
using Atoll.Contracts;
using Atoll.Serving.Onnx.Proto;
using Google.Protobuf;

namespace Atoll.Registry;

/// <summary>Lets an ONNX file carry its signature, so that a model which leaves one Atoll arrives whole in another.</summary>
internal static class SignatureMetadata
{
    private const string Key = "atoll.signature";
    private const int CharsMax = 4 << 20;

    /// <summary>The file with its signature. What follows a message of this kind is merged into it, so nothing has to be read.</summary>
    public static byte[] Write(byte[] onnx, ModelSignature signature)
    {
        var entry = new StringStringEntryProto { Key = Key, Value = JsonSerializer.Serialize(signature, AtollJson.Default.ModelSignature) };
        return [.. onnx, .. new ModelProto { MetadataProps = { entry } }.ToByteArray()];
    }

    /// <summary>What the file says; null when it says nothing that can be read. It need not be true.</summary>
    public static ModelSignature? Read(ModelProto model)
    {
        if (model.MetadataProps.LastOrDefault(entry => entry.Key == Key)?.Value is not { Length: <= CharsMax } json) return null;
        try
        {
            return JsonSerializer.Deserialize(json, AtollJson.Default.ModelSignature);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
