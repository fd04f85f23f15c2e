using System.Net;
using System.Text.Json.Nodes;
using System.Text.Json;
using System.Text;
using Atoll.Contracts;
using Atoll.Deployments;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Limits;
using Atoll.Registry;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Atoll.Tests.Prediction;

/// <summary>A server with one model of each kind, registered the way that a training does.</summary>
public sealed class PredictionServer : IAsyncLifetime
{
    private readonly TestServer _server = new() { Settings = ["--Prediction:SamplesMax=100", "--Prediction:ImagesMax=4", "--Prediction:SoundsMax=4", "--Prediction:SoundSecondsMax=3", "--Atoll:RequestBytesMax=2000000"] };

    internal TestServer Server => _server;

    internal string TenantId { get; private set; } = "";

    internal HttpClient Client { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        await _server.InitializeAsync();
        var (tenant, client) = await _server.CreateTenantAsync();
        TenantId = tenant.Tenant.Id;
        Client = client;
        await RegisterAsync("churn", PredictionModels.Churn());
        await RegisterAsync("loans", PredictionModels.Loans());
        await RegisterAsync("price", PredictionModels.Price());
        await RegisterAsync("intents", PredictionModels.Text());
        await RegisterAsync("topics", PredictionModels.Text(multiLabel: true));
        await RegisterAsync("colours", PredictionModels.Image());
        await RegisterAsync("sounds", PredictionModels.Sound());
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _server.DisposeAsync();
    }

    internal Task<int> RegisterAsync(string model, (byte[] Onnx, ModelSignature Signature) made, bool isTried = true) =>
        RegisterAsync(_server, TenantId, model, made, isTried);

    /// <param name="isTried">False for models that take too long to be run while they are registered.</param>
    internal static async Task<int> RegisterAsync(TestServer server, string tenantId, string model, (byte[] Onnx, ModelSignature Signature) made, bool isTried = true)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var services = server.Server.Services;
        var clock = services.GetRequiredService<TimeProvider>();
        var blobs = services.GetRequiredService<BlobStore>();
        await using var scope = services.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenantId);
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        var report = new ModelReportResponse
        {
            Evaluation = new EvaluationReport { Task = made.Signature.Task, SampleCount = 0, Metrics = new Dictionary<string, double>() },
            Candidates = [],
        };
        ServingPack serving;
        try
        {
            serving = isTried ? ServingForm.Make(made.Onnx, cancellationToken) : ServingPack.OfModel(made.Onnx);
        }
        catch (OnnxException)
        {
            // Some tests want a version that cannot be loaded.
            serving = ServingPack.OfModel(made.Onnx);
        }
        var registration = new RegisterModelVersion.Registration(
            model, await blobs.WriteAsync(tenantId, made.Onnx, cancellationToken),
            await blobs.WriteAsync(tenantId, serving.ToBytes(), cancellationToken), serving.GraphDigest,
            await blobs.WriteAsync(tenantId, JsonSerializer.SerializeToUtf8Bytes(report, AtollJson.Default.ModelReportResponse), cancellationToken),
            "by hand", made.Signature, new Dictionary<string, double> { [MetricNames.Rmse] = 1, [MetricNames.Accuracy] = 0.5, [MetricNames.MacroF1] = 0.5 },
            new ModelLineage { Run = "run_0", Dataset = "none", DatasetVersion = 1, DatasetDigest = "0", Recipe = "none", Seed = 1, CodeVersion = "0", Machine = "any" }, serving.GraphDigest is null ? serving.Reason : null);
        var (registered, version) = await RegisterModelVersion.RunAsync(registration, services.GetRequiredService<TenantLimitsDirectory>().Of(tenantId), db, clock, cancellationToken);
        await EnsureEndpoint.RunAsync(registered, db, clock, cancellationToken);
        await db.SaveChangesAsync(cancellationToken);
        services.GetRequiredService<RegistryChanges>().Publish(tenantId, model);
        return version.Number;
    }

    /// <summary>Unloads a model, whose session ends once nobody holds it.</summary>
    internal async Task IsFreedAsync(string model)
    {
        var services = _server.Server.Services;
        var models = services.GetRequiredService<ServedModels>();
        var route = (await services.GetRequiredService<RouteTable>().FindAsync(TenantId, model, null, TestContext.Current.CancellationToken))!;
        var lease = await models.GetAsync(route, TestContext.Current.CancellationToken);
        var session = lease.Session;
        lease.Dispose();
        models.Unload(TenantId, route.ServingDigest);
        for (var i = 0; i < 500 && !session.IsDisposed; i++) await Task.Delay(10, TestContext.Current.CancellationToken);
        Assert.True(session.IsDisposed, "Somebody holds the model.");
    }

    internal Task<JsonNode> PredictAsync(string endpoint, string json, string query = "") =>
        PredictAsync(endpoint, new StringContent(json, Encoding.UTF8, "application/json"), query);

    internal async Task<JsonNode> PredictAsync(string endpoint, HttpContent content, string query = "")
    {
        using var answer = await Client.PostAsync($"/api/v1/endpoints/{endpoint}:predict{query}", content, TestContext.Current.CancellationToken);
        var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, $"{answer.StatusCode}: {text}");
        return JsonNode.Parse(text)!;
    }
}
