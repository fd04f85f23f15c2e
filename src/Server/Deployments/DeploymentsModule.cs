using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Database;
using Atoll.Platform.Security;
using Atoll.Platform.Telemetry;

namespace Atoll.Deployments;

/// <summary>Endpoints: stable addresses, and which version answers there.</summary>
internal static class DeploymentsModule
{
    public static void AddDeployments(this IServiceCollection services)
    {
        services.AddSettings<DeploymentsOptions>("Deployments");
        services.AddSingleton<RouteTable>();
        services.AddSingleton<ServedModels>();
        services.AddSingleton<IMetrics, CacheMetrics>();
        services.AddSingleton<ITenantMemory>(provider => provider.GetRequiredService<ServedModels>());
        services.AddSingleton<ITenantMemory>(provider => provider.GetRequiredService<RouteTable>());
    }

    public static void MapDeployments(this RouteGroupBuilder api)
    {
        var endpoints = api.MapGroup("/endpoints").WithTags("Endpoints");
        endpoints.MapGet("/", ListEndpoints.HandleAsync).Needs(Permissions.Predict)
            .WithName("listEndpoints").WithSummary("Endpoints with the versions that answer there now.");
        endpoints.MapGet("/{endpoint}", ListEndpoints.HandleOneAsync).Needs(Permissions.Predict)
            .WithName("getEndpoint").WithSummary("An endpoint with its address and the signature of its inputs.");
    }
}
