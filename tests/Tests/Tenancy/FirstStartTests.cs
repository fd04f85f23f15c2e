using System.Net;
using System.Net.Sockets;
using Xunit;

namespace Atoll.Tests.Tenancy;

public sealed class FirstStartTests
{
    [Fact]
    public async Task The_first_key_is_kept_for_the_first_start_that_works()
    {
        using var folder = new TestFolder();
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var data = $"--Atoll:Data={Path.Combine(folder.Path, "data")}";
        await Assert.ThrowsAnyAsync<IOException>(() => AtollServer.StartAsync([data, $"--Atoll:Urls=http://127.0.0.1:{((IPEndPoint)taken.LocalEndpoint).Port}"]));
        await using var server = await AtollServer.StartAsync([data, "--Atoll:Urls=http://127.0.0.1:0"]);
        Assert.NotNull(server.FirstKey);
    }
}
