using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Database;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Makes a tenant with its first administrator and that one's key.</summary>
internal static partial class CreateTenant
{
    public static async Task<Results<Created<CreatedTenantResponse>, ProblemHttpResult>> HandleAsync(
        CreateTenantRequest request, PlatformDb db, IServiceScopeFactory scopes, TimeProvider clock, ILogger<Tenant> logger, CancellationToken cancellationToken)
    {
        if (Names.Check(request.Name) is { } invalid) return invalid.ToResult();
        if (await db.Tenants().AnyAsync(tenant => tenant.Name == request.Name, cancellationToken))
            return TenancyProblems.TenantExists(request.Name).ToResult();

        var created = await RunAsync(Ids.New("ten", clock), request.Name, "admin", Permissions.OfTenant, scopes, clock, cancellationToken);
        Log.Created(logger, request.Name);
        return TypedResults.Created($"/api/v1/tenants/{request.Name}", created);
    }

    /// <summary>The same for first start, which makes the platform tenant.</summary>
    public static async Task<CreatedTenantResponse> RunAsync(
        string id, string name, string administrator, IReadOnlyList<string> permissions, IServiceScopeFactory scopes, TimeProvider clock, CancellationToken cancellationToken)
    {
        // The rows belong to the new tenant, not to the caller's, so they are written in a scope of their own.
        await using var scope = scopes.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(id);
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        var now = clock.GetUtcNow().UtcDateTime;
        var tenant = new Tenant { Id = id, Name = name, CreatedUtc = now };
        var principal = new Principal { Id = Ids.New("prn", clock), Name = administrator, CreatedUtc = now };
        var (secret, key) = ApiKeys.Create(principal.Id, "made with the tenant", null, clock);
        db.Tenants().Add(tenant);
        db.Principals().Add(principal);
        db.Grants().AddRange(permissions.Select(permission => new Grant { PrincipalId = principal.Id, Permission = permission }));
        db.ApiKeys().Add(key);
        await db.SaveChangesAsync(cancellationToken);
        return new CreatedTenantResponse
        {
            Tenant = new TenantResponse { Id = id, Name = name, CreatedUtc = now },
            AdministratorKey = new CreatedApiKeyResponse { Id = key.Id, Principal = administrator, Secret = secret },
        };
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Created tenant {Tenant}.")]
        public static partial void Created(ILogger logger, string tenant);
    }
}
