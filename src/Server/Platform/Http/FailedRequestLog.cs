using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Atoll.Platform.Grpc;
using Atoll.Platform.Security;
using Atoll.Platform.Telemetry;
using Atoll.Serving;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http.Features;

namespace Atoll.Platform.Http;

/// <summary>
/// A line for every request that failed; of a tenant that fails alike many times a second, a few of them, with the number of the others.
/// Addresses are logged as patterns: a path or query may hold a secret.
/// </summary>
internal sealed partial class FailedRequestLog(RequestDelegate next, ILogger<FailedRequestLog> logger, TimeProvider clock)
{
    private const double LinesPerSecond = 10;
    private const int KindsKept = 4_096;

    private readonly ConcurrentDictionary<(string Tenant, string Status, string Route), Kind> _kinds = [];

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
        var outcome = call?.ToString() ?? status.ToString(CultureInfo.InvariantCulture);
        if (!_kinds.TryGetValue((tenant, outcome, route), out var kind))
        {
            // Few fail in so many ways; to begin anew costs some lines more.
            if (_kinds.Count >= KindsKept) _kinds.Clear();
            kind = _kinds.GetOrAdd((tenant, outcome, route), static _ => new Kind());
        }
        if (!kind.MayBeTold(clock, out var others)) return;
        var level = isOurs ? LogLevel.Warning : LogLevel.Information;
        if (others > 0) Log.Others(logger, level, others, route, outcome, tenant);
        Log.Failed(
            logger, level, context.Request.Method, route, outcome, tenant, (long)Stopwatch.GetElapsedTime(started).TotalMilliseconds, RequestTrace.IdOf(context));
    }

    /// <summary>Failures of a tenant at one route with the same status.</summary>
    private sealed class Kind
    {
        private long _due;
        private long _untold;

        /// <param name="others">Those before that were not told.</param>
        public bool MayBeTold(TimeProvider clock, out long others)
        {
            others = 0;
            if (CellRate.Take(ref _due, LinesPerSecond, clock) > TimeSpan.Zero)
            {
                Interlocked.Increment(ref _untold);
                return false;
            }
            others = Interlocked.Exchange(ref _untold, 0);
            return true;
        }
    }

    private static partial class Log
    {
        [LoggerMessage("{Count} more requests to {Route} were answered {Status} to tenant {Tenant} meanwhile.")]
        public static partial void Others(ILogger logger, LogLevel level, long count, string route, string status, string tenant);

        [LoggerMessage("{Method} {Route} answered {Status} to tenant {Tenant} after {Milliseconds} ms; trace {Trace}.")]
        public static partial void Failed(ILogger logger, LogLevel level, string method, string route, string status, string tenant, long milliseconds, string trace);
    }
}
