using System.Diagnostics;
using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tenancy;

/// <summary>Finds out who calls, enters the tenant's space, and refuses what was not granted.</summary>
internal sealed class CallerMiddleware(RequestDelegate next, CallerDirectory callers, CallerCheck check, FailedCredentials failures)
{
    public async Task InvokeAsync(HttpContext context)
    {
        var endpoint = context.GetEndpoint();

        // The framework's own refusals (wrong method, wrong type of body) are endpoints too, but no routes.
        if (endpoint is not RouteEndpoint || endpoint.Metadata.GetMetadata<OpenToAnybody>() is not null)
        {
            await next(context);
            return;
        }

        var (caller, refusal) = await AuthenticateAsync(context);
        if (caller is null)
        {
            if (refusal!.Status == StatusCodes.Status401Unauthorized) context.Response.Headers.WWWAuthenticate = "Bearer";
            await ProblemWriter.WriteAsync(context, refusal);
            return;
        }

        if (NamedTenant.Of(context) is { } named && named != caller.TenantName)
        {
            // A tenant that is there and one that is not look the same to those who may not enter it.
            var own = caller;
            caller = await EnterAsync(own, named, context);
            if (caller is null)
            {
                await ProblemWriter.WriteAsync(context, HttpProblems.NotFound("tenant", named, $"The credential is one of the tenant '{own.TenantName}'."));
                return;
            }
        }

        context.Features.Set(caller);
        context.RequestServices.GetRequiredService<TenantScope>().Enter(caller.TenantId);
        Activity.Current?.SetTag("tenant", caller.TenantName);

        var needed = endpoint.Metadata.GetMetadata<NeedsPermission>();
        if (needed is null && endpoint.Metadata.GetMetadata<OpenToCallers>() is null)
            throw new InvalidOperationException($"The route {endpoint.DisplayName} does not say who may use it.");
        if (needed is not null && !caller.Permissions.Contains(needed.Permission))
        {
            await ProblemWriter.WriteAsync(context, HttpProblems.PermissionMissing(needed.Permission, caller));
            return;
        }
        await next(context);
    }

    /// <summary>The caller in the tenant that it named: only administrators of the platform work in others.</summary>
    private static async ValueTask<Caller?> EnterAsync(Caller caller, string named, HttpContext context)
    {
        if (caller.TenantId != Tenant.PlatformId || !caller.Permissions.Contains(Permissions.PlatformAdminister)) return null;
        var db = context.RequestServices.GetRequiredService<PlatformDb>();
        var id = await db.Tenants().Where(tenant => tenant.Name == named).Select(tenant => tenant.Id).SingleOrDefaultAsync(context.RequestAborted);
        return id is null ? null : caller with { TenantId = id, TenantName = named };
    }

    private async ValueTask<(Caller? Caller, Problem? Refusal)> AuthenticateAsync(HttpContext context)
    {
        if (callers.Find(context) is { } known) return (known, null);
        var header = context.Request.Headers.Authorization.ToString();
        if (header.Length == 0) return (null, HttpProblems.Unauthenticated("The request has no credential."));
        const string Scheme = CallerCheck.Scheme;
        if (header.Trim().Equals(Scheme.Trim(), StringComparison.OrdinalIgnoreCase)) return (null, HttpProblems.Unauthenticated("The credential is empty."));
        if (!header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)) return (null, HttpProblems.Unauthenticated("Invalid authentication scheme."));
        var credential = header[Scheme.Length..].Trim();

        // Only credentials that never worked are refused unread, so a guesser cannot lock out its neighbours.
        var address = context.Connection.RemoteIpAddress;
        if (failures.WaitOf(address) is { } wait && !callers.WasGood(credential))
            return (null, TenancyProblems.TooManyFailedCredentials(wait));
        var (caller, refusal) = await check.LookUpAsync(credential, context.RequestAborted);
        if (caller is null) failures.Count(address);
        return caller is null ? (null, HttpProblems.Unauthenticated(refusal)) : (caller, null);
    }
}
