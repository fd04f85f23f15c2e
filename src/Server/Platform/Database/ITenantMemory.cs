namespace Atoll.Platform.Database;

/// <summary>Something of a tenant that is kept in memory and has to go with the tenant.</summary>
internal interface ITenantMemory
{
    /// <summary>Called when the tenant's rows are gone.</summary>
    void Forget(string tenantId);
}
