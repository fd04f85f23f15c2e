using System.Text.Json.Nodes;
using Atoll.Contracts;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace Atoll.Prediction;

/// <summary>Describes in the OpenAPI document the body and the query that <c>:predict</c> reads by itself.</summary>
internal static class PredictDescription
{
    private const string JsonExample = """{"rows":[{"age":42,"city":"Paris"},{"age":20,"city":null}],"top":2}""";

    /// <summary>The query that the route reads by itself.</summary>
    public static IReadOnlyList<(string Name, string Description)> Query { get; } =
    [
        ("version", "Number of the version that answers; without it and without an alias the endpoint's own choice."),
        ("alias", "Alias of the version that answers: latest, staging, production or one of your own."),
        ("top", "How many labels to give for each sample, best first."),
        ("explain", "true, or how many columns to name: why each row is predicted so; tabular models, answers in JSON."),
        ("unknown", "ignore skips columns that the model does not read; refuse, the default, does not."),
    ];

    /// <summary>What of it also a comparison of rows reads.</summary>
    public static IEnumerable<(string Name, string Description)> VersionQuery => Query.Where(parameter => parameter.Name is "version" or "alias");

    /// <summary>Describes a body of rows.</summary>
    public static async Task AddRowsAsync(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellationToken)
    {
        await AddAsync(operation, context, cancellationToken);
        operation.RequestBody!.Content!.Remove("image/*");
        operation.Parameters = [.. operation.Parameters!.Where(parameter => parameter.In != ParameterLocation.Query || VersionQuery.Any(known => known.Name == parameter.Name))];
    }

    public static async Task AddAsync(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellationToken)
    {
        operation.RequestBody = new OpenApiRequestBody
        {
            Required = true,
            Content = new Dictionary<string, OpenApiMediaType>
            {
                ["application/json"] = new()
                {
                    Schema = await context.GetOrCreateSchemaAsync(typeof(PredictRequest), cancellationToken: cancellationToken),
                    Example = JsonNode.Parse(JsonExample),
                },
                ["text/csv"] = new() { Schema = new OpenApiSchema { Type = JsonSchemaType.String }, Example = JsonValue.Create("age,city\n42,Paris\n") },
                ["multipart/form-data"] = new() { Schema = Files(), Example = new JsonObject { ["file"] = "<bytes of an image, a wav or a csv file>" } },
                ["image/*"] = new() { Schema = Binary(), Example = JsonValue.Create("<bytes of an image>") },
                ["audio/*"] = new() { Schema = Binary(), Example = JsonValue.Create("<bytes of a wav file>") },
            },
        };
        operation.Parameters ??= [];
        foreach (var (name, description) in Query) Add(operation, name, description);
    }

    private static void Add(OpenApiOperation operation, string name, string description) => operation.Parameters!.Add(new OpenApiParameter
    {
        Name = name,
        In = ParameterLocation.Query,
        Description = description,
        Schema = new OpenApiSchema { Type = name is "version" or "top" ? JsonSchemaType.Integer : JsonSchemaType.String },
    });

    private static OpenApiSchema Files() => new()
    {
        Type = JsonSchemaType.Object,
        AdditionalProperties = Binary(),
        Properties = new Dictionary<string, IOpenApiSchema> { ["text"] = new OpenApiSchema { Type = JsonSchemaType.Array, Items = new OpenApiSchema { Type = JsonSchemaType.String } } },
    };

    private static OpenApiSchema Binary() => new() { Type = JsonSchemaType.String, Format = "binary" };
}
