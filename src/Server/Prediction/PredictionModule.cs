using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Security;
using Atoll.Prediction.OpenInference;

namespace Atoll.Prediction;

/// <summary>Predictions: raw samples over the platform's own API, tensors over the Open Inference Protocol.</summary>
internal static class PredictionModule
{
    public static void AddPrediction(this IServiceCollection services)
    {
        services.AddSettings<PredictionOptions>("Prediction");
        services.AddSingleton<RunPermits>();
        services.AddSingleton<PredictionRunner>();
    }

    public static void MapPrediction(this RouteGroupBuilder api)
    {
        api.MapPost("/endpoints/{endpoint}:predict", Predict.HandleAsync).Needs(Permissions.Predict).WithTags("Endpoints")
            .WithName("predict").WithSummary("Predict rows, texts or images: JSON, csv or a form with files.")
            .Produces<PredictResponse>(StatusCodes.Status200OK, "application/json", "text/csv")
            .ProducesProblem(StatusCodes.Status400BadRequest).ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status413PayloadTooLarge).ProducesProblem(StatusCodes.Status415UnsupportedMediaType)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);
    }

    /// <summary>The Open Inference Protocol, at the addresses where its clients look for it.</summary>
    public static void MapOpenInference(this IEndpointRouteBuilder app)
    {
        var v2 = app.MapGroup("/v2").WithTags("Open Inference Protocol");
        v2.Only("GET", "", DescribeServer.Handle, "describeInferenceServer", "Name and version of the server, and the extensions it speaks.")
            .ForAnybody("names only the product");
        v2.Only("GET", "/health/live", DescribeServer.HandleHealth, "isInferenceServerLive", "200 while the process lives.")
            .ForAnybody("says only that the process lives");
        v2.Only("GET", "/health/ready", DescribeServer.HandleHealth, "isInferenceServerReady", "200 when predictions can be asked for.")
            .ForAnybody("says only that the process answers");
        foreach (var (path, suffix) in (ReadOnlySpan<(string, string)>)[("/models/{model}", ""), ("/models/{model}/versions/{version}", "Version")])
        {
            v2.Only("GET", path, DescribeModel.HandleAsync, $"describeInferenceModel{suffix}", "Inputs and outputs of a model; its name is that of an endpoint.")
                .Needs(Permissions.Predict);
            v2.Only("GET", path + "/ready", DescribeModel.HandleReadyAsync, $"isInferenceModel{suffix}Ready", "200 when the model answers.")
                .Needs(Permissions.Predict);
            v2.Only("POST", path + "/infer", Infer.HandleAsync, $"inferModel{suffix}", "Run a model on tensors.")
                .Needs(Permissions.Predict);
        }
        foreach (var area in (ReadOnlySpan<string>)["models", "health"])
        {
            v2.Map($"/{area}/{{**rest}}", OpenInferenceProblems.NotFoundAsync).ForAnybody("holds no data").ExcludeFromDescription().WithOrder(2);
        }
    }

    /// <summary>Maps a path for one method; any other is answered as the protocol wants it.</summary>
    private static RouteHandlerBuilder Only(this RouteGroupBuilder group, string method, string path, Delegate handler, string name, string summary)
    {
        group.Map(path, OpenInferenceProblems.MethodNotAllowedAsync).ForAnybody("holds no data").ExcludeFromDescription().WithOrder(1);
        return group.MapMethods(path, [method], handler).WithName(name).WithSummary(summary);
    }
}
