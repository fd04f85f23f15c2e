using Atoll.Contracts;
using Atoll.Platform.Database;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Shows one tenant.</summary>
internal static class GetTenant
{
    public static async Task<Results<Ok<TenantResponse>, ProblemHttpResult>> HandleAsync(
        string tenant, PlatformDb db, CancellationToken cancellationToken)
    {
        var found = await db.Tenants().AsNoTracking().SingleOrDefaultAsync(row => row.Name == tenant, cancellationToken);
        return found is null ? TenancyProblems.TenantNotFound(tenant).ToResult() : TypedResults.Ok(found.ToResponse());
    }
}
