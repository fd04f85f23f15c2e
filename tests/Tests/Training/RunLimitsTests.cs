using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using Atoll.Contracts;
using Atoll.Tests.Datasets;
using Atoll.Tests.Platform.Imaging;
using Atoll.Tests.Tenancy;

namespace Atoll.Tests.Training;

/// <summary>What one training and one tenant may take from the others.</summary>
public sealed class RunLimitsTests : IAsyncLifetime
{
    private const int MegabytesMax = 256;

    private static readonly Dictionary<string, string> Quick = new() { ["trees"] = "20", ["folds"] = "2" };

    private readonly TestServer _server = new() { Settings = ["--Training:Slots=1", $"--Training:MemoryMegabytesMax={MegabytesMax}"] };

    public ValueTask InitializeAsync() => _server.InitializeAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task A_training_that_needs_too_much_memory_fails_once_with_the_limit_and_the_server_lives()
    {
        var (_, client) = await _server.CreateTenantAsync();
        // Few bytes, many pixels: 600 images of 512 x 512 are 450 MiB once they are read.
        byte[][] images = [.. Enumerable.Range(0, 40).Select(i => TestImages.SolidPng((byte)(i % 2 * 200), 20, (byte)i, 512))];
        var zip = TestZip.Of([.. Enumerable.Range(0, 600).Select(i => ($"{i % 2}/{i}.png", images[i % 40]))]);
        await UploadAsync(client, DatasetTypes.Image, zip, "data.zip");
        var run = await EndAsync(client, await StartAsync(client, new() { ["size"] = "512" }));

        Assert.Equal((RunStates.Failed, 1), (run.State, run.Attempt));
        Assert.Contains($"{MegabytesMax} MiB", run.Error);
        Assert.Contains("Training:MemoryMegabytesMax", run.Error);

        // Nothing of the attempt is left, and the server goes on.
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(_server.DataPath, "tmp")));
        Assert.Equal(HttpStatusCode.NotFound, await client.GetAsync("/api/v1/models/data").StatusAsync());
    }

    [Fact]
    public async Task A_single_run_of_one_tenant_starts_before_the_second_of_ten_of_another()
    {
        var (_, many) = await _server.CreateTenantAsync();
        var (_, single) = await _server.CreateTenantAsync();
        foreach (var client in (HttpClient[])[many, single]) await UploadAsync(client, DatasetTypes.Tabular, Table());
        var runs = new List<string>();
        for (var i = 0; i < 10; i++) runs.Add(await StartAsync(many, Quick));
        var ended = await EndAsync(single, await StartAsync(single, Quick));

        Assert.True(ended.State == RunStates.Succeeded, ended.Error);
        var others = (await many.GetFromJsonAsync("/api/v1/runs?limit=100", AtollJson.Default.PageRunResponse))!.Items;
        Assert.Equal(10, others.Count);
        Assert.Single(others, run => run.StartedUtc < ended.StartedUtc);
        foreach (var run in runs.Skip(1))
        {
            using var cancelled = await many.PostAsync($"/api/v1/runs/{run}:cancel", null);
        }
    }

    [Fact]
    public async Task A_training_that_takes_longer_than_the_operator_lets_it_fails_once_with_the_setting()
    {
        await using var server = new TestServer { Settings = ["--Training:MinutesMax=0.001"] };
        await server.InitializeAsync();
        var (_, client) = await server.CreateTenantAsync();
        await UploadAsync(client, DatasetTypes.Tabular, Table());
        var run = await EndAsync(client, await StartAsync(client, Quick));
        Assert.Equal((RunStates.Failed, 1), (run.State, run.Attempt));
        Assert.Contains("Training:MinutesMax", run.Error);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(server.DataPath, "tmp")));

        using var longer = await client.PostAsJsonAsync("/api/v1/runs", new CreateRunRequest { Dataset = "data", MinutesMax = 1 }, AtollJson.Default.CreateRunRequest);
        Assert.Contains("Training:MinutesMax", await longer.Content.ReadAsStringAsync());
        Assert.Equal(HttpStatusCode.BadRequest, longer.StatusCode);
    }

    [Fact]
    public async Task A_tenant_cannot_take_more_processors_than_the_operator_gives()
    {
        var (_, client) = await _server.CreateTenantAsync();
        await UploadAsync(client, DatasetTypes.Tabular, Table());
        using var answer = await client.PostAsJsonAsync(
            "/api/v1/runs", new CreateRunRequest { Dataset = "data", Parameters = new Dictionary<string, string> { ["threads"] = "64" } }, AtollJson.Default.CreateRunRequest);
        Assert.Contains("threads", await answer.Content.ReadAsStringAsync());
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    private static string Table()
    {
        var random = new Random(11);
        var text = new StringBuilder("age,calls,label\n");
        for (var i = 0; i < 200; i++)
        {
            var age = random.Next(18, 80);
            text.Append(CultureInfo.InvariantCulture, $"{age},{random.Next(12)},{(age > 45 ? "yes" : "no")}\n");
        }
        return text.ToString();
    }

    private static Task UploadAsync(HttpClient client, string type, string csv) => UploadAsync(client, type, Encoding.UTF8.GetBytes(csv), "data.csv");

    private static async Task UploadAsync(HttpClient client, string type, byte[] file, string name)
    {
        using var form = new MultipartFormDataContent
        {
            { new StringContent("data"), "name" },
            { new StringContent(type), "type" },
            { new ByteArrayContent(file), "file", name },
        };
        if (type == DatasetTypes.Tabular) form.Add(new StringContent("label"), "label");
        using var answer = await client.PostAsync("/api/v1/datasets?wait=true", form);
        await answer.ReadAsync<ImportResponse>(HttpStatusCode.Created);
    }

    private static async Task<string> StartAsync(HttpClient client, Dictionary<string, string> parameters)
    {
        using var answer = await client.PostAsJsonAsync("/api/v1/runs", new CreateRunRequest { Dataset = "data", Parameters = parameters }, AtollJson.Default.CreateRunRequest);
        return (await answer.ReadAsync<RunResponse>(HttpStatusCode.Accepted)).Id;
    }

    private static async Task<RunResponse> EndAsync(HttpClient client, string id)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        while (true)
        {
            var run = (await client.GetFromJsonAsync($"/api/v1/runs/{id}", AtollJson.Default.RunResponse))!;
            if (RunStates.IsEnded(run.State)) return run;
            await Task.Delay(20, patience.Token);
        }
    }
}
