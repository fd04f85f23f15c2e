using System.Net.Http.Json;
using Atoll.Cli;
using Atoll.Commands;
using Atoll.Contracts;

namespace Atoll.Tests.Tenancy;

public sealed class RecoverTests : IDisposable
{
    private readonly TestFolder _folder = new();

    private string Data => Path.Combine(_folder.Path, "data");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_lost_platform_key_is_replaced_when_the_server_is_stopped()
    {
        await using (await StartAsync())
        {
            var refusal = await Assert.ThrowsAsync<RefusedException>(() => RecoverCommand.RunAsync(Data, TimeProvider.System, default));
            Assert.Contains("in use by another Atoll", refusal.Message);
        }
        var key = await RecoverCommand.RunAsync(Data, TimeProvider.System, default);
        await using var server = await StartAsync();
        Assert.Null(server.FirstKey);
        using var client = new HttpClient { BaseAddress = new Uri(server.Address) };
        client.DefaultRequestHeaders.Authorization = new("Bearer", key.Secret);
        var me = await client.GetFromJsonAsync("/api/v1/me", AtollJson.Default.CallerResponse);
        Assert.Equal(("platform", "recovery"), (me!.Tenant, me.Principal));
        Assert.Equal([Permissions.PlatformAdminister, Permissions.TenantAdminister], me.Permissions);
    }

    [Fact]
    public async Task A_folder_without_a_server_is_refused_and_not_made()
    {
        await Assert.ThrowsAsync<RefusedException>(() => RecoverCommand.RunAsync(Data, TimeProvider.System, default));
        Assert.False(Directory.Exists(Data));
    }

    private Task<AtollServer> StartAsync() => AtollServer.StartAsync([$"--Atoll:Data={Data}", "--Atoll:Urls=http://127.0.0.1:0"]);
}
