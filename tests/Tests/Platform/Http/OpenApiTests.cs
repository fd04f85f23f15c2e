using System.Text.Json;
using System.Text.Json.Nodes;
using Atoll.Platform.Security;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Atoll.Tests.Platform.Http;

public sealed class OpenApiTests(TestServer server) : IClassFixture<TestServer>
{
    [Fact]
    public async Task The_document_is_the_golden_one()
    {
        var document = await DocumentAsync();
        Golden.Check("tests/Tests/Golden/openapi.v1.json", document.ToJsonString(new JsonSerializerOptions { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }) + "\n");
    }

    [Fact]
    public async Task Every_route_of_the_API_has_a_name_a_summary_and_its_problems()
    {
        var paths = (await DocumentAsync())["paths"]!.AsObject();
        var names = new HashSet<string>();
        var wrong = new List<string>();
        foreach (var endpoint in server.Server.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>())
        {
            var path = "/" + endpoint.RoutePattern.RawText!.Trim('/');
            if (!path.StartsWith("/api/", StringComparison.Ordinal)) continue;

            // A route of any method is the one that refuses wrong ones.
            foreach (var method in endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? [])
            {
                if (paths[path]?[method.ToLowerInvariant()] is not JsonObject operation)
                {
                    wrong.Add($"{method} {path} is not in the document.");
                    continue;
                }
                if (operation["operationId"]?.GetValue<string>() is not { Length: > 0 } name || !names.Add(name)) wrong.Add($"{method} {path} has no name of its own.");
                if (operation["summary"]?.GetValue<string>() is not { Length: > 0 }) wrong.Add($"{method} {path} has no summary.");
                if (operation["responses"]!.AsObject().All(response => !response.Key.StartsWith('2'))) wrong.Add($"{method} {path} has no answer of success.");
                var isOpen = endpoint.Metadata.GetMetadata<OpenToAnybody>() is not null;
                if (!isOpen && operation["security"]?.AsArray().Count is not 1) wrong.Add($"{method} {path} has no security.");
                if (!isOpen && operation["responses"]!["401"] is null) wrong.Add($"{method} {path} has no 401.");
                if (operation["requestBody"]?["content"] is JsonObject contents && contents.Any(content => content.Value!["example"] is null && content.Value["examples"] is null))
                    wrong.Add($"{method} {path} has a body without an example: add .WithExample(...).");
            }
        }
        Assert.Empty(wrong);
    }

    [Fact]
    public async Task Every_body_and_every_place_of_a_path_has_an_example()
    {
        var lacking = new List<string>();
        var looked = 0;
        foreach (var (path, operations) in (await DocumentAsync())["paths"]!.AsObject())
        foreach (var (method, operation) in operations!.AsObject())
        {
            var bodies = operation!["responses"]!.AsObject().Where(response => response.Key.StartsWith('2')).Select(response => response.Value!["content"]).Append(operation["requestBody"]?["content"]);
            foreach (var (type, content) in bodies.OfType<JsonObject>().SelectMany(content => content))
            {
                looked++;
                if (content!["example"] is null) lacking.Add($"{method} {path}: {type}");
            }
            foreach (var parameter in operation["parameters"]?.AsArray() ?? [])
                if ((string)parameter!["in"]! == "path" && (parameter["example"] is not { } example || example.ToString().StartsWith('<'))) lacking.Add($"{method} {path}: {parameter["name"]}");
        }

        Assert.True(looked > 60, $"{looked} bodies are in the document.");
        Assert.Empty(lacking);
    }

    private async Task<JsonNode> DocumentAsync()
    {
        using var client = server.ClientFor(null);
        return JsonNode.Parse(await client.GetStringAsync("/openapi/v1.json"))!;
    }
}
