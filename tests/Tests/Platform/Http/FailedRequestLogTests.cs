using System.Collections.Concurrent;
using System.Net.Http.Json;
using Atoll.Contracts;
using Atoll.Prediction.OpenInference.Grpc.Messages;
using Atoll.Tests.Platform.Grpc;
using Atoll.Tests.Tenancy;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Atoll.Tests.Platform.Http;

public sealed class FailedRequestLogTests : IAsyncLifetime
{
    private readonly KeptLog _log = new();
    private readonly TestServer _server;

    public FailedRequestLogTests() => _server = new TestServer { Configure = builder => builder.Services.AddSingleton<ILoggerProvider>(_log) };

    public ValueTask InitializeAsync() => _server.InitializeAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task A_failed_request_gives_one_line_with_its_route_and_nothing_secret()
    {
        var (tenant, client) = await _server.CreateTenantAsync();
        var key = await client.CreateKeyAsync("admin");
        using var wrong = _server.ClientFor("atl_wrong-key-of-somebody");
        await wrong.GetAsync("/api/v1/principals?token=secret-in-query").StatusAsync();
        await client.GetAsync("/api/v1/principals/secret-in-path").StatusAsync();
        await client.GetAsync("/nowhere/secret-in-path").StatusAsync();
        await wrong.PostAsync("/api/v1/oauth2/token", new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["grant_type"] = "client_credentials", ["client_id"] = "x", ["client_secret"] = "secret-in-form",
        })).StatusAsync();
        await client.GetFromJsonAsync("/api/v1/me", AtollJson.Default.CallerResponse);

        // Calls of gRPC fail under the status 200.
        using var grpc = new GrpcTestClient(_server.Server.Address, client.DefaultRequestHeaders.Authorization!.Parameter);
        var metadata = new ModelMetadataRequest { Name = "secret-in-message" };
        await grpc.CallAsync<ModelMetadataResponse>("/inference.GRPCInferenceService/ModelMetadata", metadata);
        await grpc.CallAsync<ServerLiveResponse>("/inference.GRPCInferenceService/ServerLive", new ServerLiveRequest());

        // The line is written when the answer has gone out, so it may come a moment later than the answer.
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (_log.Lines.Count(line => line.Contains("answered")) < 5) await Task.Delay(5, patience.Token);
        var lines = _log.Lines.Where(line => line.Contains("answered")).ToList();
        Assert.Equal(5, lines.Count);
        Assert.Contains(lines, line => line.StartsWith("GET /api/v1/principals/{principal} answered 404 to tenant " + tenant.Tenant.Name));
        Assert.Contains(lines, line => line.StartsWith("GET (no route) answered 404"));
        Assert.Contains(lines, line => line.StartsWith("POST /inference.GRPCInferenceService/ModelMetadata answered NotFound to tenant " + tenant.Tenant.Name));
        foreach (var line in _log.Lines)
        {
            Assert.DoesNotContain("secret-in", line);
            Assert.DoesNotContain("atl_", line);
            Assert.DoesNotContain(key.Secret, line);
        }
    }

    [Fact]
    public async Task Failures_alike_are_a_few_lines_and_a_number()
    {
        var (_, flooding) = await _server.CreateTenantAsync();
        var (tenant, other) = await _server.CreateTenantAsync();
        const int Requests = 100;
        for (var i = 0; i < Requests; i++) await flooding.GetAsync("/api/v1/models/none").StatusAsync();
        await other.GetAsync("/api/v1/models/none").StatusAsync();

        // After a second another one is told, and with it how many there were.
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (!_log.Lines.Any(line => line.Contains("more requests to /api/v1/models/{model} were answered 404")))
        {
            await flooding.GetAsync("/api/v1/models/none").StatusAsync();
            await Task.Delay(50, patience.Token);
        }
        Assert.Contains(_log.Lines, line => line.Contains("answered 404 to tenant " + tenant.Tenant.Name));
        Assert.InRange(_log.Lines.Count(line => line.StartsWith("GET ")), 5, Requests - 5);
    }

    private sealed class KeptLog : ILoggerProvider, ILogger
    {
        private readonly ConcurrentQueue<string> _lines = new();

        public IEnumerable<string> Lines => _lines;

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            _lines.Enqueue($"{formatter(state, exception)} {exception}");

        public void Dispose()
        {
        }
    }
}
