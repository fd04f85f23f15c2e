using System.Globalization;
using System.Text.Json;
using Atoll.Deployments;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Registry;
using Atoll.Serving.Onnx;
using Microsoft.EntityFrameworkCore;
using Step = Atoll.Serving.Onnx.RunStatistics.Step;

namespace Atoll.Prediction.OpenInference;

/// <summary>Tells what was asked of models since they came into memory; their counts go with them.</summary>
internal static class ModelStatistics
{
    // A tenant may have many models; what was written is sent before there is more of it.
    private const int FlushBytes = 16 * 1024;

    public static async Task HandleAsync(
        HttpContext context, string model, string? version, Caller caller, InferenceRunner runner, ServedModels models, CancellationToken cancellationToken)
    {
        var (route, missing) = await runner.FindAsync(caller.TenantId, model, version, cancellationToken);
        if (route is null)
        {
            await ProblemWriter.WriteAsync(context, missing!);
            return;
        }
        await WriteAsync(context, One(), caller, models, isLoadedOnly: false, cancellationToken);

        async IAsyncEnumerable<Served> One()
        {
            await Task.CompletedTask;
            yield return new Served(route.Endpoint, route.Version, route.ServingDigest);
        }
    }

    /// <summary>All models of the tenant that are in memory.</summary>
    public static Task HandleAllAsync(HttpContext context, Caller caller, PlatformDb db, ServedModels models, CancellationToken cancellationToken) => WriteAsync(
        context,
        db.Endpoints().Join(db.ModelVersions(), endpoint => endpoint.ModelId, version => version.ModelId, (endpoint, version) => new { endpoint.Name, version.Number, version.ServingDigest })
            .OrderBy(row => row.Name).ThenBy(row => row.Number).Select(row => new Served(row.Name, row.Number, row.ServingDigest)).AsAsyncEnumerable(),
        caller, models, isLoadedOnly: true, cancellationToken);

    private static async Task WriteAsync(
        HttpContext context, IAsyncEnumerable<Served> versions, Caller caller, ServedModels models, bool isLoadedOnly, CancellationToken cancellationToken)
    {
        context.Response.ContentType = "application/json";
        await using var json = new Utf8JsonWriter(context.Response.BodyWriter, new JsonWriterOptions { Encoder = JsonText.Encoder });
        json.WriteStartObject();
        json.WriteStartArray("model_stats"u8);
        await foreach (var version in versions.WithCancellation(cancellationToken))
        {
            if (models.TryPeek(caller.TenantId, version.Digest, out var lease))
            {
                using (lease) Write(json, version, lease.Session.Statistics, lease.Bytes);
            }
            else if (!isLoadedOnly)
            {
                Write(json, version, new RunStatistics(), null);
            }
            if (json.BytesPending > FlushBytes) await json.FlushAsync(cancellationToken);
        }
        json.WriteEndArray();
        json.WriteEndObject();
        await json.FlushAsync(cancellationToken);
    }

    private static void Write(Utf8JsonWriter json, Served version, RunStatistics statistics, long? bytes)
    {
        json.WriteStartObject();
        json.WriteString("name"u8, version.Name);
        json.WriteString("version"u8, version.Number.ToString(CultureInfo.InvariantCulture));
        json.WriteNumber("last_inference"u8, statistics.LastUnixMs);
        json.WriteNumber("inference_count"u8, statistics.Samples);
        json.WriteNumber("execution_count"u8, statistics[Step.ComputeInfer].Count);
        json.WriteStartObject("inference_stats"u8);
        Write(json, "success", statistics[Step.Success]);
        Write(json, "fail", statistics[Step.Fail]);
        Write(json, "queue", statistics[Step.Queue]);
        Write(json, "compute_input", statistics[Step.ComputeInput]);
        Write(json, "compute_infer", statistics[Step.ComputeInfer]);
        Write(json, "compute_output", statistics[Step.ComputeOutput]);

        // Nothing is answered from memory of answers.
        Write(json, "cache_hit", default);
        Write(json, "cache_miss", default);
        json.WriteEndObject();
        json.WriteStartObject("response_stats"u8);
        json.WriteEndObject();
        json.WriteStartArray("batch_stats"u8);
        json.WriteEndArray();
        json.WriteStartArray("memory_usage"u8);
        if (bytes is { } size)
        {
            json.WriteStartObject();
            json.WriteString("type"u8, "CPU");
            json.WriteNumber("id"u8, 0);
            json.WriteNumber("byte_size"u8, size);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string name, StepStatistics step)
    {
        json.WriteStartObject(name);
        json.WriteNumber("count"u8, step.Count);
        json.WriteNumber("ns"u8, step.Nanoseconds);
        json.WriteEndObject();
    }

    /// <summary>A version and where its memory is found.</summary>
    private sealed record Served(string Name, int Number, string Digest);
}
