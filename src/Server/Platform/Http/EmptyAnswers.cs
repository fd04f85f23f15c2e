using Atoll.Contracts;
using Atoll.Platform.Grpc;
using Microsoft.AspNetCore.Diagnostics;

namespace Atoll.Platform.Http;

/// <summary>Gives words to refusals of the framework, which have none: no such route, wrong method, wrong type of body.</summary>
internal static class EmptyAnswers
{
    public static Task WriteAsync(StatusCodeContext status)
    {
        var context = status.HttpContext;
        if (GrpcAnswers.IsGrpc(context.Request))
        {
            GrpcAnswers.Write(context, new Status(StatusCode.Unimplemented, $"There is no method {context.Request.Path}."));
            return Task.CompletedTask;
        }
        var problem = context.Response.StatusCode switch
        {
            404 when ProblemWriter.IsOpenInference(context.Request.Path) => new Problem(404, ProblemCodes.NotFound, "Not Found"),
            405 when ProblemWriter.IsOpenInference(context.Request.Path) => new Problem(405, ProblemCodes.MethodNotAllowed, "Method Not Allowed"),
            404 => new Problem(404, ProblemCodes.NotFound, "There is no such address.", "All are in /openapi/v1.json."),
            405 => new Problem(405, ProblemCodes.MethodNotAllowed, $"This address does not take {context.Request.Method}.",
                $"Use {context.Response.Headers.Allow}."),
            415 => new Problem(415, ProblemCodes.UnsupportedMediaType, $"The body's type '{context.Request.ContentType}' is not taken here.",
                "Send what /openapi/v1.json describes for this route."),
            _ => null,
        };
        return problem is null ? Task.CompletedTask : ProblemWriter.WriteAsync(context, problem);
    }
}
