using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Database;
using Atoll.Platform.Security;
using Atoll.Platform.Telemetry;
using Atoll.Serving;
using Microsoft.Extensions.Options;

namespace Atoll.Deployments;

/// <summary>Endpoints: stable addresses, and which version answers there.</summary>
internal static class DeploymentsModule
{
    public static void AddDeployments(this IServiceCollection services)
    {
        services.AddSettings<DeploymentsOptions>("Deployments");
        services.AddSingleton<RouteTable>();
        services.AddSingleton(provider => new HotModelOptions { Share = provider.GetRequiredService<IOptions<DeploymentsOptions>>().Value.HotModelShare });
        services.AddSingleton<ServedModels>();
        services.AddSingleton<IMetrics, CacheMetrics>();
        services.AddSingleton<PinnedModels>();
        services.AddHostedService(provider => provider.GetRequiredService<PinnedModels>());
        services.AddHostedService<HotModelWatch>();
        services.AddSingleton<RecentModels>();
        services.AddHostedService(provider => provider.GetRequiredService<RecentModels>());
        services.AddSingleton<WarmUp>();
        services.AddSingleton<ITenantMemory>(provider => provider.GetRequiredService<ServedModels>());
        services.AddSingleton<ITenantMemory>(provider => provider.GetRequiredService<RouteTable>());
    }

    public static void MapDeployments(this RouteGroupBuilder api)
    {
        api.MapGet("/serving", DescribeServing.HandleAsync).WithTags("Platform").Needs(Permissions.PlatformObserve)
            .WithName("describeServing").WithSummary("Which share of all models shares sessions, why others do not, and what is in memory.");
        var endpoints = api.MapGroup("/endpoints").WithTags("Endpoints");
        endpoints.MapGet("/", ListEndpoints.HandleAsync).Needs(Permissions.Predict)
            .WithName("listEndpoints").WithSummary("Endpoints with the versions that answer there now.");
        endpoints.MapGet("/{endpoint}", ListEndpoints.HandleOneAsync).Needs(Permissions.Predict)
            .WithName("getEndpoint").WithSummary("An endpoint with its address and the signature of its inputs.");
        endpoints.MapPut("/{endpoint}/pin", PinEndpoint.HandleAsync).Needs(Permissions.ModelsPromote)
            .WithName("pinEndpoint").WithSummary("Keep what the endpoint serves in memory; it is loaded before the answer.");
        endpoints.MapDelete("/{endpoint}/pin", PinEndpoint.HandleDeleteAsync).Needs(Permissions.ModelsPromote)
            .WithName("unpinEndpoint").WithSummary("Let what the endpoint serves leave memory when others need the room.");
    }
}
