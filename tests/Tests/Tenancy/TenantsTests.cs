using System.Net;
using System.Net.Http.Json;
using Atoll.Contracts;

namespace Atoll.Tests.Tenancy;

public sealed class TenantsTests(TestServer server) : IClassFixture<TestServer>
{
    [Fact]
    public async Task Deleting_a_tenant_leaves_no_row_and_no_blob_and_stops_its_credentials_at_once()
    {
        var victim = await VictimTenant.CreateAsync(server);
        var bystander = await VictimTenant.CreateOtherAsync(server);
        var before = await bystander.PictureAsync();
        Assert.NotEmpty(await victim.PictureAsync());
        Assert.Equal(HttpStatusCode.OK, await victim.Administrator.GetAsync("/api/v1/me").StatusAsync());

        Assert.Equal(HttpStatusCode.NoContent, await server.Platform.DeleteAsync($"/api/v1/tenants/{victim.Values["tenant"]}").StatusAsync());
        Assert.Empty(await victim.PictureAsync());
        Assert.False(Directory.Exists(Path.Combine(server.DataPath, "blobs", victim.TenantId)));
        Assert.Equal(HttpStatusCode.Unauthorized, await victim.Administrator.GetAsync("/api/v1/me").StatusAsync());
        Assert.Equal(HttpStatusCode.NotFound, await server.Platform.GetAsync($"/api/v1/tenants/{victim.Values["tenant"]}").StatusAsync());
        Assert.Equal(HttpStatusCode.NotFound, await server.Platform.DeleteAsync($"/api/v1/tenants/{victim.Values["tenant"]}").StatusAsync());
        Assert.Equal(before, await bystander.PictureAsync());
    }

    [Fact]
    public async Task The_platform_tenant_stays() => Assert.Equal("409 platform-tenant", await server.Platform.DeleteAsync("/api/v1/tenants/platform").CodeAsync());

    [Fact]
    public async Task Lists_are_cut_into_pages_that_hold_everything_once()
    {
        for (var i = 0; i < 5; i++) await server.CreateTenantAsync();
        var all = await server.Platform.GetFromJsonAsync("/api/v1/tenants?limit=1000", AtollJson.Default.PageTenantResponse);
        var seen = new List<string>();
        string? after = null;
        do
        {
            var page = await server.Platform.GetFromJsonAsync($"/api/v1/tenants?limit=2&after={after}", AtollJson.Default.PageTenantResponse);
            Assert.InRange(page!.Items.Count, 1, 2);
            seen.AddRange(page.Items.Select(tenant => tenant.Name));
            after = page.Next;
        }
        while (after is not null);
        Assert.Superset(all!.Items.Select(tenant => tenant.Name).ToHashSet(), seen.ToHashSet());
        Assert.Equal(seen.Order(StringComparer.Ordinal).Distinct(), seen);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("1001")]
    public async Task A_page_has_a_size_within_bounds(string limit) =>
        Assert.Equal("400 invalid-field", await server.Platform.GetAsync($"/api/v1/tenants?limit={limit}").CodeAsync());

    [Fact]
    public async Task A_limit_that_is_no_number_is_refused() =>
        Assert.Equal("400 invalid-field", await server.Platform.GetAsync("/api/v1/tenants?limit=many").CodeAsync());

    [Theory]
    [InlineData("{}", "400 invalid-body")]
    [InlineData("""{ "name": null }""", "400 invalid-body")]
    [InlineData("""{ "name": 7 }""", "400 invalid-body")]
    [InlineData("{", "400 invalid-body")]
    [InlineData("[]", "400 invalid-body")]
    [InlineData("", "400 invalid-body")]
    public async Task A_body_that_cannot_be_read_is_a_problem_and_no_failure(string body, string expected) => Assert.Equal(
        expected, await server.Platform.PostAsync("/api/v1/tenants", new StringContent(body, System.Text.Encoding.UTF8, "application/json")).CodeAsync());

    [Fact]
    public async Task Wrong_addresses_methods_and_types_of_body_are_problems_too()
    {
        Assert.Equal("404 not-found", await server.Platform.GetAsync("/api/v1/nothing").CodeAsync());
        Assert.Equal("405 method-not-allowed", await server.Platform.PutAsync("/api/v1/tenants", null).CodeAsync());
        Assert.Equal("415 unsupported-media-type", await server.Platform.PostAsync("/api/v1/tenants", new StringContent("name=x", System.Text.Encoding.UTF8, "application/x-www-form-urlencoded")).CodeAsync());
    }

    [Fact]
    public async Task The_platforms_administrator_lets_a_tenant_that_lost_its_keys_in_again()
    {
        var (tenant, _) = await server.CreateTenantAsync();
        for (var i = 0; i < 2; i++)
        {
            using var answer = await server.Platform.PostAsync($"/api/v1/tenants/{tenant.Tenant.Name}/keys", null);
            var key = await answer.ReadAsync<CreatedApiKeyResponse>(HttpStatusCode.Created);
            using var client = server.ClientFor(key.Secret);
            var me = await client.GetFromJsonAsync("/api/v1/me", AtollJson.Default.CallerResponse);
            Assert.Equal((tenant.Tenant.Name, "recovery", Permissions.TenantAdminister), (me!.Tenant, me.Principal, Assert.Single(me.Permissions)));
            var principals = await client.GetFromJsonAsync("/api/v1/principals", AtollJson.Default.PagePrincipalResponse);
            Assert.Equal(["admin", "recovery"], principals!.Items.Select(principal => principal.Name));
        }
        Assert.Equal("404 not-found", await server.Platform.PostAsync("/api/v1/tenants/nobody/keys", null).CodeAsync());
    }
}
