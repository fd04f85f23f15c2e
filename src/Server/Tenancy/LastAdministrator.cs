using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Keeps a tenant from locking itself out: somebody with a credential that works must be able to administer it.</summary>
internal static class LastAdministrator
{
    /// <summary>Called inside the transaction, after the change and before its commit. A problem means: do not commit.</summary>
    public static async Task<Problem?> CheckAsync(PlatformDb db, string tenantId, TimeProvider clock, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> needed = tenantId == Tenant.PlatformId
            ? [Permissions.PlatformAdminister, Permissions.TenantAdminister]
            : [Permissions.TenantAdminister];
        var now = clock.GetUtcNow().UtcDateTime;
        foreach (var permission in needed)
        {
            var remains = await db.Principals()
                .Where(principal => db.Grants().Any(grant => grant.PrincipalId == principal.Id && grant.Permission == permission))
                .AnyAsync(principal => principal.PublicKeyPem != null
                    || db.ApiKeys().Any(key => key.PrincipalId == principal.Id && (key.ExpiresUtc == null || key.ExpiresUtc > now)), cancellationToken);
            if (!remains) return TenancyProblems.LastAdministrator(permission);
        }
        return null;
    }
}
