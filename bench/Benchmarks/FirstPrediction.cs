using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using Atoll.Contracts;

namespace Atoll.Benchmarks;

/// <summary>How soon after the end of its training a model answers, over the API of a real server.</summary>
internal static class FirstPrediction
{
    private const double BarMs = 300;

    // How long the training takes does not matter here.
    private static readonly Dictionary<string, string> Quick = new() { ["trees"] = "20", ["folds"] = "2" };

    public static async Task<bool> RunAsync(BenchmarkArguments arguments)
    {
        var models = int.Parse(arguments["--models"] ?? "10", CultureInfo.InvariantCulture);
        var folder = Directory.CreateTempSubdirectory("atoll-bench-").FullName;
        await using var server = await AtollServer.StartAsync([$"--Atoll:Data={folder}", "--Atoll:Urls=http://127.0.0.1:0", "--Logging:LogLevel:Default=Warning"]);
        using var client = new HttpClient { BaseAddress = new Uri(server.Address) };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", server.FirstKey);
        await UploadAsync(client);

        var told = new List<double>();
        var answered = new List<double>();
        for (var i = 0; i < models; i++)
        {
            var run = await TrainAsync(client, $"model-{i}");
            var ended = DateTime.SpecifyKind(run.EndedUtc!.Value, DateTimeKind.Utc);
            told.Add((TimeProvider.System.GetUtcNow().UtcDateTime - ended).TotalMilliseconds);
            var watch = Stopwatch.StartNew();
            using var answer = await client.PostAsync(
                $"/api/v1/endpoints/model-{i}:predict", new StringContent("""{"rows":[{"age":70,"plan":"pro"}]}""", Encoding.UTF8, "application/json"));
            answer.EnsureSuccessStatusCode();
            answered.Add(told[^1] + watch.Elapsed.TotalMilliseconds);
        }
        Console.WriteLine("From the end of a training, as the run's row has it, to the first prediction of its model, over HTTP.");
        Console.WriteLine();
        Console.WriteLine("| | median, ms | largest, ms | bar, ms |");
        Console.WriteLine("|---|---|---|---|");
        Print("a follower of the run is told", told, null);
        Print("the first prediction is answered", answered, BarMs);
        Directory.Delete(folder, recursive: true);
        return answered.Max() <= BarMs;
    }

    private static void Print(string what, List<double> values, double? bar)
    {
        values.Sort();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {what} | {values[values.Count / 2]:F0} | {values[^1]:F0} | {bar} |"));
    }

    private static async Task UploadAsync(HttpClient client)
    {
        var random = new Random(3);
        var csv = new StringBuilder("age,plan,signed\n");
        for (var i = 0; i < 500; i++)
        {
            var (age, plan) = (random.Next(18, 80), random.Next(2) == 0 ? "basic" : "pro");
            csv.Append(CultureInfo.InvariantCulture, $"{age},{plan},{(age > 45 && plan == "pro" ? "yes" : "no")}\n");
        }
        using var form = new MultipartFormDataContent
        {
            { new StringContent("leads"), "name" },
            { new StringContent(DatasetTypes.Tabular), "type" },
            { new StringContent("signed"), "label" },
            { new StringContent(csv.ToString()), "file", "leads.csv" },
        };
        using var answer = await client.PostAsync("/api/v1/datasets?wait=true", form);
        answer.EnsureSuccessStatusCode();
    }

    private static async Task<RunResponse> TrainAsync(HttpClient client, string model)
    {
        using var started = await client.PostAsJsonAsync("/api/v1/runs", new CreateRunRequest { Dataset = "leads", Model = model, Parameters = Quick }, AtollJson.Default.CreateRunRequest);
        started.EnsureSuccessStatusCode();
        var run = (await started.Content.ReadFromJsonAsync(AtollJson.Default.RunResponse))!;
        await using var stream = await client.GetStreamAsync($"/api/v1/runs/{run.Id}/events");
        await foreach (var item in SseParser.Create(stream, (_, bytes) => JsonSerializer.Deserialize(bytes, AtollJson.Default.RunEvent)!).EnumerateAsync())
            run = item.Data.Run;
        return run.State == RunStates.Succeeded ? run : throw new InvalidOperationException($"The run {run.Id} ended as {run.State}: {run.Error}");
    }
}
