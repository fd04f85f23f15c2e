using System.Text.Json;
using Atoll.Contracts;

namespace Atoll.Tests.Cli;

public sealed class LoginTests(TestServer server) : IClassFixture<TestServer>, IDisposable
{
    private readonly TestTerminal _terminal = new();

    private string LoginFile => Path.Combine(_terminal.ConfigFolder, "login.json");

    public void Dispose() => _terminal.Dispose();

    [Fact]
    public async Task A_login_is_tried_stored_for_the_user_alone_and_used_by_later_commands()
    {
        Assert.Equal(0, await _terminal.RunAsync($"login --server {server.Server.Address} --key {server.Server.FirstKey}"));
        Assert.Contains("as admin of tenant platform", _terminal.Out);
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(LoginFile));

        Assert.Equal(0, await _terminal.RunAsync("status --output json"));
        Assert.Equal("platform", JsonSerializer.Deserialize(_terminal.Out, AtollJson.Default.CallerResponse)!.Tenant);

        Assert.Equal(0, await _terminal.RunAsync("keys list"));
        Assert.Contains("atl_", _terminal.Out);

        Assert.Equal(0, await _terminal.RunAsync("logout"));
        Assert.Contains("atoll keys delete <principal> <key>", _terminal.Out);
        Assert.False(File.Exists(LoginFile));
        Assert.Equal(1, await _terminal.RunAsync("status"));
    }

    [Fact]
    public async Task A_key_that_does_not_work_is_not_stored()
    {
        Assert.Equal(1, await _terminal.RunAsync($"login --server {server.Server.Address} --key atl_00000000000000000000000000000000"));
        Assert.Contains("Nothing was stored", _terminal.Error);
        Assert.False(File.Exists(LoginFile));
    }

    [Fact]
    public async Task The_key_can_come_from_standard_input()
    {
        Assert.Equal(0, await _terminal.RunAsync(["login", "--server", server.Server.Address], input: server.Server.FirstKey + "\n"));
        Assert.True(File.Exists(LoginFile));
    }

    [Fact]
    public async Task The_environment_wins_over_the_login_and_flags_win_over_the_environment()
    {
        Assert.Equal(0, await _terminal.RunAsync($"login --server {server.Server.Address} --key {server.Server.FirstKey}"));
        var (tenant, _) = await server.CreateTenantAsync();

        _terminal["ATOLL_KEY"] = tenant.AdministratorKey.Secret;
        Assert.Equal(0, await _terminal.RunAsync("status --output json"));
        Assert.Contains(tenant.Tenant.Name, _terminal.Out);

        Assert.Equal(0, await _terminal.RunAsync($"status --output json --key {server.Server.FirstKey}"));
        Assert.Contains("\"platform\"", _terminal.Out);
    }

    [Fact]
    public async Task The_stored_key_is_never_sent_to_another_server()
    {
        Assert.Equal(0, await _terminal.RunAsync($"login --server {server.Server.Address} --key {server.Server.FirstKey}"));
        Assert.Equal(1, await _terminal.RunAsync("status --server http://127.0.0.1:1"));
        Assert.Contains("The stored key is for", _terminal.Error);
    }

    [Fact]
    public async Task A_damaged_login_says_how_to_mend_it()
    {
        Directory.CreateDirectory(_terminal.ConfigFolder);
        await File.WriteAllTextAsync(LoginFile, "{");
        Assert.Equal(1, await _terminal.RunAsync("status"));
        Assert.Contains("atoll login", _terminal.Error);
    }

    [Fact]
    public async Task A_revoked_key_is_told_from_an_absent_server()
    {
        Assert.Equal(1, await _terminal.RunAsync($"runs list --server {server.Server.Address} --key atl_00000000000000000000000000000000"));
        Assert.Contains("atoll login --server", _terminal.Error);
    }
}
