using System.Net.Http.Json;
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

    /// <summary>Gives a tenant a limit of its own; <see cref="GetTenantAsync"/> names all limits.</summary>
    public Task<TenantLimitResponse> PutTenantLimitAsync(string tenant, string limit, double value, CancellationToken cancellationToken = default) =>
        SendAsync(
            () => new HttpRequestMessage(HttpMethod.Put, Path($"/tenants/{tenant}/limits/{limit}"))
            {
                Content = JsonContent.Create(new PutTenantLimitRequest { Value = value }, AtollJson.Default.PutTenantLimitRequest),
            },
            AtollJson.Default.TenantLimitResponse, repeatable: true, cancellationToken);

    /// <summary>Takes a tenant's own limit away; that of the settings holds again.</summary>
    public Task DeleteTenantLimitAsync(string tenant, string limit, CancellationToken cancellationToken = default) =>
        DeleteAsync(Path($"/tenants/{tenant}/limits/{limit}"), cancellationToken);

    /// <summary>Deletes a tenant with everything that it owns.</summary>
    public Task DeleteTenantAsync(string tenant, CancellationToken cancellationToken = default) => DeleteAsync(Path($"/tenants/{tenant}"), cancellationToken);

    /// <summary>Makes an administrator's key for a tenant whose own administrators have lost theirs.</summary>
    public Task<CreatedApiKeyResponse> CreateTenantKeyAsync(string tenant, CancellationToken cancellationToken = default) =>
        PostAsync(Path($"/tenants/{tenant}/keys"), AtollJson.Default.CreatedApiKeyResponse, cancellationToken);

    /// <summary>Makes somebody or something that acts for the tenant.</summary>
    public Task<PrincipalResponse> CreatePrincipalAsync(CreatePrincipalRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(
            Path($"/principals"), request, AtollJson.Default.CreatePrincipalRequest, AtollJson.Default.PrincipalResponse, NewIdempotencyKey(), cancellationToken);

    /// <summary>One page of principals, by name.</summary>
    public Task<Page<PrincipalResponse>> ListPrincipalsPageAsync(string? after = null, int? limit = null, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/principals", ("after", after), ("limit", Number(limit))), AtollJson.Default.PagePrincipalResponse, cancellationToken);

    /// <summary>All principals, by name.</summary>
    public IAsyncEnumerable<PrincipalResponse> ListPrincipalsAsync(CancellationToken cancellationToken = default) =>
        AllAsync((after, token) => ListPrincipalsPageAsync(after, null, token), cancellationToken);

    /// <summary>A principal with what it may do.</summary>
    public Task<PrincipalResponse> GetPrincipalAsync(string principal, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/principals/{principal}"), AtollJson.Default.PrincipalResponse, cancellationToken);

    /// <summary>Deletes a principal with its grants and keys.</summary>
    public Task DeletePrincipalAsync(string principal, CancellationToken cancellationToken = default) =>
        DeleteAsync(Path($"/principals/{principal}"), cancellationToken);

    /// <summary>One page of what a principal may do.</summary>
    public Task<Page<GrantResponse>> ListGrantsPageAsync(
        string principal, string? after = null, int? limit = null, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/principals/{principal}/grants", ("after", after), ("limit", Number(limit))), AtollJson.Default.PageGrantResponse, cancellationToken);

    /// <summary>Grants a permission (<see cref="Permissions"/>); granting it again changes nothing.</summary>
    public Task<GrantResponse> PutGrantAsync(string principal, string permission, CancellationToken cancellationToken = default) =>
        SendAsync(
            () => new HttpRequestMessage(HttpMethod.Put, Path($"/principals/{principal}/grants/{permission}")),
            AtollJson.Default.GrantResponse, repeatable: true, cancellationToken);

    /// <summary>Takes a permission back.</summary>
    public Task DeleteGrantAsync(string principal, string permission, CancellationToken cancellationToken = default) =>
        DeleteAsync(Path($"/principals/{principal}/grants/{permission}"), cancellationToken);

    /// <summary>Makes an API key; its secret can be read only in this answer.</summary>
    public Task<CreatedApiKeyResponse> CreateApiKeyAsync(string principal, CreateApiKeyRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(
            Path($"/principals/{principal}/keys"), request,
            AtollJson.Default.CreateApiKeyRequest, AtollJson.Default.CreatedApiKeyResponse, idempotencyKey: null, cancellationToken);

    /// <summary>One page of a principal's keys, oldest first, without their secrets.</summary>
    public Task<Page<ApiKeyResponse>> ListApiKeysPageAsync(
        string principal, string? after = null, int? limit = null, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/principals/{principal}/keys", ("after", after), ("limit", Number(limit))), AtollJson.Default.PageApiKeyResponse, cancellationToken);

    /// <summary>Ends a key at once.</summary>
    /// <param name="principal">Whose key it is.</param>
    /// <param name="key">Id of the key, not its secret.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    public Task DeleteApiKeyAsync(string principal, string key, CancellationToken cancellationToken = default) =>
        DeleteAsync(Path($"/principals/{principal}/keys/{key}"), cancellationToken);

    /// <summary>Makes a key pair for JWT assertions, instead of the principal's former one; the private key can be read only in this answer.</summary>
    public Task<CreatedKeyPairResponse> CreateKeyPairAsync(string principal, CancellationToken cancellationToken = default) =>
        PostAsync(Path($"/principals/{principal}/key-pair"), AtollJson.Default.CreatedKeyPairResponse, cancellationToken);

    /// <summary>Registers a public key of one's own for JWT assertions, instead of the principal's former one.</summary>
    public Task<PrincipalResponse> SetPublicKeyAsync(string principal, SetPublicKeyRequest request, CancellationToken cancellationToken = default) =>
        PutAsync(Path($"/principals/{principal}/public-key"), request, AtollJson.Default.SetPublicKeyRequest, AtollJson.Default.PrincipalResponse, cancellationToken);

    /// <summary>Removes the public key of a principal, with the tokens that it bought.</summary>
    public Task DeletePublicKeyAsync(string principal, CancellationToken cancellationToken = default) =>
        DeleteAsync(Path($"/principals/{principal}/public-key"), cancellationToken);

    /// <summary>One page of a principal's refresh tokens, without their secrets.</summary>
    public Task<Page<RefreshTokenResponse>> ListRefreshTokensPageAsync(
        string principal, string? after = null, int? limit = null, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/principals/{principal}/refresh-tokens", ("after", after), ("limit", Number(limit))), AtollJson.Default.PageRefreshTokenResponse, cancellationToken);

    /// <summary>Ends a refresh token at once, with the access tokens that it bought.</summary>
    /// <param name="principal">Whose token it is.</param>
    /// <param name="token">Id of the token, not its secret.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    public Task DeleteRefreshTokenAsync(string principal, string token, CancellationToken cancellationToken = default) =>
        DeleteAsync(Path($"/principals/{principal}/refresh-tokens/{token}"), cancellationToken);
}
