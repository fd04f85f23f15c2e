using System.Net;
using System.Net.Http.Json;
using Atoll.Contracts;
using Xunit;

namespace Atoll.Tests.Tenancy;

public sealed class GetCallerTests(TestServer server) : IClassFixture<TestServer>
{
    [Fact]
    public async Task An_administrator_of_a_new_tenant_is_recognised_by_its_key()
    {
        var (tenant, client) = await server.CreateTenantAsync();
        var me = await client.GetFromJsonAsync("/api/v1/me", AtollJson.Default.CallerResponse);
        Assert.Equal(tenant.Tenant.Name, me!.Tenant);
        Assert.Equal(Permissions.OfTenant.Order(StringComparer.Ordinal), me.Permissions);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("atl_00000000000000000000000000000000")]
    [InlineData("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.")]
    public async Task An_unknown_credential_is_refused(string? credential)
    {
        using var client = server.ClientFor(credential);
        using var answer = await client.GetAsync("/api/v1/me");
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Contains("Bearer", answer.Headers.WwwAuthenticate.ToString());
    }
}
