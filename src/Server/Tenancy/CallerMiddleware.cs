using System.Diagnostics;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Security;

namespace Atoll.Tenancy;

/// <summary>Finds out who calls, enters the tenant's space, and refuses what was not granted.</summary>
internal sealed class CallerMiddleware(RequestDelegate next, CallerDirectory callers, AccessTokens tokens)
{
    public async Task InvokeAsync(HttpContext context)
    {
        var endpoint = context.GetEndpoint();
        if (endpoint is null || endpoint.Metadata.GetMetadata<OpenToAnybody>() is not null)
        {
            await next(context);
            return;
        }

        var (caller, refusal) = await AuthenticateAsync(context);
        if (caller is null)
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
            await ProblemWriter.WriteAsync(context, HttpProblems.Unauthenticated(refusal!));
            return;
        }

        context.Features.Set(caller);
        context.RequestServices.GetRequiredService<TenantScope>().Enter(caller.TenantId);
        Activity.Current?.SetTag("tenant", caller.TenantName);

        var needed = endpoint.Metadata.GetMetadata<NeedsPermission>();
        if (needed is null && endpoint.Metadata.GetMetadata<OpenToCallers>() is null)
            throw new InvalidOperationException($"The route {endpoint.DisplayName} does not say who may use it.");
        if (needed is not null && !caller.Permissions.Contains(needed.Permission))
        {
            await ProblemWriter.WriteAsync(context, HttpProblems.PermissionMissing(needed.Permission));
            return;
        }
        await next(context);
    }

    private async ValueTask<(Caller? Caller, string? Refusal)> AuthenticateAsync(HttpContext context)
    {
        var header = context.Request.Headers.Authorization.ToString();
        if (header.Length == 0) return (null, "The request has no credential.");
        const string Scheme = "Bearer ";
        if (!header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)) return (null, "Invalid authentication scheme.");
        var credential = header[Scheme.Length..].Trim();
        if (credential.StartsWith(ApiKeys.Marker, StringComparison.Ordinal))
        {
            var byKey = await callers.FindByKeyAsync(credential, context.RequestAborted);
            return byKey is null ? (null, "The API key is unknown, revoked or expired.") : (byKey, null);
        }
        var byToken = await tokens.FindCallerAsync(credential, context.RequestAborted);
        return byToken is null ? (null, "Invalid access token.") : (byToken, null);
    }
}
