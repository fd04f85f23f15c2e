using Atoll.Platform.Database;

namespace Atoll.Tenancy;

/// <summary>A customer: the owner of everything below.</summary>
internal sealed class Tenant : ITenantRoot, IRevised
{
    /// <summary>Id of the tenant that owns what is shared, and whose administrators administer the platform.</summary>
    public const string PlatformId = "ten_platform";

    public const string PlatformName = "platform";

    public required string Id { get; set; }

    public required string Name { get; set; }

    public required DateTime CreatedUtc { get; set; }

    public int Revision { get; set; }
}
