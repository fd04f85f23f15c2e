using System.Collections.Frozen;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Atoll.Contracts;
using Microsoft.AspNetCore.Http.Metadata;

namespace Atoll.Platform.Http;

/// <summary>Query parameters of a route that reads its query by itself.</summary>
internal sealed record QueryParameters(IReadOnlyList<string> Names);

/// <summary>Marks a route that must overlook query parameters which it does not know.</summary>
internal sealed record OpenQuery(string Reason);

/// <summary>Refuses query parameters that a route of the API does not read: mostly a typing mistake, whose effect would be missed.</summary>
internal sealed class UnknownQuery(RequestDelegate next)
{
    private readonly ConditionalWeakTable<Endpoint, FrozenSet<string>> _known = [];

    public Task InvokeAsync(HttpContext context)
    {
        // Most requests have no query; they cost nothing.
        if (!context.Request.QueryString.HasValue || !context.Request.Path.StartsWithSegments("/api")) return next(context);
        if (context.GetEndpoint() is not RouteEndpoint route || route.Metadata.GetMetadata<OpenQuery>() is not null) return next(context);
        var known = _known.GetValue(route, static endpoint => ParametersOf((RouteEndpoint)endpoint).ToFrozenSet(StringComparer.OrdinalIgnoreCase));
        foreach (var (name, _) in context.Request.Query)
            if (!known.Contains(name)) return ProblemWriter.WriteAsync(context, Refuse(name, known));
        return next(context);
    }

    /// <summary>What the route's handler reads of a query, as the framework binds it.</summary>
    public static IEnumerable<string> ParametersOf(RouteEndpoint route)
    {
        var bound = route.Metadata.GetOrderedMetadata<IParameterBindingMetadata>()
            .Where(parameter => !parameter.HasBindAsync && IsText(parameter) && route.RoutePattern.GetParameter(parameter.Name) is null)
            .Select(parameter => JsonNamingPolicy.CamelCase.ConvertName(parameter.Name));
        return bound.Concat(route.Metadata.GetMetadata<QueryParameters>()?.Names ?? []);
    }

    private static bool IsText(IParameterBindingMetadata parameter) =>
        parameter.HasTryParse || parameter.ParameterInfo.ParameterType is var type && (type == typeof(string) || type == typeof(string[]));

    private static Problem Refuse(string name, FrozenSet<string> known)
    {
        var shown = name.Length <= 80 ? name : name[..80];
        return new Problem(
            400, ProblemCodes.InvalidField, $"There is no query parameter '{shown}' here.",
            known.Count == 0 ? "Leave it out: this address takes none."
            : $"{Spelling.Ask(name, known)}This address takes {string.Join(", ", known.Order(StringComparer.Ordinal))}.")
        {
            Field = shown,
        };
    }
}
