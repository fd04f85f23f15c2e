using System.Net;
using System.Text.Json.Nodes;

namespace Atoll.Tests.Platform.Http;

public sealed class WelcomeTests(TestServer server) : IClassFixture<TestServer>
{
    [Fact]
    public async Task A_program_at_the_servers_address_learns_where_the_api_is_described()
    {
        using var anybody = server.ClientFor(null);
        var answer = JsonNode.Parse(await anybody.GetStringAsync("/"))!;
        Assert.Equal("atoll", (string?)answer["name"]);
        using var document = await anybody.GetAsync((string)answer["openapi"]!);
        Assert.Equal(HttpStatusCode.OK, document.StatusCode);
    }

    [Fact]
    public async Task A_browser_gets_a_page_whose_links_work_and_which_believes_no_header()
    {
        using var anybody = server.ClientFor(null);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/");
        request.Headers.Accept.ParseAdd("text/html");
        request.Headers.Host = "atoll.example.org";
        using var answer = await anybody.SendAsync(request);
        Assert.Equal("text/html", answer.Content.Headers.ContentType?.MediaType);
        Assert.Contains("default-src 'none'", string.Join(' ', answer.Headers.GetValues("Content-Security-Policy")));
        var page = await answer.Content.ReadAsStringAsync();
        Assert.Contains($"atoll login --server {server.Server.Address}", page);
        Assert.DoesNotContain("atoll.example.org", page);
        foreach (var address in page.Split("href=\"").Skip(1).Select(part => part.Split('"')[0]))
        {
            using var linked = await anybody.GetAsync(address);
            Assert.True(linked.IsSuccessStatusCode, $"{address} answers {linked.StatusCode}.");
        }
    }

    [Theory]
    [InlineData("GET", "/api/v1/endpoints/x:predict", "POST")]
    [InlineData("DELETE", "/api/v1/runs/x:cancel", "POST")]
    [InlineData("PUT", "/api/v1/models/x:promote", "POST")]
    [InlineData("GET", "/api/v1/imports/x:cancel", "POST")]
    [InlineData("GET", "/v2/models/x/infer", "POST")]
    [InlineData("POST", "/v2/health/live", "GET")]
    public async Task A_wrong_method_is_told_which_one_is_right(string method, string path, string right)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var answer = await server.Platform.SendAsync(request);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, answer.StatusCode);
        Assert.Equal([right], answer.Content.Headers.Allow);
    }

    [Theory]
    [InlineData("Bearer ", "The credential is empty.")]
    [InlineData("Bearer", "The credential is empty.")]
    [InlineData("", "The request has no credential.")]
    public async Task An_empty_credential_is_told_as_such(string header, string expected)
    {
        using var anybody = server.ClientFor(null);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/me");
        request.Headers.TryAddWithoutValidation("Authorization", header);
        using var answer = await anybody.SendAsync(request);
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.StartsWith(expected, (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["detail"]);
    }

    [Fact]
    public async Task An_address_below_the_protocols_health_that_is_not_there_is_refused_in_its_words()
    {
        using var answer = await server.Platform.GetAsync("/v2/health/unknown");
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.NotNull((string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["error"]);
    }
}
