using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Security;

namespace Atoll.Monitoring;

/// <summary>What tenants use.</summary>
internal static class MonitoringModule
{
    public static void AddMonitoring(this IServiceCollection services)
    {
        services.AddSettings<MonitoringOptions>("Monitoring");
        services.AddSingleton<UsageRecorder>();
        services.AddHostedService(provider => provider.GetRequiredService<UsageRecorder>());
    }

    public static void MapMonitoring(this RouteGroupBuilder api)
    {
        var usage = api.MapGroup("/usage").WithTags("Usage");
        usage.MapGet("", ListUsage.HandleAsync).Needs(Permissions.TenantAdminister)
            .WithName("listUsage").WithSummary("What the tenant used, day by day; the last 30 days unless 'from' and 'to' say others.");
        usage.MapGet("/all", ListUsage.HandleAllAsync).Needs(Permissions.PlatformObserve)
            .WithName("listUsageOfAllTenants").WithSummary("The same of every tenant.");
    }
}
