using Atoll.Platform.Grpc;
using Atoll.Platform.Grpc.Messages;
using Atoll.Platform.Security;
using Atoll.Prediction.OpenInference.Grpc.Messages;
using Atoll.Tests.Platform.Grpc;
using Google.Protobuf;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Atoll.Tests.Tenancy;

/// <summary>Calls every gRPC method of the running server with another tenant's names, as <see cref="EveryRouteTests"/> does with the routes.</summary>
public sealed class EveryGrpcMethodTests : IAsyncLifetime
{
    /// <summary>A request with the victim's names, and the status that another tenant's administrator must get. Every method has a row.</summary>
    private static readonly Dictionary<string, Attack> Table = new()
    {
        ["grpc.health.v1.Health/Check"] = new(new HealthCheckRequest(), StatusCode.OK),
        ["grpc.health.v1.Health/Watch"] = new(new HealthCheckRequest(), StatusCode.DeadlineExceeded, "100m"),
        ["grpc.reflection.v1.ServerReflection/ServerReflectionInfo"] = new(new ServerReflectionRequest { ListServices = "" }, StatusCode.OK),
        ["grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"] = new(new ServerReflectionRequest { ListServices = "" }, StatusCode.OK),
        ["inference.GRPCInferenceService/ServerLive"] = new(new ServerLiveRequest(), StatusCode.OK),
        ["inference.GRPCInferenceService/ServerReady"] = new(new ServerReadyRequest(), StatusCode.OK),
        ["inference.GRPCInferenceService/ServerMetadata"] = new(new ServerMetadataRequest(), StatusCode.OK),

        // By the protocol an unknown model is not ready, which is no error; the answer is compared with that for a model that is nowhere.
        ["inference.GRPCInferenceService/ModelReady"] = new(new ModelReadyRequest { Name = "victim-model" }, StatusCode.OK),
        ["inference.GRPCInferenceService/ModelMetadata"] = new(new ModelMetadataRequest { Name = "victim-model" }, StatusCode.NotFound),
        ["inference.GRPCInferenceService/ModelInfer"] = new(new ModelInferRequest { ModelName = "victim-model" }, StatusCode.NotFound),

        ["inference.GRPCInferenceService/ModelConfig"] = new(new ModelConfigRequest { Name = "victim-model" }, StatusCode.NotFound),
        ["inference.GRPCInferenceService/ModelStatistics"] = new(new ModelStatisticsRequest { Name = "victim-model" }, StatusCode.NotFound),
        ["inference.GRPCInferenceService/RepositoryIndex"] = new(new RepositoryIndexRequest(), StatusCode.OK),
        ["inference.GRPCInferenceService/RepositoryModelLoad"] = new(new RepositoryModelLoadRequest { ModelName = "victim-model" }, StatusCode.NotFound),
        ["inference.GRPCInferenceService/RepositoryModelUnload"] = new(new RepositoryModelUnloadRequest { ModelName = "victim-model" }, StatusCode.NotFound),
        ["inference.GRPCInferenceService/SystemSharedMemoryStatus"] = new(new SystemSharedMemoryStatusRequest(), StatusCode.OK),
        ["inference.GRPCInferenceService/SystemSharedMemoryRegister"] = new(new SystemSharedMemoryRegisterRequest { Name = "victim-region", Key = "/tenant-1.victim", ByteSize = 1 }, StatusCode.InvalidArgument),
        ["inference.GRPCInferenceService/SystemSharedMemoryUnregister"] = new(new SystemSharedMemoryUnregisterRequest(), StatusCode.OK),

        // A refusal of one request is an answer of the stream, unless the client asks otherwise.
        ["inference.GRPCInferenceService/ModelStreamInfer"] = new(new ModelInferRequest { ModelName = "victim-model" }, StatusCode.NotFound),
    };

    private readonly TestServer _server = new() { Settings = ["--Tenancy:FailedCredentialsPerMinuteMax=1000000", "--Prediction:SharedMemory=true"] };
    private VictimTenant _victim = null!;

    public async ValueTask InitializeAsync()
    {
        await _server.InitializeAsync();
        _victim = await VictimTenant.CreateAsync(_server);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public void Every_method_has_a_row_and_every_row_a_method() =>
        Assert.Equal(Methods().Select(method => method.Name), Table.Keys.Order(StringComparer.Ordinal));

    [Fact]
    public async Task Another_tenants_administrator_finds_nothing_and_changes_nothing()
    {
        var before = await _victim.PictureAsync();
        var (_, attacker) = await _server.CreateTenantAsync();
        using var client = ClientOf(attacker);
        foreach (var (name, attack) in Table)
        {
            var answer = await SendAsync(client, name, attack);
            Assert.True(answer.Status == attack.Status, $"{name}: {answer.Status} {answer.Message}");
            foreach (var secret in _victim.Secrets)
                Assert.DoesNotContain(secret, string.Concat(answer.Messages.Select(message => System.Text.Encoding.Latin1.GetString(message))), StringComparison.Ordinal);
        }
        var (ready, _) = await client.CallAsync<ModelReadyResponse>("/inference.GRPCInferenceService/ModelReady", new ModelReadyRequest { Name = "victim-model" });
        Assert.False(ready!.Ready);
        using (var stream = client.Open("/inference.GRPCInferenceService/ModelStreamInfer"))
        {
            await stream.WriteAsync(new ModelInferRequest { ModelName = "victim-model" });
            Assert.Equal("Request for unknown model: 'victim-model' is not found", (await stream.ReadAsync<ModelStreamInferResponse>())!.ErrorMessage);
        }
        Assert.Equal(before, await _victim.PictureAsync());
    }

    [Fact]
    public async Task The_victims_own_administrator_finds_its_model()
    {
        // The control: without it the walk above would also pass with names that exist nowhere.
        using var client = ClientOf(_victim.Administrator);
        var (ready, _) = await client.CallAsync<ModelReadyResponse>("/inference.GRPCInferenceService/ModelReady", new ModelReadyRequest { Name = "victim-model" });
        Assert.True(ready!.Ready);
        var (metadata, _) = await client.CallAsync<ModelMetadataResponse>("/inference.GRPCInferenceService/ModelMetadata", new ModelMetadataRequest { Name = "victim-model" });
        Assert.Equal("victim-model", metadata!.Name);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("atl_00000000000000000000000000000000")]
    [InlineData("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.")]
    public async Task Without_a_credential_that_works_nothing_is_answered_and_nothing_changes(string? credential)
    {
        var before = await _victim.PictureAsync();
        using var nobody = new GrpcTestClient(_server.Server.Address, credential);
        foreach (var (name, endpoint) in Methods())
        {
            var answer = await SendAsync(nobody, name, Table[name]);
            var expected = endpoint.Metadata.GetMetadata<OpenToAnybody>() is not null ? Table[name].Status : StatusCode.Unauthenticated;
            Assert.True(answer.Status == expected, $"{name}: {answer.Status} {answer.Message}");
        }
        Assert.Equal(before, await _victim.PictureAsync());
    }

    [Fact]
    public async Task A_principal_without_grants_is_refused_by_every_method_that_needs_one()
    {
        var (_, admin) = await _server.CreateTenantAsync();
        await admin.CreatePrincipalAsync("nobody");
        using var client = new GrpcTestClient(_server.Server.Address, (await admin.CreateKeyAsync("nobody")).Secret);
        foreach (var (name, _) in Methods().Where(method => method.Endpoint.Metadata.GetMetadata<NeedsPermission>() is not null))
            Assert.Equal(StatusCode.PermissionDenied, (await SendAsync(client, name, Table[name])).Status);
    }

    private GrpcTestClient ClientOf(HttpClient http) => new(_server.Server.Address, http.DefaultRequestHeaders.Authorization!.Parameter);

    private static Task<GrpcTestAnswer> SendAsync(GrpcTestClient client, string name, Attack attack) =>
        client.SendAsync($"/{name}", GrpcTestClient.Frame(attack.Request.ToByteArray()), ("triton_grpc_error", "true"), ("grpc-timeout", attack.Timeout));

    private IReadOnlyList<(string Name, RouteEndpoint Endpoint)> Methods() =>
    [
        .. _server.Server.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Where(endpoint => endpoint.Metadata.GetMetadata<GrpcRoute>() is not null)
            .Select(endpoint => (endpoint.RoutePattern.RawText!.Trim('/'), endpoint)).OrderBy(method => method.Item1, StringComparer.Ordinal),
    ];

    private sealed record Attack(IMessage Request, StatusCode Status, string Timeout = "60S");
}
