using Atoll.Contracts;
using Atoll.Platform.Security;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Atoll.Tenancy;

/// <summary>Tells a caller who it is and what it may do.</summary>
internal static class GetCaller
{
    public static Ok<CallerResponse> Handle(Caller caller) => TypedResults.Ok(new CallerResponse
    {
        Tenant = caller.TenantName,
        Principal = caller.PrincipalName,
        PrincipalId = caller.PrincipalId,
        Permissions = [.. caller.Permissions.Order(StringComparer.Ordinal)],
    });
}
