using System.Globalization;
using Atoll.Contracts;
using Atoll.Deployments;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Prediction.OpenInference.Grpc.Messages;
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
        if (route is null) await ProblemWriter.WriteAsync(context, missing!);
        else await MessageAnswer.WriteAsync(context, await DescribeAsync(db, route, cancellationToken), cancellationToken);
    }

    /// <summary>A model that is known and whole answers; it is loaded when it is first asked.</summary>
    public static async Task HandleReadyAsync(
        HttpContext context, string model, string? version, Caller caller, InferenceRunner runner, ServedModels models, CancellationToken cancellationToken)
    {
        var (route, missing) = await runner.FindAsync(caller.TenantId, model, version, cancellationToken);
        if (route is null) await ProblemWriter.WriteAsync(context, missing!);
        else await models.CheckAsync(route, cancellationToken);
    }

    /// <summary>The same as a message: what is not there or damaged is not ready, which is no error.</summary>
    public static async Task<bool> IsReadyAsync(
        string tenantId, string model, string? version, InferenceRunner runner, ServedModels models, CancellationToken cancellationToken)
    {
        var (route, _) = await runner.FindAsync(tenantId, model, version, cancellationToken);
        if (route is null) return false;
        try
        {
            await models.CheckAsync(route, cancellationToken);
            return true;
        }
        catch (Exception damaged) when (damaged is BlobCorruptException or FileNotFoundException)
        {
            return false;
        }
    }

    public static async Task<ModelMetadataResponse> DescribeAsync(PlatformDb db, Route route, CancellationToken cancellationToken)
    {
        var versions = await db.ModelVersions().Join(db.Models(), v => v.ModelId, m => m.Id, (v, m) => new { v.Number, m.Name })
            .Where(row => row.Name == route.Model).Select(row => row.Number).Order().ToListAsync(cancellationToken);
        return new ModelMetadataResponse
        {
            Name = route.Endpoint,
            Versions = { versions.Select(number => number.ToString(CultureInfo.InvariantCulture)) },
            Platform = Platform,
            Inputs = { route.Signature.Inputs.Select(Describe) },
            Outputs = { route.Signature.Outputs.Select(Describe) },
        };
    }

    private static ModelMetadataResponse.Types.TensorMetadata Describe(TensorSpec tensor) => new() { Name = tensor.Name, Datatype = tensor.Datatype, Shape = { tensor.Shape } };
}
