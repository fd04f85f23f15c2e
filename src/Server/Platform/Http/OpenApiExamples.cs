using System.Text.Json.Nodes;
using Microsoft.OpenApi;

namespace Atoll.Platform.Http;

/// <summary>Examples of the OpenAPI document, made of the schemas: a value has the same example wherever its name appears.</summary>
internal static class OpenApiExamples
{
    // Schemas that hold themselves end here.
    private const int DepthMax = 8;
    private const string Digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    private static readonly Dictionary<string, JsonNode> Values = new()
    {
        ["access_token"] = "eyJhbGciOiJFUzI1NiJ9...", ["actual"] = 0.84, ["alg"] = "ES256", ["algorithm"] = "gradient-boosted-trees", ["alias"] = "production", ["aliases"] = "production",
        ["atLeast"] = 0.8, ["attempt"] = 1, ["by"] = "alice", ["bytes"] = 48213, ["codeVersion"] = "0.1.0", ["columns"] = "tenure", ["columnType"] = "integer", ["code"] = "duplicate-sample", ["confusionMatrix"] = 7,
        ["count"] = 7043, ["crv"] = "P-256", ["dataSha256"] = Digest, ["dataset"] = "leads", ["day"] = "2026-01-31", ["datasetDigest"] = Digest, ["datatype"] = "FP32", ["default"] = 100, ["digest"] = Digest,
        ["datasetId"] = 1000001, ["deletionId"] = "Z2JTFBF3A7XKIJC5QEJXMO4HSY", ["modelId"] = "7JXCXTRXTMNLJCEF2DR5CJ46QU", ["modelType"] = "text-intent", ["createdAt"] = "2026-01-31T09:30:00.000+0000", ["updatedAt"] = "2026-01-31T09:30:00.000+0000", ["status"] = "SUCCEEDED", ["statusMsg"] = "SUCCEEDED", ["language"] = "en_US",
        ["organizationId"] = "ten_06h06v6xpas7z144ngtp0p2e20", ["deletedObjectId"] = "1000001", ["location"] = "Will it rain tomorrow?", ["totalTime"] = "00:02:28:577", ["distinct"] = 73, ["duplicates"] = 0, ["email"] = "alice@example.org", ["end"] = 16, ["endpoint"] = "churn", ["eventType"] = "run", ["experiment"] = "spring", ["expires_in"] = 3600, ["executionMs"] = 5120.5, ["explanation"] = "auc is 0.84, at least 0.8 is asked",
        ["fatal"] = false, ["file"] = "leads.csv", ["fileDigest"] = Digest, ["format"] = "onnx", ["fraction"] = 0.5, ["given"] = false, ["grant_types_supported"] = "client_credentials", ["graphDigest"] = Digest, ["height"] = 480,
        ["held"] = true, ["import"] = "imp_06h06v6xm4a7v1am2hdder5fwc", ["indexSha256"] = Digest, ["issuer"] = "https://atoll.example.org", ["jwks_uri"] = "https://atoll.example.org/.well-known/jwks.json",
        ["key"] = "key_06h06v6zm7609pwk6ectgs5kg0", ["kid"] = "k1", ["kty"] = "EC", ["label"] = "leaves", ["labelColumn"] = "churn", ["labels"] = "leaves", ["latestVersion"] = 3, ["limit"] = "datasetsMax", ["line"] = 12,
        ["lower"] = 98.5, ["machine"] = "linux-x64", ["message"] = "The row repeats line 7.", ["metric"] = "auc", ["missingMarkers"] = "n/a", ["model"] = "churn", ["modelImport"] = "mim_06h06v715yqerdaa3h6x6nt16r", ["modelVersion"] = 3,
        ["name"] = "churn", ["next"] = "churn", ["note"] = "nightly job", ["number"] = 41, ["permission"] = "predict", ["permissions"] = "predict", ["predictUrl"] = "/api/v1/endpoints/churn:predict", ["rate"] = 0.1, ["prefix"] = "atl_3kq9", ["principal"] = "alice",
        ["principalId"] = "pri_06h06v6xpas7z144ngtp0p2e20", ["privateKeyPem"] = "-----BEGIN PRIVATE KEY-----...", ["probability"] = 0.9, ["progress"] = 1, ["promoted"] = true, ["publicKeyId"] = "k1", ["region"] = "pixels", ["replaced"] = 2,
        ["refresh_token"] = "atr_...", ["response_types_supported"] = "token", ["revocation_endpoint"] = "https://atoll.example.org/api/v1/oauth2/revoke", ["run"] = "run_06h06v739f83j62ebc8q2anq7g", ["sample"] = 17,
        ["sampleType"] = "tabular", ["scopes_supported"] = "predict", ["score"] = 0.84, ["secret"] = "atl_3kq9...", ["seed"] = 1, ["sha256"] = Digest, ["shape"] = -1, ["sourceDigest"] = Digest, ["split"] = "train", ["stage"] = "training", ["start"] = 5, ["state"] = "succeeded",
        ["target"] = "churn", ["task"] = "classification", ["tenant"] = "acme", ["text"] = "I lost my card", ["to"] = "production", ["token"] = "rft_06h06v7316xwa7d94kq3w4wjsg", ["token_endpoint"] = "https://atoll.example.org/api/v1/oauth2/token",
        ["token_endpoint_auth_methods_supported"] = "client_secret_basic", ["token_type"] = "Bearer", ["type"] = "tabular", ["upper"] = 120.5, ["use"] = "sig", ["value"] = 0.84, ["values"] = "Paris", ["version"] = 3, ["width"] = 640,
        ["contact"] = "alice@example.org", ["finding"] = "1 of 14 columns has moved since the training.", ["intendedUse"] = "Which customers to call first.", ["licence"] = "internal",
        ["limits"] = "Its scores are from 120 held-out samples only, so they are rough.", ["notFor"] = "Decisions about credit.", ["notKnown"] = "Who trained it.", ["reason"] = "As in the training data.",
        ["summary"] = "It says which of 2 labels 'churn' is, from 14 columns.", ["x"] = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", ["y"] = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    };

    /// <summary>Fills in what nobody wrote by hand.</summary>
    public static void AddTo(OpenApiDocument document)
    {
        foreach (var operation in document.Paths.Values.SelectMany(path => path.Operations?.Values.ToList() ?? []))
        {
            foreach (var parameter in operation.Parameters ?? [])
                if (parameter is OpenApiParameter { In: ParameterLocation.Path, Example: null } path) path.Example = Of(path.Name!, path.Schema, 0);
            foreach (var media in operation.RequestBody?.Content?.Values ?? []) Fill(media);
            foreach (var media in operation.Responses!.Where(response => response.Key.StartsWith('2')).SelectMany(response => response.Value.Content?.Values.ToList() ?? [])) Fill(media);
        }
    }

    private static void Fill(OpenApiMediaType media)
    {
        if (media is { Example: null, Schema: not null }) media.Example = Of("", media.Schema, 0);
    }

    private static JsonNode? Of(string name, IOpenApiSchema? schema, int depth)
    {
        if (schema is null || depth > DepthMax) return null;
        if (schema.OneOf is { Count: > 0 } choices) return Of(name, choices.FirstOrDefault(choice => choice.Type != JsonSchemaType.Null), depth);

        var type = schema.Type ?? JsonSchemaType.Object;
        if (type.HasFlag(JsonSchemaType.Array))
        {
            var item = Of(name, schema.Items, depth + 1);
            return item is null ? new JsonArray() : new JsonArray(item);
        }
        if (type.HasFlag(JsonSchemaType.Object)) return ObjectOf(name, schema, depth);
        if (type.HasFlag(JsonSchemaType.Boolean)) return Given(name) ?? false;
        if (type.HasFlag(JsonSchemaType.Integer)) return Given(name) is JsonValue whole && whole.TryGetValue<int>(out _) ? whole : JsonValue.Create(1);
        if (type.HasFlag(JsonSchemaType.Number)) return Given(name) is JsonValue number && !number.TryGetValue<string>(out _) ? number : JsonValue.Create(0.5);
        if (schema.Format == "date-time") return "2026-01-31T09:30:00Z";
        if (schema.Format == "binary") return "<bytes>";
        return Given(name) is { } text ? text.ToString() : name.Length > 0 ? $"<{name}>" : "<text>";
    }

    private static JsonObject ObjectOf(string name, IOpenApiSchema schema, int depth)
    {
        var example = new JsonObject();
        foreach (var (member, type) in schema.Properties ?? new Dictionary<string, IOpenApiSchema>())
        {
            // What may be absent and has no example of its own is left out, such as the error of something that went well.
            if (type.Type is { } kinds && kinds.HasFlag(JsonSchemaType.Null) && kinds.HasFlag(JsonSchemaType.String) && type.Format is null && !Values.ContainsKey(member)) continue;
            example[member] = Of(member, type, depth + 1);
        }
        if (example.Count == 0 && schema.AdditionalProperties is { } values) example[name is "metrics" ? "auc" : "tenure"] = Of(name, values, depth + 1);
        return example;
    }

    private static JsonNode? Given(string name) => Values.GetValueOrDefault(name)?.DeepClone();
}
