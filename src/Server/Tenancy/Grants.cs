using Atoll.Contracts;
using Atoll.Platform.Http;

namespace Atoll.Tenancy;

/// <summary>Which permissions can be granted where.</summary>
internal static class Grants
{
    /// <summary>Null when the permission can be granted in the tenant; otherwise the problem to answer.</summary>
    public static Problem? Check(string permission, string tenantId)
    {
        if (!Permissions.All.Contains(permission)) return TenancyProblems.PermissionUnknown(permission, tenantId);
        return Permissions.OfPlatform.Contains(permission) && tenantId != Tenant.PlatformId ? TenancyProblems.PermissionOfPlatform(permission) : null;
    }
}
