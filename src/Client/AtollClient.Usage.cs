using Atoll.Contracts;

namespace Atoll.Client;

public sealed partial class AtollClient
{
    /// <summary>One page of what the tenant used, by day; of every tenant when asked for.</summary>
    /// <param name="from">First day of UTC; thirty days before the last one when null.</param>
    /// <param name="to">Last day; today when null.</param>
    public Task<Page<UsageResponse>> ListUsagePageAsync(
        string? from = null, string? to = null, bool allTenants = false, string? after = null, int? limit = null, CancellationToken cancellationToken = default) =>
        GetAsync(
            allTenants ? Path($"/usage/all", ("from", from), ("to", to), ("after", after), ("limit", Number(limit))) : Path($"/usage", ("from", from), ("to", to), ("after", after), ("limit", Number(limit))),
            AtollJson.Default.PageUsageResponse, cancellationToken);

    /// <summary>All of it.</summary>
    public IAsyncEnumerable<UsageResponse> ListUsageAsync(string? from = null, string? to = null, bool allTenants = false, CancellationToken cancellationToken = default) =>
        AllAsync((after, token) => ListUsagePageAsync(from, to, allTenants, after, null, token), cancellationToken);
}
