using System.Globalization;
using System.Text.Json;
using Atoll.Contracts;
using Atoll.Deployments;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Registry;
using Microsoft.EntityFrameworkCore;
using Route = Atoll.Deployments.Route;

namespace Atoll.Prediction.OpenInference;

/// <summary>Tells what tensors a model takes and gives. A model of the protocol is an endpoint of the caller's tenant.</summary>
internal static class DescribeModel
{
    /// <summary>The protocol's name of what runs the models.</summary>
    public const string Platform = "onnxruntime_onnx";

    public static async Task HandleAsync(
        HttpContext context, string model, string? version, Caller caller, PlatformDb db, InferenceRunner runner, CancellationToken cancellationToken)
    {
        var (route, missing) = await runner.FindAsync(caller.TenantId, model, version, cancellationToken);
        if (route is null)
        {
            await ProblemWriter.WriteAsync(context, missing!);
            return;
        }
        var versions = await VersionsAsync(db, route, cancellationToken);

        context.Response.ContentType = "application/json";
        await using var json = new Utf8JsonWriter(context.Response.BodyWriter, new JsonWriterOptions { Encoder = JsonText.Encoder });
        json.WriteStartObject();
        json.WriteString("name"u8, route.Endpoint);
        json.WriteStartArray("versions"u8);
        foreach (var number in versions) json.WriteStringValue(number.ToString(CultureInfo.InvariantCulture));
        json.WriteEndArray();
        json.WriteString("platform"u8, Platform);
        Write(json, "inputs", route.Signature.Inputs);
        Write(json, "outputs", route.Signature.Outputs);
        json.WriteEndObject();
        await json.FlushAsync(cancellationToken);
    }

    /// <summary>A model that is known and whole answers; it is loaded when it is first asked.</summary>
    public static async Task HandleReadyAsync(
        HttpContext context, string model, string? version, Caller caller, InferenceRunner runner, ServedModels models, CancellationToken cancellationToken)
    {
        var (route, missing) = await runner.FindAsync(caller.TenantId, model, version, cancellationToken);
        if (route is null) await ProblemWriter.WriteAsync(context, missing!);
        else await models.CheckAsync(route, cancellationToken);
    }

    /// <summary>The numbers of all versions of the model.</summary>
    public static Task<List<int>> VersionsAsync(PlatformDb db, Route route, CancellationToken cancellationToken) =>
        db.ModelVersions().Join(db.Models(), v => v.ModelId, m => m.Id, (v, m) => new { v.Number, m.Name })
            .Where(row => row.Name == route.Model).Select(row => row.Number).Order().ToListAsync(cancellationToken);

    private static void Write(Utf8JsonWriter json, string name, IReadOnlyList<TensorSpec> tensors)
    {
        json.WriteStartArray(name);
        foreach (var tensor in tensors)
        {
            json.WriteStartObject();
            json.WriteString("name"u8, tensor.Name);
            json.WriteString("datatype"u8, tensor.Datatype);
            json.WriteStartArray("shape"u8);
            foreach (var dimension in tensor.Shape) json.WriteNumberValue(dimension);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }
}
