using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Atoll.Contracts;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Tenancy;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Atoll.Tests.Tenancy;

/// <summary>Walks every route of the running server with another tenant's names and ids.</summary>
public sealed partial class EveryRouteTests : IAsyncLifetime
{
    /// <summary>
    /// What an administrator of another tenant gets. Every route has a row; a new route without one fails the test.
    /// Parameters are filled with the victim's real values (<see cref="VictimTenant.Values"/>).
    /// </summary>
    private static readonly Dictionary<string, Attack> Table = new()
    {
        // Tenancy
        ["GET /api/v1/me"] = Attack.Own,
        ["POST /api/v1/tenants"] = Attack.Forbidden("""{ "name": "stolen" }"""),
        ["GET /api/v1/tenants"] = Attack.Forbidden(),
        ["GET /api/v1/tenants/{tenant}"] = Attack.Forbidden(),
        ["DELETE /api/v1/tenants/{tenant}"] = Attack.Forbidden(),
        ["POST /api/v1/tenants/{tenant}/keys"] = Attack.Forbidden(),
        ["PUT /api/v1/tenants/{tenant}/limits/{limit}"] = Attack.Forbidden("""{ "value": 1 }"""),
        ["DELETE /api/v1/tenants/{tenant}/limits/{limit}"] = Attack.Forbidden(),
        ["POST /api/v1/principals"] = Attack.Creating("""{ "name": "attackers-principal", "email": "victim@example.com" }"""),
        ["GET /api/v1/principals"] = Attack.Own,
        ["GET /api/v1/principals/{principal}"] = Attack.NotFound(),
        ["DELETE /api/v1/principals/{principal}"] = Attack.NotFound(),
        ["GET /api/v1/principals/{principal}/grants"] = Attack.NotFound(),
        ["PUT /api/v1/principals/{principal}/grants/{permission}"] = Attack.NotFound(),
        ["DELETE /api/v1/principals/{principal}/grants/{permission}"] = Attack.NotFound(),
        ["POST /api/v1/principals/{principal}/keys"] = Attack.NotFound("{}"),
        ["GET /api/v1/principals/{principal}/keys"] = Attack.NotFound(),
        ["DELETE /api/v1/principals/{principal}/keys/{key}"] = Attack.NotFound(),
        ["POST /api/v1/principals/{principal}/key-pair"] = Attack.NotFound(),
        ["PUT /api/v1/principals/{principal}/public-key"] = Attack.NotFound("""{ "publicKeyPem": "x", "proof": "x" }"""),
        ["DELETE /api/v1/principals/{principal}/public-key"] = Attack.NotFound(),
        ["GET /api/v1/principals/{principal}/refresh-tokens"] = Attack.NotFound(),
        ["DELETE /api/v1/principals/{principal}/refresh-tokens/{token}"] = Attack.NotFound(),
        ["POST /api/v1/oauth2/token"] = Attack.Refused(401, "grant_type=client_credentials&client_id=victim-principal&client_secret=x", Attack.Form),
        ["POST /v2/oauth2/token"] = Attack.Refused(401, "grant_type=refresh_token&refresh_token=rft_victim", Attack.Form),
        ["POST /v1/oauth2/token"] = Attack.Refused(401, "grant_type=refresh_token&refresh_token=rft_victim", Attack.Form),
        ["DELETE /v2/oauth2/tokens/{token}"] = Attack.NotFound(),
        ["DELETE /v2/oauth2/token/{token}"] = Attack.NotFound(),
        ["POST /api/v1/oauth2/revoke"] = Attack.Creating("token=rft_victim", Attack.Form),
        ["GET /.well-known/jwks.json"] = Attack.Own,
        ["GET /.well-known/oauth-authorization-server"] = Attack.Own,

        // Datasets
        ["POST /api/v1/datasets"] = Attack.Creating("""{ "name": "stolen", "type": "text", "url": "http://127.0.0.1:1/x.csv" }"""),
        ["GET /api/v1/datasets"] = Attack.Own,
        ["GET /api/v1/datasets/{dataset}"] = Attack.NotFound(),
        ["DELETE /api/v1/datasets/{dataset}"] = Attack.NotFound(),
        ["POST /api/v1/datasets/{dataset}/versions"] = Attack.NotFound("""{ "url": "http://127.0.0.1:1/x.csv" }"""),
        ["GET /api/v1/datasets/{dataset}/versions"] = Attack.NotFound(),
        ["GET /api/v1/datasets/{dataset}/versions/{version}"] = Attack.NotFound(),
        ["GET /api/v1/datasets/{dataset}/versions/{version}/samples"] = Attack.NotFound(),
        ["GET /api/v1/datasets/{dataset}/versions/{version}/samples/{sample}"] = Attack.NotFound(),
        ["GET /api/v1/datasets/{dataset}/versions/{version}/samples/{sample}/content"] = Attack.NotFound(),
        ["GET /api/v1/imports/{import}"] = Attack.NotFound(),
        ["GET /api/v1/imports/{import}:cancel"] = new Attack(405),
        ["POST /api/v1/imports/{import}:cancel"] = Attack.NotFound(),

        // Training
        ["POST /api/v1/runs"] = Attack.NotFound("""{ "dataset": "victim-dataset" }"""),
        ["GET /api/v1/trainers"] = Attack.Own,
        ["GET /api/v1/runs"] = Attack.Own,
        ["GET /api/v1/runs/{run}"] = Attack.NotFound(),
        ["GET /api/v1/runs/{run}:cancel"] = new Attack(405),
        ["POST /api/v1/runs/{run}:cancel"] = Attack.NotFound(),
        ["GET /api/v1/runs/{run}/metrics"] = Attack.NotFound(),
        ["GET /api/v1/runs/{run}/logs"] = Attack.NotFound(),
        ["GET /api/v1/runs/{run}/events"] = Attack.NotFound(),

        // Registry, promotion, deployments
        ["GET /api/v1/models"] = Attack.Own,
        ["GET /api/v1/models/{model}"] = Attack.NotFound(),
        ["DELETE /api/v1/models/{model}"] = Attack.NotFound(),
        ["GET /api/v1/models/{model}/versions"] = Attack.NotFound(),
        ["POST /api/v1/models/{model}/versions"] = Attack.Refused(400, "--x--\r\n", "multipart/form-data"),
        ["GET /api/v1/model-imports/{modelImport}"] = Attack.NotFound(),
        ["GET /api/v1/model-imports/{modelImport}:cancel"] = new Attack(405),
        ["POST /api/v1/model-imports/{modelImport}:cancel"] = Attack.NotFound(),
        ["GET /api/v1/models/{model}/versions/{version}"] = Attack.NotFound(),
        ["DELETE /api/v1/models/{model}/versions/{version}"] = Attack.NotFound(),
        ["GET /api/v1/models/{model}/versions/{version}/report"] = Attack.NotFound(),
        ["GET /api/v1/models/{model}/versions/{version}/card"] = Attack.NotFound(),
        ["PUT /api/v1/models/{model}/notes"] = Attack.NotFound("""{ "intendedUse": "stolen" }"""),
        ["GET /api/v1/models/{model}/versions/{version}/artifact"] = Attack.NotFound(),
        ["PUT /api/v1/models/{model}/aliases/{alias}"] = Attack.NotFound("""{ "version": 1 }"""),
        ["DELETE /api/v1/models/{model}/aliases/{alias}"] = Attack.NotFound(),
        ["GET /api/v1/models/{model}:promote"] = new Attack(405),
        ["POST /api/v1/models/{model}:promote"] = Attack.NotFound("""{ "to": "staging" }"""),
        ["GET /api/v1/models/{model}/promotions"] = Attack.NotFound(),
        ["GET /api/v1/serving"] = Attack.Forbidden(),
        ["GET /api/v1/endpoints"] = Attack.Own,
        ["GET /api/v1/endpoints/{endpoint}"] = Attack.NotFound(),
        ["PUT /api/v1/endpoints/{endpoint}/pin"] = Attack.NotFound(),
        ["DELETE /api/v1/endpoints/{endpoint}/pin"] = Attack.NotFound(),

        // Monitoring
        ["GET /api/v1/usage"] = Attack.Own,
        ["GET /api/v1/usage/all"] = Attack.Forbidden(),
        ["GET /api/v1/endpoints/{endpoint}/log"] = Attack.NotFound(),
        ["PUT /api/v1/endpoints/{endpoint}/log"] = Attack.NotFound("""{ "rate": 1 }"""),
        ["DELETE /api/v1/endpoints/{endpoint}/log"] = Attack.NotFound(),
        ["GET /api/v1/endpoints/{endpoint}/log/{day}"] = Attack.NotFound(),

        // Prediction
        ["GET /api/v1/endpoints/{endpoint}:predict"] = new Attack(405),
        ["POST /api/v1/endpoints/{endpoint}:predict"] = Attack.NotFound("""{ "rows": [{ "x": 1 }] }"""),
        ["GET /api/v1/endpoints/{endpoint}:compare"] = new Attack(405),
        ["POST /api/v1/endpoints/{endpoint}:compare"] = Attack.NotFound("""{ "rows": [{ "x": 1 }] }"""),
        ["GET /v2"] = Attack.Own,
        ["GET /v2/health/live"] = Attack.Own,
        ["GET /v2/health/ready"] = Attack.Own,
        ["GET /v2/models/{model}"] = Attack.NotFound(),
        ["GET /v2/models/{model}/ready"] = Attack.NotFound(),
        ["POST /v2/models/{model}/infer"] = Attack.NotFound("""{ "inputs": [] }"""),
        ["POST /v2/models/{model}/generate"] = Attack.NotFound("{}"),
        ["POST /v2/models/{model}/generate_stream"] = Attack.NotFound("{}"),
        ["POST /v2/models/{model}/versions/{version}/generate"] = Attack.NotFound("{}"),
        ["POST /v2/models/{model}/versions/{version}/generate_stream"] = Attack.NotFound("{}"),
        ["GET /v2/models/{model}/config"] = Attack.NotFound(),
        ["GET /v2/models/{model}/stats"] = Attack.NotFound(),
        ["GET /v2/models/{model}/versions/{version}/config"] = Attack.NotFound(),
        ["GET /v2/models/{model}/versions/{version}/stats"] = Attack.NotFound(),
        ["GET /v2/models/stats"] = Attack.Own,
        ["POST /v2/repository/index"] = Attack.Creating("{}"),
        ["POST /v2/repository/models/{model}/load"] = Attack.NotFound("{}"),
        ["POST /v2/repository/models/{model}/unload"] = Attack.NotFound("{}"),
        ["GET /v2/repository/{**rest}"] = new Attack(405) { Values = { ["rest"] = "index" } },
        ["GET /v2/systemsharedmemory/status"] = Attack.Own,
        ["POST /v2/systemsharedmemory/unregister"] = Attack.Own,
        ["GET /v2/systemsharedmemory/region/{region}/status"] = new Attack(404) { Values = { ["region"] = "victim-region" } },
        ["POST /v2/systemsharedmemory/region/{region}/register"] = new Attack(400) { Values = { ["region"] = "victim-region" }, Body = """{ "key": "/tenant-1.victim", "byte_size": 1 }""" },
        ["POST /v2/systemsharedmemory/region/{region}/unregister"] = new Attack(200) { Values = { ["region"] = "victim-region" } },
        ["GET /v2/systemsharedmemory/{**rest}"] = new Attack(405) { Values = { ["rest"] = "unregister" } },
        ["GET /v2/models/{model}/versions/{version}"] = Attack.NotFound(),
        ["GET /v2/models/{model}/versions/{version}/ready"] = Attack.NotFound(),
        ["POST /v2/models/{model}/versions/{version}/infer"] = Attack.NotFound("""{ "inputs": [] }"""),
        ["GET /v2/health/{**rest}"] = new Attack(404) { Values = { ["rest"] = "any" } },
        ["GET /v2/models/{**rest}"] = new Attack(405) { Values = { ["rest"] = "any/infer" } },

        // gRPC: what is not of its content type is refused after the caller is known; EveryGrpcMethodTests sends what is.
        ["POST /grpc.health.v1.Health/Check"] = Attack.NotGrpc,
        ["POST /grpc.health.v1.Health/Watch"] = Attack.NotGrpc,
        ["POST /grpc.reflection.v1.ServerReflection/ServerReflectionInfo"] = Attack.NotGrpc,
        ["POST /grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"] = Attack.NotGrpc,
        ["POST /inference.GRPCInferenceService/ServerLive"] = Attack.NotGrpc,
        ["POST /inference.GRPCInferenceService/ServerReady"] = Attack.NotGrpc,
        ["POST /inference.GRPCInferenceService/ServerMetadata"] = Attack.NotGrpc,
        ["POST /inference.GRPCInferenceService/ModelReady"] = Attack.NotGrpc,
        ["POST /inference.GRPCInferenceService/ModelMetadata"] = Attack.NotGrpc,
        ["POST /inference.GRPCInferenceService/ModelInfer"] = Attack.NotGrpc,
        ["POST /inference.GRPCInferenceService/ModelStreamInfer"] = Attack.NotGrpc,
        ["POST /inference.GRPCInferenceService/ModelConfig"] = Attack.NotGrpc,
        ["POST /inference.GRPCInferenceService/ModelStatistics"] = Attack.NotGrpc,
        ["POST /inference.GRPCInferenceService/RepositoryIndex"] = Attack.NotGrpc,
        ["POST /inference.GRPCInferenceService/RepositoryModelLoad"] = Attack.NotGrpc,
        ["POST /inference.GRPCInferenceService/RepositoryModelUnload"] = Attack.NotGrpc,
        ["POST /inference.GRPCInferenceService/SystemSharedMemoryStatus"] = Attack.NotGrpc,
        ["POST /inference.GRPCInferenceService/SystemSharedMemoryRegister"] = Attack.NotGrpc,
        ["POST /inference.GRPCInferenceService/SystemSharedMemoryUnregister"] = Attack.NotGrpc,

        // The server itself
        ["GET /"] = Attack.Own,
        ["GET /healthz"] = Attack.Own,
        ["GET /readyz"] = Attack.Own,
        ["GET /metrics"] = Attack.Forbidden(),
        ["GET /openapi/{documentName}.json"] = new Attack(200) { Values = { ["documentName"] = "v1" } },
    };

    static EveryRouteTests()
    {
        // The same at every prefix.
        foreach (var prefix in (string[])["/v2/vision", "/v2/language", "/v1/vision"])
        {
            foreach (var (key, attack) in (IEnumerable<(string, Attack)>)
            [
                ("GET datasets", Attack.Own),
                ("POST datasets/upload", Attack.Refused(400, "--x--", "multipart/form-data")),
                ("POST datasets/upload/sync", Attack.Refused(400, "--x--", "multipart/form-data")),
                ("PUT datasets/{datasetId}/upload", Attack.Refused(404, "path=http://127.0.0.1:1/x", Attack.Form)),
                ("GET datasets/{datasetId}/examples/{exampleId}/content", Attack.NotFound()),
                ("POST feedback", Attack.Refused(404, $"modelId={VictimTenant.EinsteinModelId}&expectedLabel=x&document=x", Attack.Form)),
                ("GET datasets/{datasetId}", Attack.NotFound()),
                ("DELETE datasets/{datasetId}", Attack.NotFound()),
                ("GET datasets/{datasetId}/labels", Attack.NotFound()),
                ("GET datasets/{datasetId}/labels/{labelId}", Attack.NotFound()),
                ("GET datasets/{datasetId}/examples", Attack.NotFound()),
                ("GET datasets/{datasetId}/models", Attack.NotFound()),
                ("GET examples", new Attack(400)),
                ("GET examples/{datasetId}/label/{labelId}", Attack.NotFound()),
                ("GET deletion/{deletionId}", Attack.NotFound()),
                ("GET datasets/deletion/{deletionId}", Attack.NotFound()),
                ("POST train", Attack.Refused(404, $"name=stolen&datasetId={VictimTenant.EinsteinDatasetNumber}", Attack.Form)),
                ("GET train/{modelId}", Attack.NotFound()),
                ("POST retrain", Attack.Refused(404, $"modelId={VictimTenant.EinsteinModelId}", Attack.Form)),
                ("GET models/{modelId}", Attack.NotFound()),
                ("GET models/{modelId}/lc", Attack.NotFound()),
                ("DELETE models/{modelId}", Attack.NotFound()),
            ]) Table[key.Replace(" ", $" {prefix}/", StringComparison.Ordinal)] = attack;
        }
        foreach (var prefix in (string[])["/v2/vision", "/v1/vision"])
            Table[$"POST {prefix}/datasets/{{datasetId}}/examples"] = Attack.Refused(404, "name=x&labelId=1", Attack.Form);
        foreach (var path in (string[])["/v2/apiusage", "/v1/apiusage"]) Table[$"GET {path}"] = Attack.Own;
        foreach (var path in (string[])["/v2/vision/predict", "/v1/vision/predict"])
            Table[$"POST {path}"] = Attack.Refused(404, $"modelId={VictimTenant.EinsteinModelId}&sampleBase64Content=AAAA", Attack.Form);
        foreach (var path in (string[])["/v2/language/intent", "/v2/language/sentiment"])
            Table[$"POST {path}"] = Attack.Refused(404, $"modelId={VictimTenant.EinsteinModelId}&document=x", Attack.Form);
    }

    private readonly TestServer _server = new() { Settings = ["--Tenancy:FailedCredentialsPerMinuteMax=1000000", "--Prediction:SharedMemory=true"] };
    private VictimTenant _victim = null!;

    public async ValueTask InitializeAsync()
    {
        await _server.InitializeAsync();
        _victim = await VictimTenant.CreateAsync(_server);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public void Every_route_has_a_row_and_every_row_a_route()
    {
        var routes = Routes().Select(route => route.Key).ToList();
        Assert.True(routes.Except(Table.Keys).ToList() is [], $"Add a row to {nameof(EveryRouteTests)} for: {string.Join(", ", routes.Except(Table.Keys))}");
        Assert.True(Table.Keys.Except(routes).ToList() is [], $"There is no route any more for: {string.Join(", ", Table.Keys.Except(routes))}");
    }

    [Fact]
    public async Task The_victim_has_a_row_in_every_table() => Assert.Empty(await _victim.EmptyTablesAsync());

    [Fact]
    public void Every_route_says_exactly_once_who_may_use_it()
    {
        foreach (var (key, endpoint) in Routes())
        {
            var marks = endpoint.Metadata.OfType<NeedsPermission>().Cast<object>().Concat(endpoint.Metadata.OfType<OpenToAnybody>()).Concat(endpoint.Metadata.OfType<OpenToCallers>()).ToList();
            Assert.True(marks.Count == 1, $"{key} has {marks.Count} access marks.");
            if (marks[0] is NeedsPermission needed) Assert.True(Permissions.All.Contains(needed.Permission), $"{key} needs the unknown permission '{needed.Permission}'.");
        }
    }

    [Fact]
    public async Task Another_tenants_administrator_finds_nothing_and_changes_nothing()
    {
        var before = await _victim.PictureAsync();
        var (_, attacker) = await _server.CreateTenantAsync();
        await attacker.CreatePrincipalAsync("own-principal");
        var wrong = new List<string>();
        foreach (var (key, _) in Routes())
        {
            if (!Table.TryGetValue(key, out var attack)) continue;
            wrong.AddRange(await TryAsync(attacker, key, attack, _victim.Values));

            // Half of the address is the attacker's own, the other half the victim's.
            if (key.Contains("{principal}/") && key.Count(c => c == '{') > 1 && !key.Contains("{permission}"))
                wrong.AddRange(await TryAsync(attacker, key, attack, new Dictionary<string, string>(_victim.Values) { ["principal"] = "own-principal" }));
        }
        Assert.Empty(wrong);
        Assert.Equal(before, await _victim.PictureAsync());
    }

    [Theory]
    [InlineData("path")]
    [InlineData("header")]
    public async Task Naming_the_victim_opens_nothing_of_it(string how)
    {
        var before = await _victim.PictureAsync();
        var (_, attacker) = await _server.CreateTenantAsync();
        if (how == "header") attacker.DefaultRequestHeaders.Add(NamedTenant.Header, _victim.Values["tenant"]);
        var prefix = how == "path" ? $"/t/{_victim.Values["tenant"]}" : "";
        var wrong = new List<string>();
        var walked = 0;
        foreach (var (key, endpoint) in Routes().Where(route => route.Key.Contains(" /v2", StringComparison.Ordinal) && Table.ContainsKey(route.Key)))
        {
            if (ProblemWriter.IsEinstein("/" + endpoint.RoutePattern.RawText!.Trim('/'))) continue;
            if (endpoint.Metadata.GetMetadata<OpenToAnybody>() is not null) continue;
            var named = key.Replace(" /v2", $" {prefix}/v2", StringComparison.Ordinal);
            using var answer = await SendAsync(attacker, named, Table[key], _victim.Values);
            var text = await answer.Content.ReadAsStringAsync();
            if (answer.StatusCode != HttpStatusCode.NotFound || !text.Contains("{\"error\":", StringComparison.Ordinal)) wrong.Add($"{named}: {(int)answer.StatusCode} {text}");
            walked++;
        }
        Assert.Empty(wrong);
        Assert.True(walked > 10, $"{walked} routes");
        Assert.Equal(before, await _victim.PictureAsync());
    }

    [Fact]
    public async Task The_victims_own_administrator_finds_all_of_it()
    {
        // The control: without it the walk above would also pass with names that exist nowhere.
        var wrong = new List<string>();
        foreach (var (key, _) in Routes().Where(route => route.Key.StartsWith("GET ", StringComparison.Ordinal) && Table.TryGetValue(route.Key, out var attack) && attack is { Status: 404, Values.Count: 0 }))
        {
            using var answer = await SendAsync(_victim.Administrator, key, Table[key], _victim.Values);
            if (answer.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden) wrong.Add($"{key}: {(int)answer.StatusCode}");
        }
        Assert.Empty(wrong);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("atl_00000000000000000000000000000000")]
    [InlineData("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.")]
    public async Task Without_a_credential_that_works_nothing_is_answered_and_nothing_changes(string? credential)
    {
        var before = await _victim.PictureAsync();
        using var nobody = _server.ClientFor(credential);
        var wrong = new List<string>();
        foreach (var (key, endpoint) in Routes())
        {
            if (!Table.TryGetValue(key, out var attack)) continue;
            using var answer = await SendAsync(nobody, key, attack, _victim.Values);
            var isOpen = endpoint.Metadata.GetMetadata<OpenToAnybody>() is not null;
            if (isOpen ? (int)answer.StatusCode != attack.Status : answer.StatusCode != HttpStatusCode.Unauthorized) wrong.Add($"{key}: {(int)answer.StatusCode}");
        }
        Assert.Empty(wrong);
        Assert.Equal(before, await _victim.PictureAsync());
    }

    [Fact]
    public async Task A_principal_without_grants_is_refused_by_every_route_that_needs_one()
    {
        var (_, admin) = await _server.CreateTenantAsync();
        await admin.CreatePrincipalAsync("nobody");
        using var client = _server.ClientFor((await admin.CreateKeyAsync("nobody")).Secret);
        var wrong = new List<string>();
        foreach (var (key, endpoint) in Routes().Where(route => route.Endpoint.Metadata.GetMetadata<NeedsPermission>() is not null))
        {
            if (!Table.TryGetValue(key, out var attack)) continue;
            using var answer = await SendAsync(client, key, attack, _victim.Values);
            if (answer.StatusCode != HttpStatusCode.Forbidden) wrong.Add($"{key}: {(int)answer.StatusCode}");
        }
        Assert.Empty(wrong);
    }

    private async Task<IReadOnlyList<string>> TryAsync(HttpClient client, string key, Attack attack, IReadOnlyDictionary<string, string> values)
    {
        using var answer = await SendAsync(client, key, attack, values);
        var text = await answer.Content.ReadAsStringAsync();
        var status = (int)answer.StatusCode;
        if (attack.Status == 200 ? status is < 200 or > 299 : status != attack.Status) return [$"{key}: {status} instead of {attack.Status}: {text}"];

        // A refusal repeats the name that was asked for; an answer must not know it.
        return status < 300
            ? [.. _victim.Secrets.Where(secret => text.Contains(secret)).Select(secret => $"{key} shows '{secret}'")]
            : [];
    }

    private static async Task<HttpResponseMessage> SendAsync(HttpClient client, string key, Attack attack, IReadOnlyDictionary<string, string> values)
    {
        var (method, pattern) = (key.Split(' ')[0], key.Split(' ')[1]);
        var path = Parameter().Replace(pattern, match =>
        {
            var name = match.Groups["name"].Value;
            return attack.Values.TryGetValue(name, out var own) || values.TryGetValue(name, out own!)
                ? own
                : throw new InvalidOperationException($"Give '{name}' a value in {nameof(VictimTenant)}.{nameof(VictimTenant.Values)} for {key}.");
        });
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (attack.Body is not null) request.Content = new StringContent(attack.Body, Encoding.UTF8, attack.ContentType);
        return await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    private IReadOnlyList<(string Key, RouteEndpoint Endpoint)> Routes() =>
    [
        .. _server.Server.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .SelectMany(endpoint => (endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? ["GET"])
                .Select(method => (Key: $"{method} /{endpoint.RoutePattern.RawText!.Trim('/')}", endpoint)))
            .OrderBy(route => route.Key, StringComparer.Ordinal),
    ];

    [GeneratedRegex(@"\{\**(?<name>[A-Za-z]+)[^}]*\}")]
    private static partial Regex Parameter();

    /// <summary>A request with the victim's names, and the status that another tenant's administrator must get; 200 stands for any success.</summary>
    private sealed record Attack(int Status)
    {
        public const string Form = "application/x-www-form-urlencoded";

        /// <summary>Shows or does only what is the caller's own.</summary>
        public static Attack Own { get; } = new(200);

        public static Attack NotGrpc { get; } = new(415) { Body = "{}" };

        public string? Body { get; init; }

        public string ContentType { get; private init; } = "application/json";

        public Dictionary<string, string> Values { get; } = [];

        public static Attack NotFound(string? body = null) => new(404) { Body = body };

        public static Attack Forbidden(string? body = null) => new(403) { Body = body };

        public static Attack Refused(int status, string body, string contentType) => new(status) { Body = body, ContentType = contentType };

        /// <summary>Succeeds, in the caller's own tenant; the victim must not notice.</summary>
        public static Attack Creating(string body, string contentType = "application/json") => new(200) { Body = body, ContentType = contentType };
    }
}
