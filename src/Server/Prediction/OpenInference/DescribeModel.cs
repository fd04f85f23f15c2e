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
    public static async Task HandleAsync(
        HttpContext context, string model, string? version, Caller caller, PlatformDb db, RouteTable routes, CancellationToken cancellationToken)
    {
        var (route, missing) = await FindAsync(routes, caller.TenantId, model, version, cancellationToken);
        if (route is null)
        {
            await ProblemWriter.WriteAsync(context, missing!);
            return;
        }
        var versions = await db.ModelVersions().Join(db.Models(), v => v.ModelId, m => m.Id, (v, m) => new { v.Number, m.Name })
            .Where(row => row.Name == route.Model).Select(row => row.Number).Order().ToListAsync(cancellationToken);

        context.Response.ContentType = "application/json";
        await using var json = new Utf8JsonWriter(context.Response.BodyWriter, new JsonWriterOptions { Encoder = JsonText.Encoder });
        json.WriteStartObject();
        json.WriteString("name"u8, route.Endpoint);
        json.WriteStartArray("versions"u8);
        foreach (var number in versions) json.WriteStringValue(number.ToString(CultureInfo.InvariantCulture));
        json.WriteEndArray();
        json.WriteString("platform"u8, "onnxruntime_onnx");
        Write(json, "inputs", route.Signature.Inputs);
        Write(json, "outputs", route.Signature.Outputs);
        json.WriteEndObject();
        await json.FlushAsync(cancellationToken);
    }

    /// <summary>A model that is known answers; it is loaded when it is first asked.</summary>
    public static async Task HandleReadyAsync(
        HttpContext context, string model, string? version, Caller caller, RouteTable routes, CancellationToken cancellationToken)
    {
        var (route, missing) = await FindAsync(routes, caller.TenantId, model, version, cancellationToken);
        if (route is null) await ProblemWriter.WriteAsync(context, missing!);
    }

    /// <summary>The version behind a name of the protocol, or why there is none.</summary>
    public static async ValueTask<Outcome<Route>> FindAsync(
        RouteTable routes, string tenantId, string model, string? version, CancellationToken cancellationToken)
    {
        string? selector = null;
        if (version is not null)
        {
            if (!int.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) return OpenInferenceProblems.UnknownModel(model, version);
            selector = number.ToString(CultureInfo.InvariantCulture);
        }
        var route = await routes.FindAsync(tenantId, model, selector, cancellationToken);
        return route is null ? OpenInferenceProblems.UnknownModel(model, version) : route;
    }

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
