using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using Atoll.Contracts;
using Atoll.Tests.Tenancy;
using Microsoft.Data.Sqlite;

namespace Atoll.Tests.Platform;

/// <summary>What becomes of imports and trainings whose server dies or stops under them.</summary>
[Collection(AloneCollection.Name)]
public sealed class InterruptedJobTests : IDisposable
{
    private const int LargeRows = 1_500_000;

    private readonly TestFolder _folder = new();

    private string Data => Path.Combine(_folder.Path, "data");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task What_a_kill_interrupts_is_done_whole_by_the_next_process()
    {
        string key, run, import;
        await using (var server = await ChildServer.StartAsync(Data))
        {
            key = server.FirstKey!;
            using var client = server.ClientFor(key);
            await UploadAsync(client, "leads", Table(2_000), wait: true);
            run = await StartRunAsync(client);
            import = (await UploadAsync(client, "large", Table(LargeRows), wait: false)).Id;
            await RunIsTrainingAsync(client, run);
            Assert.Equal(ImportStates.Running, (await UntilAsync(() => ImportAsync(client, import), found => found.State != ImportStates.Queued)).State);
            Assert.NotEmpty(Workers());
            await server.KillAsync();
        }

        await using var next = await ChildServer.StartAsync(Data);
        using var again = next.ClientFor(key);

        // Nothing of the half-read file can be seen while the import is tried again.
        var dataset = await again.GetAsync("/api/v1/datasets/large").StatusAsync();
        var now = await ImportAsync(again, import);
        if (!ImportStates.IsEnded(now.State)) Assert.Equal(HttpStatusCode.NotFound, dataset);

        var imported = await UntilAsync(() => ImportAsync(again, import), found => ImportStates.IsEnded(found.State));
        Assert.Equal((ImportStates.Succeeded, 1, (long)LargeRows), (imported.State, imported.Version!.Value, imported.Samples!.Value));
        Assert.Null(imported.Error);
        var trained = await UntilAsync(() => RunAsync(again, run), found => RunStates.IsEnded(found.State));
        Assert.True(trained.State == RunStates.Succeeded, trained.Error);
        Assert.Equal((2, 1), (trained.Attempt, trained.ModelVersion));
        Assert.Null(trained.Error);

        // The child of the dead server ended by itself, and so did the one of the living.
        await UntilAsync(() => Task.FromResult(Workers()), found => found.Count == 0);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(Data, "tmp")));
    }

    [Fact]
    public async Task Ctrl_C_gives_a_training_back_without_counting_the_attempt()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Signals are sent as on Unix.");
        string key, run;
        await using (var server = await ChildServer.StartAsync(Data))
        {
            key = server.FirstKey!;
            using var client = server.ClientFor(key);
            await UploadAsync(client, "leads", Table(2_000), wait: true);
            run = await StartRunAsync(client);
            await RunIsTrainingAsync(client, run);

            // A terminal sends it to the child too, and the child may be the first to get it.
            var asked = Stopwatch.GetTimestamp();
            ChildServer.SendInterrupt(Assert.Single(Workers()));
            server.SendInterrupt();
            Assert.Equal(0, await server.WaitForExitAsync());
            Assert.True(Stopwatch.GetElapsedTime(asked) < TimeSpan.FromSeconds(10), "It took more than 10 s to stop.");
        }
        Assert.Empty(Workers());
        Assert.Equal(RunStates.Queued, Value("SELECT \"State\" FROM runs"));
        Assert.Equal(("Queued", 0L), (Value("SELECT \"State\" FROM jobs WHERE \"Kind\" = 'training.run'"), Value("SELECT \"Attempt\" FROM jobs WHERE \"Kind\" = 'training.run'")));

        await using var next = await ChildServer.StartAsync(Data);
        using var again = next.ClientFor(key);
        var trained = await UntilAsync(() => RunAsync(again, run), found => RunStates.IsEnded(found.State));
        Assert.True(trained.State == RunStates.Succeeded, trained.Error);
        Assert.Equal((1, 1), (trained.Attempt, trained.ModelVersion));
    }

    [Fact]
    public async Task A_cancelled_import_leaves_nothing_but_the_record_that_it_was_cancelled()
    {
        await using var server = await ChildServer.StartAsync(Data);
        using var client = server.ClientFor(server.FirstKey!);
        var import = (await UploadAsync(client, "large", Table(LargeRows), wait: false)).Id;
        await UntilAsync(() => ImportAsync(client, import), found => found.State == ImportStates.Running);
        using (var cancelled = await client.PostAsync($"/api/v1/imports/{import}:cancel", null)) Assert.Equal(HttpStatusCode.Accepted, cancelled.StatusCode);
        var ended = await UntilAsync(() => ImportAsync(client, import), found => ImportStates.IsEnded(found.State));

        Assert.Equal(ImportStates.Cancelled, ended.State);
        Assert.Equal(HttpStatusCode.NotFound, await client.GetAsync("/api/v1/datasets/large").StatusAsync());
        await UntilAsync(() => Task.FromResult(Directory.EnumerateFileSystemEntries(Path.Combine(Data, "tmp")).Count()), left => left == 0);

        // Only the upload itself is left, which the sweep takes once it is a day old.
        Assert.Single(Directory.EnumerateFiles(Path.Combine(Data, "blobs"), "*", SearchOption.AllDirectories));
        Assert.Equal((0L, 0L), (Value("SELECT COUNT(*) FROM datasets"), Value("SELECT COUNT(*) FROM dataset_versions")));

        // The name is free again.
        Assert.Equal(ImportStates.Succeeded, (await UploadAsync(client, "large", Table(100), wait: true)).State);
    }

    /// <summary>A table whose label depends on two of its columns.</summary>
    private static string Table(int rows)
    {
        var random = new Random(5);
        var text = new StringBuilder("age,plan,calls,signed\n");
        for (var i = 0; i < rows; i++)
        {
            var (age, plan) = (random.Next(18, 80), random.Next(2) == 0 ? "basic" : "pro");
            text.Append(CultureInfo.InvariantCulture, $"{age},{plan},{random.Next(100_000)},{(age > 45 && plan == "pro" ? "yes" : "no")}\n");
        }
        return text.ToString();
    }

    private static async Task<ImportResponse> UploadAsync(HttpClient client, string name, string csv, bool wait)
    {
        using var form = new MultipartFormDataContent
        {
            { new StringContent(name), "name" },
            { new StringContent(DatasetTypes.Tabular), "type" },
            { new StringContent("signed"), "label" },
            { new StringContent(csv), "file", "leads.csv" },
        };
        using var answer = await client.PostAsync($"/api/v1/datasets?wait={(wait ? "true" : "false")}", form);
        return await answer.ReadAsync<ImportResponse>(wait ? HttpStatusCode.Created : HttpStatusCode.Accepted);
    }

    private static async Task<string> StartRunAsync(HttpClient client)
    {
        // Long enough to be caught at it, short enough to be done twice.
        var request = new CreateRunRequest { Dataset = "leads", Parameters = new Dictionary<string, string> { ["trees"] = "300", ["folds"] = "2" } };
        using var answer = await client.PostAsJsonAsync("/api/v1/runs", request, AtollJson.Default.CreateRunRequest);
        return (await answer.ReadAsync<RunResponse>(HttpStatusCode.Accepted)).Id;
    }

    private static async Task RunIsTrainingAsync(HttpClient client, string run) =>
        Assert.Equal(RunStates.Running, (await UntilAsync(() => RunAsync(client, run), found => found.Stage is not null || RunStates.IsEnded(found.State))).State);

    private static async Task<RunResponse> RunAsync(HttpClient client, string run) => (await client.GetFromJsonAsync($"/api/v1/runs/{run}", AtollJson.Default.RunResponse))!;

    private static async Task<ImportResponse> ImportAsync(HttpClient client, string import) => (await client.GetFromJsonAsync($"/api/v1/imports/{import}", AtollJson.Default.ImportResponse))!;

    private static async Task<T> UntilAsync<T>(Func<Task<T>> read, Predicate<T> done)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(240));
        while (true)
        {
            var value = await read();
            if (done(value)) return value;
            await Task.Delay(10, patience.Token);
        }
    }

    /// <summary>Training processes of this test's servers.</summary>
    private List<int> Workers()
    {
        var found = new List<int>();
        foreach (var process in Process.GetProcesses())
        {
            using (process)
            {
                try
                {
                    var line = File.ReadAllText($"/proc/{process.Id}/cmdline");
                    if (line.Contains("train-worker", StringComparison.Ordinal) && line.Contains(Data, StringComparison.Ordinal)) found.Add(process.Id);
                }
                catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
                {
                    // It ended meanwhile, or is not ours.
                }
            }
        }
        return found;
    }

    private object? Value(string query)
    {
        using var connection = new SqliteConnection($"Data Source={Path.Combine(Data, "atoll.db")};Pooling=false;Mode=ReadWrite");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = query;
        return command.ExecuteScalar();
    }
}
