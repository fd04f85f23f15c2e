using System.Collections;
using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Atoll.Platform.Grpc;

/// <summary>Writes a protobuf message as JSON for APIs that answer the same over HTTP.</summary>
/// <remarks>
/// Unlike protobuf's own form fields keep the names of their .proto, those that hold their default are written, and all numbers are numbers. So do servers
/// of the Open Inference Protocol, and their clients rely on it.
/// </remarks>
internal static class MessageJson
{
    public static void Write(Utf8JsonWriter json, IMessage message)
    {
        json.WriteStartObject();
        foreach (var field in message.Descriptor.Fields.InDeclarationOrder())
        {
            if (field.HasPresence && !field.Accessor.HasValue(message)) continue;
            json.WritePropertyName(field.Name);
            var value = field.Accessor.GetValue(message);
            if (field.IsMap) WriteMap(json, field, (IDictionary)value);
            else if (field.IsRepeated) WriteList(json, field, (IList)value);
            else WriteValue(json, field, value);
        }
        json.WriteEndObject();
    }

    private static void WriteMap(Utf8JsonWriter json, FieldDescriptor field, IDictionary map)
    {
        json.WriteStartObject();
        foreach (DictionaryEntry entry in map)
        {
            json.WritePropertyName((string)entry.Key);
            WriteValue(json, field.MessageType.FindFieldByNumber(2), entry.Value!);
        }
        json.WriteEndObject();
    }

    private static void WriteList(Utf8JsonWriter json, FieldDescriptor field, IList list)
    {
        json.WriteStartArray();
        foreach (var value in list) WriteValue(json, field, value!);
        json.WriteEndArray();
    }

    private static void WriteValue(Utf8JsonWriter json, FieldDescriptor field, object value)
    {
        switch (value)
        {
            case IMessage message: Write(json, message); break;
            case string text: json.WriteStringValue(text); break;
            case bool flag: json.WriteBooleanValue(flag); break;
            case int number: json.WriteNumberValue(number); break;
            case uint number: json.WriteNumberValue(number); break;
            case long number: json.WriteNumberValue(number); break;
            case ulong number: json.WriteNumberValue(number); break;
            case Enum: json.WriteStringValue(field.EnumType.FindValueByNumber((int)value)?.Name); break;
            default: throw new InvalidOperationException($"The field '{field.FullName}' has no form in JSON.");
        }
    }
}
