using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Lists tenants by name.</summary>
internal static class ListTenants
{
    public static async Task<Results<Ok<Page<TenantResponse>>, ProblemHttpResult>> HandleAsync(
        [AsParameters] Paging paging, PlatformDb db, CancellationToken cancellationToken)
    {
        if (paging.Check() is { } invalid) return invalid.ToResult();
        var after = paging.After ?? "";
        var tenants = db.Tenants().AsNoTracking().Where(tenant => string.Compare(tenant.Name, after) > 0).OrderBy(tenant => tenant.Name);
        return TypedResults.Ok(await paging.ReadAsync(tenants, tenant => tenant.Name, tenant => tenant.ToResponse(), cancellationToken));
    }
}
