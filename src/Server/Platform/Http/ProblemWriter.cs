using System.Text.Json;

namespace Atoll.Platform.Http;

/// <summary>Writes a refusal in the words of the protocol that was spoken.</summary>
internal static class ProblemWriter
{
    public static Task WriteAsync(HttpContext context, Problem problem)
    {
        if (IsOpenInference(context.Request.Path))
        {
            // Open Inference Protocol: any error is {"error": text}.
            context.Response.StatusCode = problem.Status;
            context.Response.ContentType = "application/json";
            var text = problem.Remedy is null ? problem.Detail : $"{problem.Detail} {problem.Remedy}";
            return context.Response.WriteAsync($"{{\"error\":{JsonSerializer.Serialize(text)}}}", context.RequestAborted);
        }
        return problem.ToResult().ExecuteAsync(context);
    }

    private static bool IsOpenInference(PathString path) =>
        path.StartsWithSegments("/v2", out var rest)
        && (!rest.HasValue || rest.StartsWithSegments("/models") || rest.StartsWithSegments("/health") || rest.StartsWithSegments("/repository"));
}
