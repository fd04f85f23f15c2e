using System.Reflection;
using System.Text.Json;
using Microsoft.Extensions.Options;

namespace Atoll.Prediction.OpenInference;

/// <summary>Tells what server this is and that it is there.</summary>
internal static class DescribeServer
{
    // Grows with what is there: clients decide by this list what they may ask for.
    private static readonly string[] Always = ["classification", "model_repository", "model_configuration", "binary_tensor_data", "parameters", "statistics"];

    public static IEnumerable<string> ExtensionsOf(SharedMemory shared) => shared.IsOffered ? Always.Append("system_shared_memory") : Always;

    public static readonly string Version = typeof(DescribeServer).Assembly.GetName().Version?.ToString(3) ?? "0";

    public static async Task HandleAsync(HttpContext context, IOptions<PredictionOptions> options, SharedMemory shared)
    {
        context.Response.ContentType = "application/json";
        await using var json = new Utf8JsonWriter(context.Response.BodyWriter);
        json.WriteStartObject();
        json.WriteString("name"u8, options.Value.ServerName);
        json.WriteString("version"u8, Version);
        json.WriteStartArray("extensions"u8);
        foreach (var extension in ExtensionsOf(shared)) json.WriteStringValue(extension);
        json.WriteEndArray();
        json.WriteEndObject();
        await json.FlushAsync(context.RequestAborted);
    }

    /// <summary>Clients look at the status only.</summary>
    public static Task HandleHealth(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status200OK;
        return Task.CompletedTask;
    }
}
