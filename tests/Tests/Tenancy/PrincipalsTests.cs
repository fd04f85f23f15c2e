using System.Net;
using System.Net.Http.Json;
using Atoll.Contracts;

namespace Atoll.Tests.Tenancy;

public sealed class PrincipalsTests(TestServer server) : IClassFixture<TestServer>
{
    [Fact]
    public async Task A_principal_is_made_shown_listed_and_deleted()
    {
        var (_, admin) = await server.CreateTenantAsync();
        var made = await admin.CreatePrincipalAsync("crm-import", [Permissions.RunsWrite, Permissions.DatasetsWrite, Permissions.RunsWrite], "CRM@Example.com");
        Assert.Equal("crm@example.com", made.Email);
        Assert.Equal([Permissions.DatasetsWrite, Permissions.RunsWrite], made.Permissions);
        using var shown = await admin.GetAsync("/api/v1/principals/crm-import");
        Assert.Equivalent(made, await shown.ReadAsync<PrincipalResponse>(HttpStatusCode.OK));
        Assert.Equal("409 already-exists", await admin.PostAsJsonAsync("/api/v1/principals", new CreatePrincipalRequest { Name = "crm-import" }, AtollJson.Default.CreatePrincipalRequest).CodeAsync());
        Assert.Equal(HttpStatusCode.NoContent, await admin.DeleteAsync("/api/v1/principals/crm-import").StatusAsync());
        Assert.Equal("404 not-found", await admin.GetAsync("/api/v1/principals/crm-import").CodeAsync());
    }

    [Theory]
    [InlineData("""{ "name": "Ada Lovelace" }""", "name")]
    [InlineData("""{ "name": "" }""", "name")]
    [InlineData("""{ "name": "a/../b" }""", "name")]
    [InlineData("""{ "name": "ada", "email": "nowhere" }""", "email")]
    [InlineData("""{ "name": "ada", "email": "a@b@c" }""", "email")]
    [InlineData("""{ "name": "ada", "permissions": ["everything"] }""", "permissions")]
    [InlineData("""{ "name": "ada", "permissions": ["platform.administer"] }""", "permissions")]
    public async Task A_wrong_field_is_named(string body, string field)
    {
        var (_, admin) = await server.CreateTenantAsync();
        using var answer = await admin.PostAsync("/api/v1/principals", new StringContent(body, System.Text.Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains($"\"field\":\"{field}\"", await answer.Content.ReadAsStringAsync());
        Assert.Single((await admin.GetFromJsonAsync("/api/v1/principals", AtollJson.Default.PagePrincipalResponse))!.Items);
    }

    [Fact]
    public async Task A_grant_works_at_once_and_is_gone_at_once()
    {
        var (_, admin) = await server.CreateTenantAsync();
        await admin.CreatePrincipalAsync("ada");
        using var ada = server.ClientFor((await admin.CreateKeyAsync("ada")).Secret);
        for (var i = 0; i < 2; i++)
        {
            Assert.Equal("403 permission-missing", await ada.GetAsync("/api/v1/models").CodeAsync());
            Assert.Equal(HttpStatusCode.OK, await admin.PutAsync("/api/v1/principals/ada/grants/models.read", null).StatusAsync());
            Assert.Equal(HttpStatusCode.OK, await admin.PutAsync("/api/v1/principals/ada/grants/models.read", null).StatusAsync());
            Assert.Equal(HttpStatusCode.OK, await ada.GetAsync("/api/v1/models").StatusAsync());
            Assert.Equal("models.read", Assert.Single((await admin.GetFromJsonAsync("/api/v1/principals/ada/grants", AtollJson.Default.PageGrantResponse))!.Items).Permission);
            Assert.Equal(HttpStatusCode.NoContent, await admin.DeleteAsync("/api/v1/principals/ada/grants/models.read").StatusAsync());
        }
        Assert.Equal("404 not-found", await admin.DeleteAsync("/api/v1/principals/ada/grants/models.read").CodeAsync());
    }

    [Fact]
    public async Task An_unknown_permission_is_refused_with_all_that_exist()
    {
        var (_, admin) = await server.CreateTenantAsync();
        using var answer = await admin.PutAsync("/api/v1/principals/admin/grants/everything", null);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.All(Permissions.OfTenant, permission => Assert.Contains(permission, text));
        Assert.DoesNotContain(Permissions.PlatformAdminister, text);
        Assert.Equal("400 invalid-field", await admin.PutAsync($"/api/v1/principals/admin/grants/{Permissions.PlatformAdminister}", null).CodeAsync());
    }

    [Fact]
    public async Task The_last_administrator_cannot_lock_the_tenant_out()
    {
        var (_, admin) = await server.CreateTenantAsync();
        var key = Assert.Single((await admin.GetFromJsonAsync("/api/v1/principals/admin/keys", AtollJson.Default.PageApiKeyResponse))!.Items);
        string[] ways = [$"/api/v1/principals/admin/grants/{Permissions.TenantAdminister}", "/api/v1/principals/admin", $"/api/v1/principals/admin/keys/{key.Id}"];
        foreach (var way in ways) Assert.Equal("409 last-administrator", await admin.DeleteAsync(way).CodeAsync());

        // Another administrator without a key is none; with an expired one neither.
        await admin.CreatePrincipalAsync("second", [Permissions.TenantAdminister]);
        foreach (var way in ways) Assert.Equal("409 last-administrator", await admin.DeleteAsync(way).CodeAsync());
        Assert.Equal(HttpStatusCode.OK, await admin.GetAsync("/api/v1/principals").StatusAsync());
        using var second = server.ClientFor((await admin.CreateKeyAsync("second")).Secret);
        Assert.Equal(HttpStatusCode.NoContent, await admin.DeleteAsync(ways[0]).StatusAsync());
        Assert.Equal("403 permission-missing", await admin.GetAsync("/api/v1/principals").CodeAsync());
        Assert.Equal("409 last-administrator", await second.DeleteAsync("/api/v1/principals/second").CodeAsync());
        Assert.Equal(HttpStatusCode.NoContent, await second.DeleteAsync("/api/v1/principals/admin").StatusAsync());
    }

    [Fact]
    public async Task Of_two_administrators_who_remove_each_other_at_once_one_remains()
    {
        for (var round = 0; round < 5; round++)
        {
            var (_, admin) = await server.CreateTenantAsync();
            await admin.CreatePrincipalAsync("second", [Permissions.TenantAdminister]);
            using var second = server.ClientFor((await admin.CreateKeyAsync("second")).Secret);
            var answers = await Task.WhenAll(admin.DeleteAsync("/api/v1/principals/second").StatusAsync(), second.DeleteAsync("/api/v1/principals/admin").StatusAsync());
            Assert.Single(answers, HttpStatusCode.NoContent);
        }
    }

    [Fact]
    public async Task Keys_are_listed_without_their_secrets_and_bounded()
    {
        var (_, admin) = await server.CreateTenantAsync();
        await admin.CreatePrincipalAsync("ada");
        var secrets = new List<string>();
        for (var i = 0; i < 100; i++) secrets.Add((await admin.CreateKeyAsync("ada")).Secret);
        Assert.Equal("409 too-large", await admin.PostAsJsonAsync("/api/v1/principals/ada/keys", new CreateApiKeyRequest(), AtollJson.Default.CreateApiKeyRequest).CodeAsync());
        var text = await admin.GetStringAsync("/api/v1/principals/ada/keys?limit=1000");
        Assert.All(secrets, secret => Assert.DoesNotContain(secret, text));
        Assert.Equal(100, secrets.Distinct().Count());
    }

    [Fact]
    public async Task A_key_with_a_wrong_expiry_or_note_is_refused()
    {
        var (_, admin) = await server.CreateTenantAsync();
        foreach (var request in (CreateApiKeyRequest[])[new() { Expires = new DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.Zero) }, new() { Note = new string('x', 201) }])
            Assert.Equal("400 invalid-field", await admin.PostAsJsonAsync("/api/v1/principals/admin/keys", request, AtollJson.Default.CreateApiKeyRequest).CodeAsync());
        Assert.Equal("404 not-found", await admin.PostAsJsonAsync("/api/v1/principals/nobody/keys", new CreateApiKeyRequest(), AtollJson.Default.CreateApiKeyRequest).CodeAsync());
    }

    [Fact]
    public async Task Secrets_are_not_in_the_database_nor_anywhere_else_in_the_data_folder()
    {
        var (tenant, admin) = await server.CreateTenantAsync();
        var key = await admin.CreateKeyAsync("admin");
        foreach (var file in Directory.EnumerateFiles(server.DataPath, "*", SearchOption.AllDirectories).Where(file => Path.GetFileName(file) != "lock"))
        {
            await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            var bytes = new byte[stream.Length];
            await stream.ReadExactlyAsync(bytes);
            foreach (var secret in (string[])[key.Secret, tenant.AdministratorKey.Secret, server.Server.FirstKey!])
                Assert.True(bytes.AsSpan().IndexOf(System.Text.Encoding.UTF8.GetBytes(secret)) < 0, $"{file} holds a key.");
        }
    }
}
