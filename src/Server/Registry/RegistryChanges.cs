namespace Atoll.Registry;

/// <summary>Tells this process that versions or aliases of a tenant's model changed, so that what is derived from them is read anew.</summary>
internal sealed class RegistryChanges
{
    /// <summary>Raised after the change is in the database, with the tenant's id and the model's name.</summary>
    public event Action<string, string>? Changed;

    public void Publish(string tenantId, string model) => Changed?.Invoke(tenantId, model);
}
