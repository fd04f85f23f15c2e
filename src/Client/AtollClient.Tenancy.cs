using Atoll.Contracts;

namespace Atoll.Client;

public sealed partial class AtollClient
{
    /// <summary>Who the server takes this client for.</summary>
    public Task<CallerResponse> GetCallerAsync(CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/me"), AtollJson.Default.CallerResponse, cancellationToken);

    /// <summary>Makes a tenant; the answer holds its administrator's key.</summary>
    public Task<CreatedTenantResponse> CreateTenantAsync(string name, CancellationToken cancellationToken = default) =>
        PostAsync(
            Path($"/tenants"), new CreateTenantRequest { Name = name },
            AtollJson.Default.CreateTenantRequest, AtollJson.Default.CreatedTenantResponse, idempotencyKey: null, cancellationToken);

    /// <summary>One page of tenants, by name.</summary>
    public Task<Page<TenantResponse>> ListTenantsPageAsync(string? after = null, int? limit = null, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/tenants", ("after", after), ("limit", Number(limit))), AtollJson.Default.PageTenantResponse, cancellationToken);

    /// <summary>All tenants, by name.</summary>
    public IAsyncEnumerable<TenantResponse> ListTenantsAsync(CancellationToken cancellationToken = default) =>
        AllAsync((after, token) => ListTenantsPageAsync(after, null, token), cancellationToken);

    /// <summary>A tenant by its name.</summary>
    public Task<TenantResponse> GetTenantAsync(string tenant, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/tenants/{tenant}"), AtollJson.Default.TenantResponse, cancellationToken);

    /// <summary>Deletes a tenant with everything that it owns.</summary>
    public Task DeleteTenantAsync(string tenant, CancellationToken cancellationToken = default) => DeleteAsync(Path($"/tenants/{tenant}"), cancellationToken);
}
