namespace Atoll.Platform.Database;

/// <summary>For whom the current request or job works. Set once, by authentication or by the job worker.</summary>
internal sealed class TenantScope
{
    private string? _tenantId;

    /// <summary>The tenant whose rows are seen and written; null sees and writes none.</summary>
    public string? TenantId => _tenantId;

    /// <summary>Enters a tenant's space; a scope never moves from one tenant to another.</summary>
    public void Enter(string tenantId)
    {
        if (_tenantId is not null && _tenantId != tenantId)
            throw new InvalidOperationException("This scope already works for another tenant; make a new service scope.");
        _tenantId = tenantId;
    }
}
