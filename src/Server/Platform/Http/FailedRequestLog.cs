using System.Diagnostics;
using System.Globalization;
using Atoll.Platform.Grpc;
using Atoll.Platform.Security;
using Atoll.Platform.Telemetry;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http.Features;

namespace Atoll.Platform.Http;

/// <summary>One line for every request that failed. Addresses are logged as patterns: a path or query may hold a secret.</summary>
internal sealed partial class FailedRequestLog(RequestDelegate next, ILogger<FailedRequestLog> logger)
{
    public async Task InvokeAsync(HttpContext context)
    {
        var started = Stopwatch.GetTimestamp();
        await next(context);
        var status = context.Response.StatusCode;

        // Calls of gRPC fail with a status of their own, under that of a success.
        var call = context.Features.Get<GrpcOutcome>()?.StatusCode;
        if (status < 400 && call is null) return;
        if (call is not null) context.Features.Get<IHttpMetricsTagsFeature>()?.Tags.Add(new("rpc.grpc.status_code", call.ToString()));
        var isOurs = status >= 500 || call is StatusCode.Unknown or StatusCode.Internal or StatusCode.DataLoss;
        var endpoint = context.GetEndpoint() ?? context.Features.Get<IExceptionHandlerFeature>()?.Endpoint;
        var route = (endpoint as RouteEndpoint)?.RoutePattern.RawText ?? "(no route)";
        var tenant = context.Features.Get<Caller>()?.TenantName ?? "-";
        Log.Failed(
            logger, isOurs ? LogLevel.Warning : LogLevel.Information, context.Request.Method, route,
            call?.ToString() ?? status.ToString(CultureInfo.InvariantCulture), tenant,
            (long)Stopwatch.GetElapsedTime(started).TotalMilliseconds, RequestTrace.IdOf(context));
    }

    private static partial class Log
    {
        [LoggerMessage("{Method} {Route} answered {Status} to tenant {Tenant} after {Milliseconds} ms; trace {Trace}.")]
        public static partial void Failed(ILogger logger, LogLevel level, string method, string route, string status, string tenant, long milliseconds, string trace);
    }
}
