using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Deployments;

/// <summary>Keeps what an endpoint serves in memory, from before the server is ready until it is unpinned.</summary>
internal static class PinEndpoint
{
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        string endpoint, Caller caller, PlatformDb db, PinnedModels pins, HttpContext context, CancellationToken cancellationToken)
    {
        var found = await db.Endpoints().SingleOrDefaultAsync(e => e.Name == endpoint, cancellationToken);
        if (found is null) return DeploymentProblems.EndpointNotFound(endpoint).ToResult();

        // Loaded first: a pin that is answered with a success holds.
        found.IsPinned = true;
        if (await pins.PinAsync(caller.TenantId, endpoint, () => db.SaveChangesAsync(cancellationToken), cancellationToken) is { } problem) return problem.ToResult(context.Response);
        return TypedResults.NoContent();
    }

    public static async Task<Results<NoContent, ProblemHttpResult>> HandleDeleteAsync(
        string endpoint, Caller caller, PlatformDb db, PinnedModels pins, CancellationToken cancellationToken)
    {
        var found = await db.Endpoints().SingleOrDefaultAsync(e => e.Name == endpoint, cancellationToken);
        if (found is null) return DeploymentProblems.EndpointNotFound(endpoint).ToResult();
        found.IsPinned = false;
        await pins.UnpinAsync(caller.TenantId, endpoint, () => db.SaveChangesAsync(cancellationToken), cancellationToken);
        return TypedResults.NoContent();
    }
}
