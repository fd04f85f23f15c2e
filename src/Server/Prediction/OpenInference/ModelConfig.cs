using System.Text.Json;
using Atoll.Contracts;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Microsoft.Extensions.Options;
using Route = Atoll.Deployments.Route;

namespace Atoll.Prediction.OpenInference;

/// <summary>Tells how a model is served, in the form of Triton's ModelConfig, from which clients make up requests.</summary>
internal static class ModelConfig
{
    public static async Task HandleAsync(
        HttpContext context, string model, string? version, Caller caller, InferenceRunner runner, IOptions<PredictionOptions> options, CancellationToken cancellationToken)
    {
        var (route, missing) = await runner.FindAsync(caller.TenantId, model, version, cancellationToken);
        if (route is null)
        {
            await ProblemWriter.WriteAsync(context, missing!);
            return;
        }
        context.Response.ContentType = "application/json";
        await using var json = new Utf8JsonWriter(context.Response.BodyWriter, new JsonWriterOptions { Encoder = JsonText.Encoder });
        Write(json, route, options.Value.SamplesMax);
        await json.FlushAsync(cancellationToken);
    }

    private static void Write(Utf8JsonWriter json, Route route, int samplesMax)
    {
        // A batch dimension is one in front of others in every input, and in front in every output.
        var signature = route.Signature;
        var hasBatch = signature.Inputs.All(input => input.Shape is [-1, _, ..]) && signature.Outputs.All(output => output.Shape is [-1, ..]);
        json.WriteStartObject();
        json.WriteString("name"u8, route.Endpoint);
        json.WriteString("platform"u8, DescribeModel.Platform);
        json.WriteString("backend"u8, "onnxruntime");
        json.WriteStartObject("version_policy"u8);
        json.WriteStartObject("all"u8);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteNumber("max_batch_size"u8, hasBatch ? samplesMax : 0);
        json.WriteStartArray("input"u8);
        foreach (var input in signature.Inputs)
        {
            WriteTensor(json, input, hasBatch);
            json.WriteString("format"u8, "FORMAT_NONE");
            json.WriteBoolean("is_shape_tensor"u8, false);
            json.WriteBoolean("allow_ragged_batch"u8, false);
            json.WriteBoolean("optional"u8, false);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("output"u8);
        foreach (var output in signature.Outputs)
        {
            WriteTensor(json, output, hasBatch);
            json.WriteString("label_filename"u8, "");
            json.WriteBoolean("is_shape_tensor"u8, false);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("instance_group"u8);
        json.WriteStartObject();
        json.WriteString("name"u8, route.Endpoint);
        json.WriteString("kind"u8, "KIND_CPU");
        json.WriteNumber("count"u8, 1);
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteString("default_model_filename"u8, "model.onnx");
        json.WriteStartObject("parameters"u8);
        json.WriteEndObject();
        json.WriteStartObject("model_transaction_policy"u8);
        json.WriteBoolean("decoupled"u8, false);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>Begins the object of a tensor.</summary>
    private static void WriteTensor(Utf8JsonWriter json, TensorSpec tensor, bool hasBatch)
    {
        json.WriteStartObject();
        json.WriteString("name"u8, tensor.Name);
        json.WriteString("data_type"u8, tensor.Datatype == "BYTES" ? "TYPE_STRING" : "TYPE_" + tensor.Datatype);
        json.WriteStartArray("dims"u8);
        var dimensions = tensor.Shape.Skip(hasBatch ? 1 : 0).ToList();

        // The form has no tensor without dimensions; it says how one is to be read instead.
        if (dimensions.Count == 0) json.WriteNumberValue(1);
        foreach (var dimension in dimensions) json.WriteNumberValue(dimension);
        json.WriteEndArray();
        if (dimensions.Count > 0) return;
        json.WriteStartObject("reshape"u8);
        json.WriteStartArray("shape"u8);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
