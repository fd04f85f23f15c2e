using System.Text.Encodings.Web;
using System.Text.Json;
using Atoll.Contracts;
using Atoll.Platform.Grpc;
using Atoll.Platform.Telemetry;

namespace Atoll.Platform.Http;

/// <summary>Writes a refusal in the words of the protocol that was spoken.</summary>
internal static class ProblemWriter
{
    public static Task WriteAsync(HttpContext context, Problem problem)
    {
        // Not every protocol has a place for it in the body.
        RequestTrace.Tell(context);
        if (GrpcAnswers.IsGrpc(context.Request))
        {
            GrpcAnswers.Write(context, Status.Of(problem), problem.RetryAfter);
            return Task.CompletedTask;
        }
        problem.WriteHeaders(context.Response);
        if (IsOpenInference(context.Request.Path))
        {
            // Open Inference Protocol: any error is {"error": text}.
            context.Response.StatusCode = problem.Status;
            context.Response.ContentType = "application/json";
            var text = problem.Remedy is null ? problem.Detail : $"{problem.Detail} {problem.Remedy}";

            // Clients look for words in quotes in the body as it is.
            var escaped = JsonEncodedText.Encode(text, JavaScriptEncoder.UnsafeRelaxedJsonEscaping);
            return context.Response.WriteAsync($"{{\"error\":\"{escaped}\"}}", context.RequestAborted);
        }
        if (IsEinstein(context.Request.Path))
        {
            context.Response.StatusCode = problem.Status;
            var isPrediction = context.GetEndpoint()?.Metadata.GetMetadata<RunsModel>() is not null;
            return context.Response.WriteAsJsonAsync(
                new EinsteinErrorResponse { Message = EinsteinMessageOf(problem), Object = isPrediction ? "predictresponse" : null },
                AtollJson.Default.EinsteinErrorResponse, cancellationToken: context.RequestAborted);
        }
        return problem.ToResult().ExecuteAsync(context);
    }

    /// <summary>Whether the path is one of the Open Inference Protocol's.</summary>
    public static bool IsOpenInference(PathString path) => path.StartsWithSegments("/v2") && !IsEinstein(path);

    public static bool IsEinstein(PathString path) =>
        path.StartsWithSegments("/v2/oauth2") || path.StartsWithSegments("/v2/vision") || path.StartsWithSegments("/v2/language")
        || path.StartsWithSegments("/v2/apiusage") || path.StartsWithSegments("/v1");

    // Clients know the documented words by heart.
    private static string EinsteinMessageOf(Problem problem) =>
        problem.Status == 401 ? problem.Detail.StartsWith("Invalid authentication scheme", StringComparison.Ordinal) ? "Invalid authentication scheme" : "Invalid access token"
        : problem.Remedy is null ? problem.Detail : $"{problem.Detail} {problem.Remedy}";
}
