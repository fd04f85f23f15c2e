using System.Text;

namespace Atoll.Platform.Telemetry;

/// <summary>Tells the metrics of the server to Prometheus and whatever reads its text.</summary>
internal static class GetMetrics
{
    public static Task HandleAsync(HttpContext context, MetricReader metrics)
    {
        context.Response.ContentType = PrometheusText.ContentType;
        context.Response.Headers.CacheControl = "no-store";
        return context.Response.WriteAsync(metrics.Read(), Encoding.UTF8, context.RequestAborted);
    }
}
