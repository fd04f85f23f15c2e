using Atoll.Contracts;

namespace Atoll.Platform.Http;

/// <summary>Answers load balancers: 200 when traffic may come.</summary>
internal static class ReadyAnswer
{
    public static Task HandleAsync(HttpContext context, Readiness readiness) => readiness.IsReached
        ? TypedResults.Text("ready\n").ExecuteAsync(context)
        : ProblemWriter.WriteAsync(context, WarmingUp());

    /// <summary>The same for clients of the Open Inference Protocol, which look at the status only.</summary>
    public static Task HandleInferenceAsync(HttpContext context, Readiness readiness)
    {
        context.Response.StatusCode = StatusCodes.Status200OK;
        return readiness.IsReached ? Task.CompletedTask : ProblemWriter.WriteAsync(context, WarmingUp());
    }

    private static Problem WarmingUp() => new(503, ProblemCodes.Busy, "The server loads models that are pinned or were used before it was stopped.", "Requests are answered already.");
}
