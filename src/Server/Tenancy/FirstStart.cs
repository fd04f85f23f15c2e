using Atoll.Contracts;
using Atoll.Platform.Database;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Makes the platform tenant and its administrator when the database is new.</summary>
internal sealed class FirstStart(IServiceScopeFactory scopes, TimeProvider clock)
{
    /// <summary>The administrator's key when this start made it; null on every later start.</summary>
    public async Task<string?> RunAsync(CancellationToken cancellationToken)
    {
        await using (var scope = scopes.CreateAsyncScope())
        {
            var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
            if (await db.Tenants().AnyAsync(tenant => tenant.Id == Tenant.PlatformId, cancellationToken)) return null;
        }
        var created = await CreateTenant.RunAsync(
            Tenant.PlatformId, Tenant.PlatformName, "admin", Permissions.All, scopes, clock, cancellationToken);
        return created.AdministratorKey.Secret;
    }
}
