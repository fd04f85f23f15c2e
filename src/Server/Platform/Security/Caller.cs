using System.Collections.Frozen;

namespace Atoll.Platform.Security;

/// <summary>Who sends a request: a principal of a tenant, with what it was granted. Immutable, shared between requests.</summary>
internal sealed record Caller(
    string TenantId, string TenantName, string PrincipalId, string PrincipalName, FrozenSet<string> Permissions)
{
    /// <summary>The caller of this request. Only for routes that are not anonymous.</summary>
    public static Caller Of(HttpContext context) =>
        context.Features.Get<Caller>() ?? throw new InvalidOperationException("This route is anonymous; it has no caller.");

    /// <summary>Lets handlers take the caller as a parameter.</summary>
    public static ValueTask<Caller?> BindAsync(HttpContext context) => ValueTask.FromResult(context.Features.Get<Caller>());
}

/// <summary>Looks again at the credential of a request that takes long.</summary>
internal interface ICallerCheck
{
    /// <summary>Whether the credential still works for the same principal and still has what the route asks for.</summary>
    ValueTask<bool> IsStillGoodAsync(HttpContext context, CancellationToken cancellationToken);
}

/// <summary>Finds callers without the database.</summary>
internal interface IRememberedCallers
{
    /// <summary>The caller of a request whose credential was looked up before and still holds; null for all others, and where a tenant is named beside the credential.</summary>
    Caller? Find(HttpContext context);
}

/// <summary>The permission that a route asks for.</summary>
internal sealed record NeedsPermission(string Permission);

/// <summary>Marks a route that anybody may call; every other route names a permission.</summary>
internal sealed record OpenToAnybody(string Reason);

/// <summary>Marks a route that any authenticated caller may use.</summary>
internal sealed record OpenToCallers(string Reason);

/// <summary>How module files say who may use a route.</summary>
internal static class RouteAccess
{
    public static TBuilder Needs<TBuilder>(this TBuilder builder, string permission)
        where TBuilder : IEndpointConventionBuilder => builder.WithMetadata(new NeedsPermission(permission));

    public static TBuilder ForAnybody<TBuilder>(this TBuilder builder, string reason)
        where TBuilder : IEndpointConventionBuilder => builder.WithMetadata(new OpenToAnybody(reason));

    public static TBuilder ForCallers<TBuilder>(this TBuilder builder, string reason)
        where TBuilder : IEndpointConventionBuilder => builder.WithMetadata(new OpenToCallers(reason));
}
