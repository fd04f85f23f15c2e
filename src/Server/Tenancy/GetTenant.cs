using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Limits;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Shows one tenant.</summary>
internal static class GetTenant
{
    public static async Task<Results<Ok<TenantResponse>, ProblemHttpResult>> HandleAsync(
        string tenant, PlatformDb db, TenantLimitsDirectory limits, CancellationToken cancellationToken)
    {
        var found = await db.Tenants().AsNoTracking().SingleOrDefaultAsync(row => row.Name == tenant, cancellationToken);
        if (found is null) return TenancyProblems.TenantNotFound(tenant).ToResult();
        var most = limits.Of(found.Id);
        return TypedResults.Ok(found.ToResponse() with { Limits = [.. TenantLimits.Names.Select(name => most.ToResponse(name, limits.Defaults))] });
    }
}
