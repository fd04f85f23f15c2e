using Atoll.Contracts;
using Atoll.Platform.Security;

namespace Atoll.Tenancy;

/// <summary>Tenants, principals, grants, keys and tokens: who may do what.</summary>
internal static class TenancyModule
{
    public static void AddTenancy(this IServiceCollection services)
    {
        services.AddSingleton<CallerDirectory>();
        services.AddSingleton<AccessTokens>();
        services.AddSingleton<FirstStart>();
    }

    public static void MapTenancy(this RouteGroupBuilder api)
    {
        api.MapPost("/tenants", CreateTenant.HandleAsync).Needs(Permissions.PlatformAdminister)
            .WithName("createTenant").WithSummary("Make a tenant; the answer holds its administrator's key.");
        api.MapGet("/me", GetCaller.Handle).ForCallers("tells only the caller about itself")
            .WithName("getCaller").WithSummary("Who the server takes you for.");
    }
}
