namespace Atoll.Contracts;

/// <summary>What a principal may be granted. The names are part of the API.</summary>
public static class Permissions
{
    /// <summary>Create and delete tenants. Only principals of the platform tenant can have it.</summary>
    public const string PlatformAdminister = "platform.administer";

    /// <summary>Read metrics of the server and the usage of all tenants. Only principals of the platform tenant can have it.</summary>
    public const string PlatformObserve = "platform.observe";

    /// <summary>Principals, grants and keys of the own tenant.</summary>
    public const string TenantAdminister = "tenant.administer";

    public const string DatasetsRead = "datasets.read";
    public const string DatasetsWrite = "datasets.write";

    /// <summary>See runs, their metrics and logs.</summary>
    public const string RunsRead = "runs.read";

    /// <summary>Start and cancel runs.</summary>
    public const string RunsWrite = "runs.write";

    public const string ModelsRead = "models.read";
    public const string ModelsWrite = "models.write";

    /// <summary>Move an alias between environments.</summary>
    public const string ModelsPromote = "models.promote";

    /// <summary>Ask endpoints for predictions and see their signatures.</summary>
    public const string Predict = "predict";

    /// <summary>All that can be granted inside a tenant.</summary>
    public static IReadOnlyList<string> OfTenant { get; } =
        [TenantAdminister, DatasetsRead, DatasetsWrite, RunsRead, RunsWrite, ModelsRead, ModelsWrite, ModelsPromote, Predict];

    /// <summary>All that only principals of the platform tenant can have.</summary>
    public static IReadOnlyList<string> OfPlatform { get; } = [PlatformAdminister, PlatformObserve];

    public static IReadOnlyList<string> All { get; } = [.. OfPlatform, .. OfTenant];
}
