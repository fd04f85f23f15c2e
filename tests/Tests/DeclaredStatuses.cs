using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Atoll.Tests;

/// <summary>Notes every status that a described route answers with although the OpenAPI document does not say so, and every 429 and 503 that does not say when to try again.</summary>
internal sealed class DeclaredStatuses : IStartupFilter
{
    private static readonly Lazy<Dictionary<string, HashSet<int>>> Declared = new(() =>
        JsonNode.Parse(File.ReadAllText(Golden.InRepository("tests/Tests/Golden/openapi.v1.json")))!["paths"]!.AsObject()
            .SelectMany(path => path.Value!.AsObject()).Where(operation => operation.Value is JsonObject described && described.ContainsKey("operationId"))
            .ToDictionary(operation => (string)operation.Value!["operationId"]!, operation => operation.Value!["responses"]!.AsObject().Select(response => int.Parse(response.Key)).ToHashSet()));

    private readonly ConcurrentDictionary<string, bool> _missing = new();

    public IReadOnlyCollection<string> Missing => [.. _missing.Keys];

    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.Use(async (context, rest) =>
        {
            await rest(context);
            Note(context);
        });
        next(app);
    };

    private void Note(HttpContext context)
    {
        if (context.Response is { StatusCode: 429 or 503, Headers.RetryAfter.Count: 0 }) _missing[$"Retry-After of {context.Response.StatusCode} of {context.Request.Path}"] = true;
        var endpoint = context.Features.Get<IExceptionHandlerFeature>()?.Endpoint ?? context.GetEndpoint();
        if (endpoint?.Metadata.GetMetadata<IEndpointNameMetadata>()?.EndpointName is not { } name || !Declared.Value.TryGetValue(name, out var statuses)) return;

        // Nobody is left to read the last one.
        var status = context.Response.StatusCode;
        if (status != 499 && !context.RequestAborted.IsCancellationRequested && !statuses.Contains(status)) _missing[$"{name} answers {status}"] = true;
    }
}
