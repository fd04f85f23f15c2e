using System.Text.Json;
using Atoll.Platform.Http;
using Atoll.Platform.Security;

namespace Atoll.Prediction.OpenInference;

/// <summary>The protocol's routes of system shared memory: which regions the tenant has, and their coming and going.</summary>
internal static class SharedMemoryRegions
{
    public static async Task HandleStatusAsync(HttpContext context, string? region, Caller caller, SharedMemory memory, CancellationToken cancellationToken)
    {
        var (regions, problem) = memory.List(caller.TenantId, region);
        if (regions is null)
        {
            await ProblemWriter.WriteAsync(context, problem!);
            return;
        }
        context.Response.ContentType = "application/json";
        await using var json = new Utf8JsonWriter(context.Response.BodyWriter, new JsonWriterOptions { Encoder = JsonText.Encoder });
        json.WriteStartArray();
        foreach (var one in regions)
        {
            json.WriteStartObject();
            json.WriteString("name"u8, one.Name);
            json.WriteString("key"u8, one.Key);
            json.WriteNumber("offset"u8, one.Offset);
            json.WriteNumber("byte_size"u8, one.ByteSize);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        await json.FlushAsync(cancellationToken);
    }

    public static async Task HandleRegisterAsync(HttpContext context, string region, Caller caller, SharedMemory memory, CancellationToken cancellationToken)
    {
        if (await RegisterAsync(context, region, caller, memory, cancellationToken) is { } problem) await ProblemWriter.WriteAsync(context, problem);
    }

    /// <summary>One region, or all of the tenant's.</summary>
    public static Task HandleUnregisterAsync(HttpContext context, string? region, Caller caller, SharedMemory memory) =>
        memory.Unregister(caller.TenantId, region) is { } problem ? ProblemWriter.WriteAsync(context, problem) : Task.CompletedTask;

    private static Task<Problem?> RegisterAsync(HttpContext context, string region, Caller caller, SharedMemory memory, CancellationToken cancellationToken) =>
        JsonBody.ReadAsync(context.Request, mayBeEmpty: false, root =>
        {
            if (!root.TryGetProperty("key", out var key) || key.ValueKind != JsonValueKind.String) return OpenInferenceProblems.Invalid("Unable to parse 'key', expected a string");
            return ReadWhole(root, "offset", out var offset) ?? ReadWhole(root, "byte_size", out var byteSize) ?? memory.Register(caller, region, key.GetString()!, offset, byteSize);
        }, cancellationToken);

    private static Problem? ReadWhole(JsonElement root, string name, out ulong number)
    {
        number = 0;
        return !root.TryGetProperty(name, out var value) || (value.ValueKind == JsonValueKind.Number && value.TryGetUInt64(out number))
            ? null
            : OpenInferenceProblems.Invalid($"Unable to parse '{name}', expected a whole number of at least 0");
    }
}
