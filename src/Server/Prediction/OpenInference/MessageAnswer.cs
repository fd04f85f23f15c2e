using System.Text.Json;
using Atoll.Platform.Grpc;
using Google.Protobuf;

namespace Atoll.Prediction.OpenInference;

/// <summary>Answers over HTTP with the message that the same method answers over gRPC.</summary>
internal static class MessageAnswer
{
    // A tenant may have many models; what was written is sent before there is more of it.
    private const int FlushBytes = 16 * 1024;

    public static async Task WriteAsync(HttpContext context, IMessage message, CancellationToken cancellationToken)
    {
        await using var json = Begin(context);
        MessageJson.Write(json, message);
        await json.FlushAsync(cancellationToken);
    }

    /// <summary>Sends a list while it is read.</summary>
    /// <param name="name">The member that holds the list; null for a list without an object around it.</param>
    public static async Task WriteAllAsync(HttpContext context, string? name, IAsyncEnumerable<IMessage> messages, CancellationToken cancellationToken)
    {
        await using var json = Begin(context);
        if (name is not null)
        {
            json.WriteStartObject();
            json.WritePropertyName(name);
        }
        json.WriteStartArray();
        await foreach (var message in messages.WithCancellation(cancellationToken))
        {
            MessageJson.Write(json, message);
            if (json.BytesPending > FlushBytes) await json.FlushAsync(cancellationToken);
        }
        json.WriteEndArray();
        if (name is not null) json.WriteEndObject();
        await json.FlushAsync(cancellationToken);
    }

    private static Utf8JsonWriter Begin(HttpContext context)
    {
        context.Response.ContentType = "application/json";
        return new Utf8JsonWriter(context.Response.BodyWriter, new JsonWriterOptions { Encoder = JsonText.Encoder });
    }
}
