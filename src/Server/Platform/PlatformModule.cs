using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Grpc;
using Atoll.Platform.Http;
using Atoll.Platform.Jobs;
using Atoll.Platform.Limits;
using Atoll.Platform.Telemetry;

namespace Atoll.Platform;

/// <summary>What every module stands on: database, blobs, jobs, answers to errors.</summary>
internal static class PlatformModule
{
    public static void AddPlatform(this IServiceCollection services)
    {
        services.AddSettings<AtollOptions>("Atoll");
        services.AddSingleton(TimeProvider.System);
        services.AddSqliteDatabase();
        services.AddSettings<TenantLimits>(TenantLimits.Section);
        services.AddSingleton<TenantLimitsDirectory>();
        services.AddSingleton(provider => new DiskUsage(provider.GetRequiredService<DataFolder>(), provider.GetRequiredService<TenantLimitsDirectory>().Of));
        services.AddSingleton<OwnAddress>();
        services.AddSingleton<Readiness>();
        services.AddSingleton<BlobStore>();
        services.AddSingleton<JobQueue>();
        services.AddSingleton<JobMetrics>();
        services.AddSingleton<IMetrics>(provider => provider.GetRequiredService<JobMetrics>());
        services.AddSingleton<IMetrics, ServerMetrics>();
        services.AddSingleton<MetricReader>();
        services.AddSettings<TelemetryOptions>("Telemetry");
        services.AddHostedService<TelemetryExport>();
        services.AddSingleton<UsageCounters>();
        services.AddSingleton<ITenantMemory>(provider => provider.GetRequiredService<UsageCounters>());
        services.AddHostedService<JobWorker>();
        services.AddSingleton<BlobSweeper>();
        services.AddHostedService(provider => provider.GetRequiredService<BlobSweeper>());
        services.AddExceptionHandler<ErrorHandling>();
        services.AddProblemDetails(problems => problems.CustomizeProblemDetails = answer =>
            answer.ProblemDetails.Extensions["traceId"] = RequestTrace.IdOf(answer.HttpContext));
        services.AddGrpc();
    }
}
