using System.Net.Http.Headers;
using System.Net.Http.Json;
using Atoll.Contracts;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using Xunit;

namespace Atoll.Tests;

/// <summary>The real server, in this process, on a free port and a data folder of its own.</summary>
public sealed class TestServer : IAsyncLifetime
{
    private readonly TestFolder _folder = new();
    private readonly DeclaredStatuses _statuses = new();
    private int _tenants;

    internal AtollServer Server { get; private set; } = null!;

    internal Action<WebApplicationBuilder>? Configure { get; init; }

    internal string[] Settings { get; init; } = [];

    internal string DataPath => _folder.Path;

    internal HttpClient Platform { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Server = await AtollServer.StartAsync(
            [$"--Atoll:Data={_folder.Path}", "--Atoll:Urls=http://127.0.0.1:0", .. Settings], Prepare, TestContext.Current.CancellationToken);
        Platform = ClientFor(Server.FirstKey!);
    }

    public async ValueTask DisposeAsync()
    {
        // A server that did not start has its own exception to tell.
        Platform?.Dispose();
        if (Server is not null) await Server.DisposeAsync();
        _folder.Dispose();
        Assert.True(_statuses.Missing.Count == 0, $"Answers that the OpenAPI document does not declare, or without a header: {string.Join(", ", _statuses.Missing)}.");
    }

    /// <summary>Stops the server and starts another one on the same folder; the address stays.</summary>
    internal async Task RestartAsync()
    {
        var address = Server.Address;
        await Server.DisposeAsync();
        Server = await AtollServer.StartAsync([$"--Atoll:Data={_folder.Path}", $"--Atoll:Urls={address}", .. Settings], Prepare, TestContext.Current.CancellationToken);
    }

    private void Prepare(WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<IStartupFilter>(_statuses);

        // Hundreds of servers that tell what they do would bury what a test has to say; tests about logs have a provider of their own.
        builder.Logging.AddFilter<ConsoleLoggerProvider>("Atoll", LogLevel.Warning);
        Configure?.Invoke(builder);
    }

    /// <summary>A client with a credential; none with null.</summary>
    internal HttpClient ClientFor(string? credential)
    {
        var client = new HttpClient { BaseAddress = new Uri(Server.Address) };
        if (credential is not null) client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", credential);
        return client;
    }

    /// <summary>A new tenant and a client that is its administrator.</summary>
    internal async Task<(CreatedTenantResponse Tenant, HttpClient Client)> CreateTenantAsync()
    {
        var name = $"tenant-{Interlocked.Increment(ref _tenants)}";
        using var answer = await Platform.PostAsJsonAsync("/api/v1/tenants", new CreateTenantRequest { Name = name });
        answer.EnsureSuccessStatusCode();
        var created = (await answer.Content.ReadFromJsonAsync(AtollJson.Default.CreatedTenantResponse))!;
        return (created, ClientFor(created.AdministratorKey.Secret));
    }
}

/// <summary>A temporary folder that goes with its owner.</summary>
internal sealed class TestFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("atoll-test-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
