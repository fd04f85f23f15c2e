using System.Text.Json.Nodes;

namespace Atoll.Platform.Http;

/// <summary>An example of a route's JSON body, shown in the OpenAPI document.</summary>
internal sealed record RequestExample(string Json);

/// <summary>Marks a route that runs a model, which may take too long.</summary>
internal sealed record RunsModel;

/// <summary>Marks a route of a part that is off until the operator allows it.</summary>
internal sealed record OptionalPart;

/// <summary>An example of the JSON that a route writes by itself, shown in the OpenAPI document.</summary>
internal sealed record AnswerExample(string Json);

/// <summary>Fields of a form that a route reads by itself, shown in the OpenAPI document.</summary>
internal sealed record FormFields(IReadOnlyList<(string Name, string Meaning, string Example)> Fields);

/// <summary>How module files describe what a route takes.</summary>
internal static class RequestDescription
{
    /// <summary>Shows a JSON body; it is parsed here, so that a wrong one stops the start.</summary>
    public static TBuilder WithExample<TBuilder>(this TBuilder builder, string json)
        where TBuilder : IEndpointConventionBuilder
    {
        JsonNode.Parse(json);
        return builder.WithMetadata(new RequestExample(json));
    }

    /// <summary>Shows the JSON that a route answers with, where no type says it.</summary>
    public static TBuilder WithAnswer<TBuilder>(this TBuilder builder, string json)
        where TBuilder : IEndpointConventionBuilder
    {
        JsonNode.Parse(json);
        return builder.WithMetadata(new AnswerExample(json));
    }

    public static TBuilder WithForm<TBuilder>(this TBuilder builder, params (string Name, string Meaning, string Example)[] fields)
        where TBuilder : IEndpointConventionBuilder => builder.WithMetadata(new FormFields(fields));
}
