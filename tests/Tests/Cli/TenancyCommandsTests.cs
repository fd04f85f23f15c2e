using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Atoll.Contracts;

namespace Atoll.Tests.Cli;

public sealed class TenancyCommandsTests(TestServer server) : IClassFixture<TestServer>, IDisposable
{
    private readonly TestTerminal _terminal = new();

    public void Dispose() => _terminal.Dispose();

    [Fact]
    public async Task A_tenant_is_made_used_and_deleted()
    {
        var created = await JsonAsync("tenants create acme", server.Server.FirstKey!, AtollJson.Default.CreatedTenantResponse);
        Assert.Equal("acme", created.Tenant.Name);
        Assert.Equal("acme", (await JsonAsync("status", created.AdministratorKey.Secret, AtollJson.Default.CallerResponse)).Tenant);
        Assert.Contains(await ListAsync("tenants list", AtollJson.Default.PageTenantResponse), tenant => tenant.Name == "acme");

        await RunAsync("tenants limit acme diskBytesMax 5e9", server.Server.FirstKey!);
        await RunAsync("tenants show acme", server.Server.FirstKey!);
        Assert.Matches(@"diskBytesMax +5,000,000,000 +107,374,182,400", _terminal.Out);
        await RunAsync("tenants limit acme diskBytesMax default", server.Server.FirstKey!);
        await RunAsync("tenants limit acme diskBytesMax much", server.Server.FirstKey!, code: 2);
        await RunAsync("tenants limit acme diskBytes 5", server.Server.FirstKey!, code: 1);
        Assert.Contains("diskBytesMax", _terminal.Error);

        await RunAsync("tenants create acme", server.Server.FirstKey!, code: 1);
        Assert.Contains("There is already a tenant 'acme'.", _terminal.Error);
        await RunAsync("tenants delete acme", server.Server.FirstKey!, code: 2);
        await RunAsync("tenants delete acme --yes", server.Server.FirstKey!);
        await RunAsync("tenants show acme", server.Server.FirstKey!, code: 1);
        Assert.Contains("atoll tenants list", _terminal.Error);
    }

    [Fact]
    public async Task A_principal_gets_grants_and_keys_and_loses_them_at_once()
    {
        var (tenant, _) = await server.CreateTenantAsync();
        var admin = tenant.AdministratorKey.Secret;
        var principal = await JsonAsync("principals create website --grant predict models.read", admin, AtollJson.Default.PrincipalResponse);
        Assert.Equal(["models.read", "predict"], principal.Permissions.Order());
        var key = await JsonAsync("keys create website --note server", admin, AtollJson.Default.CreatedApiKeyResponse);
        await RunAsync("models list", key.Secret);

        await RunAsync("grants remove website models.read", admin);
        await RunAsync("models list", key.Secret, code: 1);
        Assert.Contains("atoll grants add", _terminal.Error);
        await RunAsync("grants add website models.read", admin);
        await RunAsync("models list", key.Secret);
        await RunAsync("grants list website", admin);
        Assert.Equal("models.read\npredict\n", _terminal.Out);

        await RunAsync("keys list website", admin);
        Assert.Contains("server", _terminal.Out);
        Assert.DoesNotContain(key.Secret, _terminal.Out);
        await RunAsync($"keys delete website {key.Id}", admin);
        await RunAsync("models list", key.Secret, code: 1);
        await RunAsync("principals delete website --yes", admin);
        await RunAsync("principals show website", admin, code: 1);
    }

    [Fact]
    public async Task Lines_to_copy_stay_whole_on_a_narrow_screen()
    {
        using var narrow = new TestTerminal { Columns = 50 };
        narrow["ATOLL_SERVER"] = server.Server.Address;
        narrow["ATOLL_KEY"] = server.Server.FirstKey!;
        Assert.Equal(0, await narrow.RunAsync("tenants create a-tenant-with-a-name-of-some-length"));
        Assert.Matches($@"(?m)^Use it:  atoll login --server {server.Server.Address} --key atl_[0-9a-z]{{32}}$", narrow.Out);
        Assert.Equal(0, await narrow.RunAsync("principals create a-principal-with-a-name-of-some-length"));
        Assert.Contains("atoll keys create a-principal-with-a-name-of-some-length", narrow.Out);
    }

    [Fact]
    public async Task A_principal_gets_a_key_pair_and_loses_it()
    {
        var (tenant, _) = await server.CreateTenantAsync();
        var admin = tenant.AdministratorKey.Secret;
        var file = Path.Combine(_terminal.Folder, "website.pem");
        await RunAsync("principals create website --grant predict", admin);
        await RunAsync($"keys create-pair website --to {file}", admin);
        Assert.StartsWith("-----BEGIN RSA PRIVATE KEY-----", await File.ReadAllTextAsync(file));
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        await RunAsync($"keys create-pair website --to {file}", admin, code: 2);
        var pair = await JsonAsync("keys create-pair website", admin, AtollJson.Default.CreatedKeyPairResponse);
        Assert.Equal(pair.PublicKeyId, (await JsonAsync("principals show website", admin, AtollJson.Default.PrincipalResponse)).PublicKeyId);
        await RunAsync("tokens list website", admin);
        Assert.Equal("No refresh tokens.\n", _terminal.Out);
        await RunAsync("tokens delete website rft_nope", admin, code: 1);
        await RunAsync("keys delete-public website", admin);
        Assert.Null((await JsonAsync("principals show website", admin, AtollJson.Default.PrincipalResponse)).PublicKeyId);
        await RunAsync($"keys set-public website {file} --proof x.y.z", admin, code: 1);
    }

    [Fact]
    public async Task Who_administers_a_tenant_is_told_to_grant_it_and_others_whom_to_ask()
    {
        var (tenant, _) = await server.CreateTenantAsync();
        var recovered = await JsonAsync($"tenants recover {tenant.Tenant.Name}", server.Server.FirstKey!, AtollJson.Default.CreatedApiKeyResponse);
        await RunAsync("models list", recovered.Secret, code: 1);
        Assert.Contains("Give it to yourself: atoll grants add recovery models.read.", _terminal.Error);
        await RunAsync("grants add recovery models.read", recovered.Secret);
        await RunAsync("models list", recovered.Secret);

        await RunAsync("principals create website", recovered.Secret);
        var key = await JsonAsync("keys create website", recovered.Secret, AtollJson.Default.CreatedApiKeyResponse);
        await RunAsync("models list", key.Secret, code: 1);
        Assert.Contains("Ask an administrator of the tenant to grant it: atoll grants add website models.read.", _terminal.Error);
    }

    [Fact]
    public async Task The_platforms_permission_is_not_asked_for_in_the_tenant()
    {
        var (tenant, _) = await server.CreateTenantAsync();
        await RunAsync("tenants list", tenant.AdministratorKey.Secret, code: 1);
        Assert.Contains("administrators of the platform", _terminal.Error);
        Assert.DoesNotContain("atoll grants add", _terminal.Error);
    }

    [Fact]
    public async Task Json_on_standard_output_is_exactly_what_the_server_sends()
    {
        var (_, client) = await server.CreateTenantAsync();
        var key = client.DefaultRequestHeaders.Authorization!.Parameter!;
        foreach (var (command, path) in ((string, string)[])
        [
            ("status", "me"), ("principals list", "principals"), ("principals show admin", "principals/admin"), ("grants list admin", "principals/admin/grants"),
            ("keys list admin", "principals/admin/keys"), ("runs list", "runs"), ("models list", "models"), ("endpoints list", "endpoints"), ("datasets list", "datasets"),
        ])
        {
            await RunAsync($"{command} --output json", key);
            var sent = await client.GetStringAsync($"/api/v1/{path}");
            Assert.True(JsonElement.DeepEquals(JsonDocument.Parse(sent).RootElement, JsonDocument.Parse(_terminal.Out).RootElement), $"{command}: {_terminal.Out} instead of {sent}");
            Assert.Empty(_terminal.Error);
        }
    }

    [Fact]
    public async Task An_error_for_a_script_is_the_servers_problem_document()
    {
        await RunAsync("tenants show nobody --output json", server.Server.FirstKey!, code: 1);
        Assert.Empty(_terminal.Out);
        using var problem = JsonDocument.Parse(_terminal.Error);
        Assert.Equal(ProblemCodes.NotFound, problem.RootElement.GetProperty("code").GetString());
    }

    [Theory]
    [InlineData("runs show run_nope", "no run 'run_nope'")]
    [InlineData("runs cancel run_nope", "no run 'run_nope'")]
    [InlineData("runs logs run_nope", "no run 'run_nope'")]
    [InlineData("runs follow run_nope", "no run 'run_nope'")]
    [InlineData("models show nope", "no model 'nope'")]
    [InlineData("models report nope", "no model 'nope'")]
    [InlineData("models download nope", "no model 'nope'")]
    [InlineData("models delete nope --yes", "no model 'nope'")]
    [InlineData("promote nope", "no model 'nope'")]
    [InlineData("endpoints show nope", "no endpoint 'nope'")]
    [InlineData("predict nope --text hello", "no endpoint 'nope'")]
    [InlineData("datasets show nope", "no dataset 'nope'")]
    [InlineData("train nope", "no dataset 'nope'")]
    public async Task What_does_not_exist_is_named(string line, string expected)
    {
        await RunAsync(line, server.Server.FirstKey!, code: 1);
        Assert.Contains(expected, _terminal.Error);
    }

    private async Task<IReadOnlyList<T>> ListAsync<T>(string line, JsonTypeInfo<Page<T>> type) => (await JsonAsync(line, server.Server.FirstKey!, type)).Items;

    private async Task<T> JsonAsync<T>(string line, string key, JsonTypeInfo<T> type)
    {
        await RunAsync($"{line} --output json", key);
        return JsonSerializer.Deserialize(_terminal.Out, type)!;
    }

    private async Task RunAsync(string line, string key, int code = 0) =>
        Assert.True(code == await _terminal.RunAsync($"{line} --server {server.Server.Address} --key {key}"), $"{line}: {_terminal.Error}");
}
