using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Security;

namespace Atoll.Monitoring;

/// <summary>What tenants use, and what their endpoints predicted.</summary>
internal static class MonitoringModule
{
    public static void AddMonitoring(this IServiceCollection services)
    {
        services.AddSettings<MonitoringOptions>("Monitoring");
        services.AddSingleton<UsageRecorder>();
        services.AddHostedService(provider => provider.GetRequiredService<UsageRecorder>());
        services.AddSingleton<PredictionLog>();
        services.AddSingleton<ITenantMemory>(provider => provider.GetRequiredService<PredictionLog>());
        services.AddHostedService(provider => provider.GetRequiredService<PredictionLog>());
    }

    public static void MapMonitoring(this RouteGroupBuilder api)
    {
        var usage = api.MapGroup("/usage").WithTags("Usage");
        usage.MapGet("", ListUsage.HandleAsync).Needs(Permissions.TenantAdminister)
            .WithName("listUsage").WithSummary("What the tenant used, day by day; the last 30 days unless 'from' and 'to' say others.");
        usage.MapGet("/all", ListUsage.HandleAllAsync).Needs(Permissions.PlatformObserve)
            .WithName("listUsageOfAllTenants").WithSummary("The same of every tenant.");

        // What was predicted for is data.
        var log = api.MapGroup("/endpoints/{endpoint}/log").WithTags("Endpoints");
        log.MapGet("", LogPredictions.HandleAsync).Needs(Permissions.DatasetsRead)
            .WithName("getPredictionLog").WithSummary("Which share of an endpoint's predictions is kept, and the days that there are.");
        log.MapPut("", LogPredictions.HandlePutAsync).Needs(Permissions.DatasetsWrite)
            .WithName("putPredictionLog").WithSummary("Keep a share of an endpoint's predictions, or none.").WithExample("""{ "rate": 0.1, "days": 30 }""");
        log.MapDelete("", LogPredictions.HandleDeleteAsync).Needs(Permissions.DatasetsWrite)
            .WithName("deletePredictionLog").WithSummary("Delete all predictions that were kept.");
        log.MapGet("/{day}", LogPredictions.HandleDayAsync).Needs(Permissions.DatasetsRead)
            .Produces<string>(StatusCodes.Status200OK, "application/x-ndjson")
            .WithName("getPredictionLogDay").WithSummary("The predictions of a day that were kept, one line of JSON each.");
    }
}
