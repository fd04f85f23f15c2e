namespace Atoll.Platform.Database;

/// <summary>An entity that belongs to one tenant. <see cref="PlatformDb"/> filters and stamps it.</summary>
internal interface ITenantOwned
{
    string TenantId { get; set; }
}

/// <summary>The entity that stands for a tenant. Every <see cref="ITenantOwned"/> row points to it, so none outlives its tenant.</summary>
internal interface ITenantRoot
{
    string Id { get; }
}

/// <summary>An entity whose concurrent changes must be noticed. <see cref="PlatformDb"/> raises the number at each change.</summary>
internal interface IRevised
{
    int Revision { get; set; }
}
