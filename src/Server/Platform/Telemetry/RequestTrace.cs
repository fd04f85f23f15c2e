using System.Diagnostics;
using Microsoft.Extensions.Primitives;

namespace Atoll.Platform.Telemetry;

/// <summary>The trace of a request, by which its caller, its log line and its answer are brought together (W3C Trace Context).</summary>
/// <remarks>
/// Nothing is made for a request that is neither traced nor refused: the web server's own activity for each request is switched off as long as nobody listens
/// (<see cref="RequestSpans"/>), and an id is made when it is asked for.
/// </remarks>
internal static class RequestTrace
{
    /// <summary>Header of an answer with the trace's id.</summary>
    public const string Header = "Atoll-Trace-Id";

    /// <summary>The id as 32 hexadecimal digits: that of the caller's <c>traceparent</c>, or a new one.</summary>
    public static string IdOf(HttpContext context)
    {
        // The messages of one stream are answered by several threads.
        lock (context)
        {
            if (context.Features.Get<TraceId>() is { } known) return known.Text;
            var id = new TraceId(Activity.Current is { IdFormat: ActivityIdFormat.W3C } activity
                ? activity.TraceId.ToHexString()
                : OfCaller(context.Request.Headers.TraceParent) ?? ActivityTraceId.CreateRandom().ToHexString());
            context.Features.Set(id);
            return id.Text;
        }
    }

    /// <summary>Tells the id to callers that sent one, and to those whose request is traced.</summary>
    public static Task TellAsync(HttpContext context, RequestDelegate next)
    {
        if (Activity.Current is { IsAllDataRequested: true } activity) return TraceAsync(context, next, activity);
        if (context.Request.Headers.TraceParent.Count > 0) Tell(context);
        return next(context);
    }

    // Addresses are told as patterns, as in the log: a path or query may hold a secret.
    private static async Task TraceAsync(HttpContext context, RequestDelegate next, Activity activity)
    {
        Tell(context);
        await next(context);
        var route = (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText;
        activity.DisplayName = route is null ? context.Request.Method : $"{context.Request.Method} {route}";
        activity.SetTag("http.request.method", context.Request.Method).SetTag("http.route", route).SetTag("http.response.status_code", context.Response.StatusCode);
        if (context.Response.StatusCode >= StatusCodes.Status500InternalServerError) activity.SetStatus(ActivityStatusCode.Error);
    }

    /// <summary>Tells the id, whatever becomes of the answer.</summary>
    public static void Tell(HttpContext context)
    {
        if (context.Response.HasStarted) return;
        context.Response.OnStarting(
            static state =>
            {
                var http = (HttpContext)state;
                http.Response.Headers[Header] = IdOf(http);
                return Task.CompletedTask;
            },
            context);
    }

    private static string? OfCaller(StringValues header) =>
        header.Count == 1 && ActivityContext.TryParse(header[0], null, isRemote: true, out var parent) ? parent.TraceId.ToHexString() : null;

    private sealed record TraceId(string Text);
}
