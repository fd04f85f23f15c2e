using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Atoll.Tests.Platform.Http;

public sealed partial class UnknownQueryTests(TestServer server) : IClassFixture<TestServer>
{
    [Fact]
    public async Task Every_route_of_the_api_refuses_a_parameter_that_it_does_not_read()
    {
        var asked = 0;
        var wrong = new List<string>();
        foreach (var route in Routes().Where(route => route.Metadata.GetMetadata<OpenQuery>() is null))
        {
            foreach (var method in route.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? [])
            {
                asked++;
                var path = Parameter().Replace(route.RoutePattern.RawText!, "x");
                using var request = new HttpRequestMessage(new HttpMethod(method), path + "?zzzzzz=1");
                using var answer = await server.Platform.SendAsync(request);
                var text = await answer.Content.ReadAsStringAsync();
                if (answer.StatusCode != HttpStatusCode.BadRequest || !text.Contains("There is no query parameter 'zzzzzz' here.")) wrong.Add($"{method} {path}: {text}");
            }
        }
        Assert.True(wrong.Count == 0, string.Join("\n", wrong));
        Assert.True(asked > 40, $"Only {asked} routes were asked.");
    }

    [Fact]
    public async Task What_the_document_describes_is_what_is_read()
    {
        var document = JsonNode.Parse(await server.Platform.GetStringAsync("/openapi/v1.json"))!;
        foreach (var route in Routes().Where(route => route.Metadata.GetMetadata<HttpMethodMetadata>() is not null && route.Metadata.GetMetadata<OpenQuery>() is null))
        {
            var path = "/" + route.RoutePattern.RawText!.Trim('/');
            var method = route.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods.Single().ToLowerInvariant();
            var operation = document["paths"]!.AsObject().Single(pair => pair.Key.TrimEnd('/') == path).Value![method]!;
            var described = (operation["parameters"]?.AsArray() ?? []).Where(parameter => (string?)parameter!["in"] == "query")
                .Select(parameter => ((string)parameter!["name"]!).ToLowerInvariant());
            Assert.Equal(described.Order(), UnknownQuery.ParametersOf(route).Select(name => name.ToLowerInvariant()).Order());
        }
    }

    [Theory]
    [InlineData("/api/v1/runs?limitt=3", "Did you mean 'limit'?")]
    [InlineData("/api/v1/runs?State=failed&aftr=x", "Did you mean 'after'?")]
    [InlineData("/api/v1/endpoints/x:predict?unknwon=ignore", "Did you mean 'unknown'?")]
    [InlineData("/api/v1/me?x=1", "this address takes none")]
    public async Task A_parameter_that_is_nearly_right_is_named(string address, string expected)
    {
        using var request = new HttpRequestMessage(address.Contains(':') ? HttpMethod.Post : HttpMethod.Get, address);
        using var answer = await server.Platform.SendAsync(request);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains(expected, (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["detail"]);
    }

    [Theory]
    [InlineData("/v2?x=1")]
    [InlineData("/.well-known/jwks.json?x=1")]
    [InlineData("/healthz?x=1")]
    public async Task Addresses_of_other_protocols_overlook_what_they_do_not_know(string address)
    {
        using var answer = await server.Platform.GetAsync(address);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    private IEnumerable<RouteEndpoint> Routes() => server.Server.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
        .Where(route => route.RoutePattern.RawText!.StartsWith("/api", StringComparison.Ordinal));

    [GeneratedRegex(@"\{[^}]*\}")]
    private static partial Regex Parameter();
}
