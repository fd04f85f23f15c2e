using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.Tenancy;
using Atoll.Tests.Prediction;
using Xunit;

namespace Atoll.Tests.Tenancy;

/// <summary>Clients of the Open Inference Protocol that name their tenant in the path or in a header.</summary>
public sealed class NamedTenantTests(TestServer server) : IClassFixture<TestServer>
{
    private const string Body = """{"inputs":[{"name":"rooms","shape":[1,1],"datatype":"FP32","data":[2]}]}""";

    [Fact]
    public async Task A_client_that_names_its_own_tenant_is_answered_as_without()
    {
        var (tenant, client) = await CreateAsync();
        foreach (var (path, header) in ((string, string?)[])[($"/t/{tenant}/v2", null), ("/v2", tenant), ($"/t/{tenant}/v2", "any other")])
        {
            Assert.Equal((200, 4f), await InferAsync(client, path, header));
            Assert.Equal(200, await GetAsync(client, $"{path}/models/price/ready?test_1=1", header));
            Assert.Equal(404, await GetAsync(client, $"{path}/models/nobody", header));
            Assert.Equal(405, await GetAsync(client, $"{path}/models/price/infer", header));
        }
    }

    [Fact]
    public async Task A_credential_of_another_tenant_finds_no_such_tenant()
    {
        var (tenant, _) = await CreateAsync();
        var (_, other) = await CreateAsync();
        foreach (var named in (string[])[tenant, "nobody-at-all", "platform", tenant.ToUpperInvariant(), ""])
        {
            if (named.Length > 0) Assert.Equal(404, (await InferAsync(other, $"/t/{named}/v2", null)).Status);
            Assert.Equal(404, (await InferAsync(other, "/v2", named)).Status);
        }
        var there = await TextAsync(other, $"/t/{tenant}/v2/models/price");
        Assert.Equal(there, (await TextAsync(other, "/t/tenant-0/v2/models/price")).Replace("tenant-0", tenant, StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_administrator_of_the_platform_works_in_the_tenant_that_is_named()
    {
        var (tenant, _) = await CreateAsync();
        Assert.Equal((200, 4f), await InferAsync(server.Platform, $"/t/{tenant}/v2", null));
        Assert.Equal((200, 4f), await InferAsync(server.Platform, "/v2", tenant));
        Assert.Equal(404, (await InferAsync(server.Platform, "/v2", null)).Status);
        Assert.Equal(404, (await InferAsync(server.Platform, "/t/nobody-at-all/v2", null)).Status);

        // Whoever belongs to the platform without administering it belongs to no other tenant.
        await server.Platform.CreatePrincipalAsync("clerk", [Permissions.Predict]);
        using var clerk = server.ClientFor((await server.Platform.CreateKeyAsync("clerk")).Secret);
        Assert.Equal(404, (await InferAsync(clerk, $"/t/{tenant}/v2", null)).Status);
    }

    [Fact]
    public async Task Only_routes_of_the_protocol_have_a_tenant_in_front()
    {
        var (tenant, client) = await CreateAsync();
        var (other, _) = await CreateAsync();
        foreach (var path in (string[])[$"/t/{tenant}/api/v1/models", $"/t/{tenant}", $"/t/{tenant}/", "/t//v2", $"/t/{tenant}/t/{tenant}/v2", $"/t/{tenant}/v2/oauth2/nothing", $"/T/{tenant}/v2"])
            Assert.Equal(404, await GetAsync(client, path, null));

        // The header means nothing to the others.
        Assert.Equal(200, await GetAsync(client, "/api/v1/models", other));
        using var nobody = server.ClientFor(null);
        Assert.Equal(200, await GetAsync(nobody, $"/t/{tenant}/v2/health/ready", null));
        Assert.Equal(401, await GetAsync(nobody, $"/t/{tenant}/v2/models/price", null));
    }

    private async Task<(string Tenant, HttpClient Client)> CreateAsync()
    {
        var (tenant, client) = await server.CreateTenantAsync();
        await PredictionServer.RegisterAsync(server, tenant.Tenant.Id, "price", PredictionModels.Price());
        return (tenant.Tenant.Name, client);
    }

    private static async Task<(int Status, float Value)> InferAsync(HttpClient client, string prefix, string? header)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"{prefix}/models/price/infer") { Content = new StringContent(Body) };
        if (header is not null) request.Headers.Add(NamedTenant.Header, header);
        using var answer = await client.SendAsync(request, TestContext.Current.CancellationToken);
        var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        return ((int)answer.StatusCode, answer.IsSuccessStatusCode ? (float)JsonNode.Parse(text)!["outputs"]![0]!["data"]![0]! : 0);
    }

    private static async Task<int> GetAsync(HttpClient client, string path, string? header)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (header is not null) request.Headers.Add(NamedTenant.Header, header);
        using var answer = await client.SendAsync(request, TestContext.Current.CancellationToken);
        return (int)answer.StatusCode;
    }

    private static async Task<string> TextAsync(HttpClient client, string path)
    {
        using var answer = await client.GetAsync(path, TestContext.Current.CancellationToken);
        return await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
    }
}
