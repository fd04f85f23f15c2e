using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.Platform.Security;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace Atoll.Platform.Http;

/// <summary>What the OpenAPI document says of every route beyond its types: who may call it, an example, how it refuses.</summary>
internal static class OpenApiDocuments
{
    private const string Scheme = "bearer";
    private const string ProblemName = "Problem";
    private const string InferenceErrorName = "InferenceError";

    public static void AddOpenApiDocument(this IServiceCollection services) => services.AddOpenApi("v1", options =>
    {
        options.AddDocumentTransformer((document, _, _) =>
        {
            Describe(document);
            OpenApiExamples.AddTo(document);
            return Task.CompletedTask;
        });
        options.AddOperationTransformer((operation, context, _) =>
        {
            Describe(operation, context);
            return Task.CompletedTask;
        });
    });

    private static void Describe(OpenApiDocument document)
    {
        document.Info = new OpenApiInfo
        {
            Title = "Atoll",
            Version = "v1",
            Description = "An open, multi-tenant machine-learning platform: from a customer's data to a model that predicts.",
        };

        // The address differs from server to server; without one, clients take where they found the document.
        document.Servers = [];
        document.Components ??= new OpenApiComponents();
        document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
        {
            [Scheme] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http,
                Scheme = Scheme,
                Description = "An API key (atl_...) or an access token from /api/v1/oauth2/token.",
            },
        };
        document.Components.Schemas ??= new Dictionary<string, IOpenApiSchema>();
        document.Components.Schemas[ProblemName] = ProblemSchema();
        document.Components.Schemas[InferenceErrorName] = new OpenApiSchema
        {
            Type = JsonSchemaType.Object,
            Description = "Why a request was refused, as the Open Inference Protocol says it.",
            Properties = new Dictionary<string, IOpenApiSchema> { ["error"] = Text("What is wrong and what to do.") },
            Required = new HashSet<string> { "error" },
        };
    }

    private static OpenApiSchema ProblemSchema() => new()
    {
        Type = JsonSchemaType.Object,
        Description = "Why a request was refused (RFC 9457).",
        Properties = new Dictionary<string, IOpenApiSchema>
        {
            ["type"] = Text("/problems/ and the code."),
            ["title"] = Text("The code as words."),
            ["status"] = new OpenApiSchema { Type = JsonSchemaType.Integer, Description = "HTTP status." },
            ["detail"] = Text("What is wrong and what to do."),
            ["code"] = Text("Names the kind of problem; it never changes, unlike the texts."),
            ["remedy"] = Text("What to do."),
            ["traceId"] = Text("Names the request: in the server's log, and in the traces of a caller who sent 'traceparent'."),
            ["field"] = Text("The field of the request that is wrong, if it is one."),
        },
        Required = new HashSet<string> { "type", "title", "status", "detail" },
    };

    private static OpenApiSchema Text(string description) => new() { Type = JsonSchemaType.String, Description = description };

    private static void Describe(OpenApiOperation operation, OpenApiOperationTransformerContext context)
    {
        var metadata = context.Description.ActionDescriptor.EndpointMetadata;
        var isOpen = metadata.OfType<OpenToAnybody>().Any();
        var permission = metadata.OfType<NeedsPermission>().FirstOrDefault()?.Permission;
        if (permission is not null) operation.Description = $"{operation.Description} Needs the permission `{permission}`.".Trim();
        if (!isOpen)
        {
            operation.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(Scheme, context.Document)] = [] }];
        }

        if (metadata.OfType<FormFields>().FirstOrDefault() is { } form) operation.RequestBody = FormOf(form);
        if (metadata.OfType<RequestExample>().FirstOrDefault() is { } example)
        {
            operation.RequestBody ??= new OpenApiRequestBody { Content = new Dictionary<string, OpenApiMediaType> { ["application/json"] = new() } };
            foreach (var content in operation.RequestBody.Content?.Values ?? []) content.Example = JsonNode.Parse(example.Json);
        }
        if (metadata.OfType<AnswerExample>().FirstOrDefault() is { } answer && operation.Responses?.GetValueOrDefault("200") is OpenApiResponse success)
            success.Content = new Dictionary<string, OpenApiMediaType> { ["application/json"] = new() { Example = JsonNode.Parse(answer.Json) } };
        if (metadata.OfType<RepeatableRoute>().Any()) AddIdempotencyKey(operation);

        var isWrite = context.Description.HttpMethod is not "GET";
        var hasPathParameter = context.Description.RelativePath?.Contains('{') == true;
        operation.Responses ??= [];
        var refusal = RefusalOf(context);
        var isRepeatable = metadata.OfType<RepeatableRoute>().Any();
        AddProblem(operation, "400", "The request cannot be understood or a value cannot be used.", true, context);
        AddProblem(operation, "401", "The credential is missing, unknown, revoked or expired.", !isOpen, context);
        AddProblem(operation, "403", "The caller does not have the permission.", permission is not null, context);

        // Clients of the protocol may name a tenant in front of the path.
        var mayNameTenant = !isOpen && refusal.Schema == InferenceErrorName;
        AddProblem(operation, "404", "There is no such thing in the caller's tenant.", hasPathParameter || mayNameTenant, context);
        AddProblem(operation, "409", "It exists already, is in use, or somebody else changed it at the same time.", isWrite, context);
        AddProblem(operation, "413", "The body is too large.", operation.RequestBody is not null, context);
        AddProblem(operation, "415", "The body is of a type that this route does not take.", operation.RequestBody is not null, context);
        AddProblem(operation, "422", "The content cannot be used, or the Idempotency-Key was used for another request.", isRepeatable, context);
        AddProblem(operation, "429", "Too many wrong credentials came from the caller's address, or a limit of the tenant is reached.", !isOpen, context);
        AddProblem(operation, "500", "The server failed; the problem holds a trace id for the operator.", true, context);
        AddProblem(operation, "501", "The request asks for a part of the protocol that this server does not have.", (isWrite && refusal.Schema == InferenceErrorName) || metadata.OfType<OptionalPart>().Any(), context);
        AddProblem(operation, "503", "The server cannot answer now; try again in a moment.", true, context);
        AddProblem(operation, "504", "The model took too long for these samples and was stopped.", metadata.OfType<RunsModel>().Any(), context);
    }

    /// <summary>What a refusal looks like: the /v2 and OAuth routes speak protocols that have words of their own.</summary>
    private static (string MediaType, string Schema) RefusalOf(OpenApiOperationTransformerContext context) => context.Description.RelativePath switch
    {
        var path when ProblemWriter.IsOpenInference("/" + path) => ("application/json", InferenceErrorName),
        var path when ProblemWriter.IsEinstein("/" + path) => ("application/json", nameof(EinsteinErrorResponse)),
        _ => ("application/problem+json", ProblemName),
    };

    private static void AddProblem(OpenApiOperation operation, string status, string description, bool applies, OpenApiOperationTransformerContext context)
    {
        if (!applies || operation.Responses!.ContainsKey(status)) return;
        var (mediaType, schema) = RefusalOf(context);
        operation.Responses[status] = new OpenApiResponse
        {
            Description = description,
            Content = new Dictionary<string, OpenApiMediaType>
            {
                [mediaType] = new() { Schema = new OpenApiSchemaReference(schema, context.Document) },
            },
        };
    }

    private static void AddIdempotencyKey(OpenApiOperation operation)
    {
        operation.Parameters ??= [];
        operation.Parameters.Add(new OpenApiParameter
        {
            Name = RepeatableRoutes.Header,
            In = ParameterLocation.Header,
            Description = "Any text of the caller's choice. A repeated request with the same key gets the first one's answer instead of being done again, for 24 hours.",
            Schema = new OpenApiSchema { Type = JsonSchemaType.String, MaxLength = RepeatableRoutes.KeyCharactersMax },
        });
    }

    private static OpenApiRequestBody FormOf(FormFields form)
    {
        var example = new JsonObject();
        foreach (var field in form.Fields)
            if (field.Example.Length > 0) example[field.Name] = field.Example;
        return new OpenApiRequestBody
        {
            Required = true,
            Content = new Dictionary<string, OpenApiMediaType>
            {
                ["application/x-www-form-urlencoded"] = new()
                {
                    Schema = new OpenApiSchema
                    {
                        Type = JsonSchemaType.Object,
                        Properties = form.Fields.ToDictionary(field => field.Name, field => (IOpenApiSchema)Text(field.Meaning)),
                    },
                    Example = example,
                },
            },
        };
    }
}
