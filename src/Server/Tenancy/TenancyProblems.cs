using Atoll.Platform.Http;

namespace Atoll.Tenancy;

/// <summary>Every refusal of this module.</summary>
internal static class TenancyProblems
{
    public static Problem TenantNotFound(string tenant) => HttpProblems.NotFound("tenant", tenant, "List them with: atoll tenants list.");

    public static Problem TenantExists(string tenant) => HttpProblems.AlreadyExists("tenant", tenant, "Choose another name.");
}
