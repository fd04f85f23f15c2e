using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Limits;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Gives a tenant a limit of its own, or takes it away again. What the tenant has already stays; only more is refused.</summary>
internal static partial class PutTenantLimit
{
    public static async Task<Results<Ok<TenantLimitResponse>, ProblemHttpResult>> HandleAsync(
        string tenant, string limit, PutTenantLimitRequest request, PlatformDb db, IServiceScopeFactory scopes, TenantLimitsDirectory limits,
        ILogger<Tenant> logger, CancellationToken cancellationToken)
    {
        var (found, refused) = await FindAsync(tenant, limit, db, cancellationToken);
        if (found is null) return refused!.ToResult();
        if (TenantLimits.Check(limit, request.Value) is { } remedy) return HttpProblems.InvalidField("value", $"is {request.Value}", remedy).ToResult();

        // The row is the other tenant's, so it is written in a scope of its own.
        await using (var scope = scopes.CreateAsyncScope())
        {
            scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(found.Id);
            var rows = scope.ServiceProvider.GetRequiredService<PlatformDb>();
            var row = await rows.TenantLimitOverrides().SingleOrDefaultAsync(own => own.Name == limit, cancellationToken);
            if (row is null) rows.TenantLimitOverrides().Add(new TenantLimitOverride { Name = limit, Value = request.Value });
            else row.Value = request.Value;
            await rows.SaveChangesAsync(cancellationToken);
        }
        limits.Forget();
        Log.Changed(logger, limit, tenant, request.Value);
        return TypedResults.Ok(limits.Of(found.Id).ToResponse(limit, limits.Defaults));
    }

    public static async Task<Results<NoContent, ProblemHttpResult>> HandleDeleteAsync(
        string tenant, string limit, PlatformDb db, IServiceScopeFactory scopes, TenantLimitsDirectory limits, CancellationToken cancellationToken)
    {
        var (found, refused) = await FindAsync(tenant, limit, db, cancellationToken);
        if (found is null) return refused!.ToResult();
        await using (var scope = scopes.CreateAsyncScope())
        {
            scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(found.Id);
            await scope.ServiceProvider.GetRequiredService<PlatformDb>().TenantLimitOverrides()
                .Where(own => own.Name == limit).ExecuteDeleteAsync(cancellationToken);
        }
        limits.Forget();
        return TypedResults.NoContent();
    }

    private static async Task<Outcome<Tenant>> FindAsync(string tenant, string limit, PlatformDb db, CancellationToken cancellationToken)
    {
        if (await db.Tenants().AsNoTracking().SingleOrDefaultAsync(row => row.Name == tenant, cancellationToken) is not { } found)
            return TenancyProblems.TenantNotFound(tenant);
        return TenantLimits.Names.Contains(limit) ? found : TenancyProblems.TenantLimitNotFound(limit);
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "The limit {Limit} of tenant {Tenant} is {Value} now.")]
        public static partial void Changed(ILogger logger, string limit, string tenant, double value);
    }
}
