using Atoll.Platform.Security;

namespace Atoll.Platform.Http;

/// <summary>Routes that do something with a thing: <c>POST /runs/{run}:cancel</c>.</summary>
internal static class ActionRoutes
{
    /// <summary>Takes POST there; any other method is told so, instead of looking for a thing with the action in its name.</summary>
    public static RouteHandlerBuilder MapAction(this IEndpointRouteBuilder routes, string pattern, Delegate handler)
    {
        routes.Map(pattern, Refuse).ForAnybody("says only which method to use").ExcludeFromDescription();
        return routes.MapPost(pattern, handler);
    }

    private static Task Refuse(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status405MethodNotAllowed;
        context.Response.Headers.Allow = "POST";
        return Task.CompletedTask;
    }
}
