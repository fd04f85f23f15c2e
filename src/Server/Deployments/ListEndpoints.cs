using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Registry;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Deployments;

/// <summary>Endpoints of the tenant, with what each serves now.</summary>
internal static class ListEndpoints
{
    public static async Task<Results<Ok<Page<EndpointResponse>>, ProblemHttpResult>> HandleAsync(
        [AsParameters] Paging paging, Caller caller, PlatformDb db, RouteTable routes, OwnAddress address, HttpContext context, CancellationToken cancellationToken)
    {
        if (paging.Check() is { } invalid) return invalid.ToResult();
        var after = paging.After ?? "";
        var names = db.Endpoints().Where(endpoint => string.Compare(endpoint.Name, after) > 0).OrderBy(endpoint => endpoint.Name)
            .Join(db.Models(), endpoint => endpoint.ModelId, model => model.Id, (endpoint, model) => new { endpoint.Name, Model = model.Name, endpoint.IsPinned });
        var page = await paging.ReadAsync(names, row => row.Name, row => row, cancellationToken);
        var items = new List<EndpointResponse>();
        foreach (var row in page.Items)
        {
            // A list stays short: signatures are told one by one.
            var route = await routes.FindAsync(caller.TenantId, row.Name, null, cancellationToken);
            items.Add(ToWire(row.Name, row.Model, row.IsPinned, route, address.Of(context)) with { Signature = null });
        }
        return TypedResults.Ok(new Page<EndpointResponse>(items, page.Next));
    }

    public static async Task<Results<Ok<EndpointResponse>, ProblemHttpResult>> HandleOneAsync(
        string endpoint, Caller caller, PlatformDb db, RouteTable routes, OwnAddress address, HttpContext context, CancellationToken cancellationToken)
    {
        var found = await db.Endpoints().Where(e => e.Name == endpoint)
            .Join(db.Models(), e => e.ModelId, m => m.Id, (e, m) => new { Model = m.Name, e.IsPinned }).SingleOrDefaultAsync(cancellationToken);
        if (found is null) return DeploymentProblems.EndpointNotFound(endpoint).ToResult();
        var route = await routes.FindAsync(caller.TenantId, endpoint, null, cancellationToken);
        return TypedResults.Ok(ToWire(endpoint, found.Model, found.IsPinned, route, address.Of(context)));
    }

    private static EndpointResponse ToWire(string name, string model, bool isPinned, Route? route, string address) => new()
    {
        Name = name,
        Model = model,
        Version = route?.Version,
        Alias = route?.Alias,
        Pinned = isPinned,
        Signature = route?.Signature,
        PredictUrl = $"{address}/api/v1/endpoints/{name}:predict",
    };
}
