using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.Deployments;
using Atoll.Platform.Database;
using Atoll.Platform.Jobs;
using Atoll.Training;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Atoll.Tests.Training;

public sealed class RunTests(TestServer server) : IClassFixture<TestServer>
{
    private static readonly Dictionary<string, string> Quick = new() { ["trees"] = "20", ["folds"] = "2" };

    [Fact]
    public async Task A_run_makes_a_version_that_predicts()
    {
        var (_, client) = await server.CreateTenantAsync();
        await UploadAsync(client, "leads", Table(400));
        var run = await FollowAsync(client, await StartAsync(client, new CreateRunRequest { Dataset = "leads", Parameters = Quick }));

        Assert.True(run.State == RunStates.Succeeded, run.Error);
        Assert.Equal(1, run.ModelVersion);
        Assert.True(run.Metrics![MetricNames.Accuracy] > 0.8, $"accuracy {run.Metrics[MetricNames.Accuracy]}");

        var version = (await client.GetFromJsonAsync("/api/v1/models/leads/versions/latest", AtollJson.Default.ModelVersionResponse))!;
        Assert.Equal(run.Id, version.Lineage.Run);
        Assert.Equal(["no", "yes"], version.Signature.Labels);
        Assert.Equal(["lead"], version.Signature.Unread);
        Assert.Equal(Aliases.Latest, Assert.Single(version.Aliases));

        var endpoint = (await client.GetFromJsonAsync("/api/v1/endpoints/leads", AtollJson.Default.EndpointResponse))!;
        Assert.Equal((1, Aliases.Latest), (endpoint.Version, endpoint.Alias));

        var report = (await client.GetFromJsonAsync("/api/v1/models/leads/versions/1/report", AtollJson.Default.ModelReportResponse))!;
        Assert.Equal(report.Evaluation!.SampleCount, report.Evaluation.ConfusionMatrix!.Sum(row => row.Sum()));
        Assert.NotEmpty(report.Candidates);
        var metrics = (await client.GetFromJsonAsync($"/api/v1/runs/{run.Id}/metrics", AtollJson.Default.PageRunMetricResponse))!;
        Assert.NotEmpty(metrics.Items);
    }

    [Fact]
    public async Task A_row_as_it_stood_in_the_file_is_read_as_in_training()
    {
        var (_, client) = await server.CreateTenantAsync();
        await UploadAsync(client, "leads", EuropeanTable(200), fields: new() { ["missing-markers"] = """["fehlt","-999"]""" });
        var run = await FollowAsync(client, await StartAsync(client, new CreateRunRequest { Dataset = "leads", Parameters = Quick }));
        Assert.True(run.State == RunStates.Succeeded, run.Error);

        var version = (await client.GetFromJsonAsync("/api/v1/models/leads/versions/1", AtollJson.Default.ModelVersionResponse))!;
        Assert.Equal(["fehlt", "-999"], version.Signature.MissingMarkers);
        Assert.Equal(["decimal-comma", "decimal-comma", null], version.Signature.Inputs.Select(input => input.Format));
        Assert.Contains(',', version.Signature.Inputs[0].Example!);

        // Without the label, and with a - that is a plan here and not a gap.
        var rows = EuropeanTable(40).TrimEnd('\n').Split('\n').Select(line => line.Split(';')[..3]).ToList();
        var names = rows[0];
        rows.RemoveAt(0);
        Assert.Contains(rows, row => row[2] == "-");
        Assert.Contains(rows, row => row.Contains("fehlt") && row.Contains("-999"));
        var meant = new JsonArray([.. rows.Select(row => (JsonNode)new JsonObject
        {
            [names[0]] = Meant(row[0]),
            [names[1]] = Meant(row[1]),
            [names[2]] = row[2] == "fehlt" ? null : row[2],
        })]);
        var written = new JsonArray([.. rows.Select(row => (JsonNode)new JsonObject(row.Select((cell, i) => KeyValuePair.Create(names[i], (JsonNode?)cell))))]);
        var csv = string.Join('\n', rows.Prepend(names).Select(row => string.Join(';', row)));

        var expected = await ProbabilitiesAsync(client, $$"""{"rows":{{meant.ToJsonString()}}}""", "application/json");
        Assert.True(expected.Distinct().Count() > 5, "The rows should differ.");
        Assert.Equal(expected, await ProbabilitiesAsync(client, $$"""{"rows":{{written.ToJsonString()}}}""", "application/json"));
        Assert.Equal(expected, await ProbabilitiesAsync(client, csv, "text/csv"));

        // A marker that is a number is one as a JSON number, too, as it is in files of JSON.
        foreach (var row in meant.OfType<JsonObject>().Where(row => row[names[0]] is null)) row[names[0]] = -999;
        Assert.Equal(expected, await ProbabilitiesAsync(client, $$"""{"rows":{{meant.ToJsonString()}}}""", "application/json"));

        // What is a gap by default is none here, and a point parts thousands only; the refusal shows how a number is written.
        foreach (var text in new[] { "NA", "12.5" })
        {
            using var wrong = await client.PostAsync(
                "/api/v1/endpoints/leads:predict", new StringContent($$"""{"rows":[{"income":"{{text}}"}]}""", Encoding.UTF8, "application/json"));
            Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);
            Assert.Contains($"such as {version.Signature.Inputs[0].Example}", await wrong.Content.ReadAsStringAsync());
        }

        static JsonNode? Meant(string cell) =>
            cell is "fehlt" or "-999" ? null : JsonValue.Create(double.Parse(cell.Replace(".", "").Replace(',', '.'), CultureInfo.InvariantCulture));
    }

    [Fact]
    public async Task A_new_model_is_in_memory_before_its_run_has_succeeded()
    {
        var (_, client) = await server.CreateTenantAsync();
        await UploadAsync(client, "leads", Table(200));
        var run = await FollowAsync(client, await StartAsync(client, new CreateRunRequest { Dataset = "leads", Parameters = Quick }));
        Assert.True(run.State == RunStates.Succeeded, run.Error);

        var served = server.Server.Services.GetRequiredService<ServedModels>();
        var before = served.Snapshot();
        var watch = Stopwatch.StartNew();
        using var answer = await client.PostAsync(
            "/api/v1/endpoints/leads:predict", new StringContent("""{"rows":[{"lead":"L-9","age":70,"plan":"pro","calls":1,"signed":null}]}""", Encoding.UTF8, "application/json"));
        TestContext.Current.TestOutputHelper!.WriteLine($"The first prediction took {watch.Elapsed.TotalMilliseconds:F1} ms.");
        var predictions = (await answer.Content.ReadFromJsonAsync(AtollJson.Default.PredictResponse))!;
        Assert.Equal("yes", Assert.Single(predictions.Predictions).Label);
        Assert.Equal(before.Loads, served.Snapshot().Loads);
    }

    [Fact]
    public async Task Uploaded_validation_rows_choose_the_model()
    {
        var (_, client) = await server.CreateTenantAsync();
        using (var form = new MultipartFormDataContent
        {
            { new StringContent("leads"), "name" }, { new StringContent(DatasetTypes.Tabular), "type" }, { new StringContent("signed"), "label" },
            { new StringContent(Table(200)), "train", "train.csv" }, { new StringContent(Table(60)), "validation", "validation.csv" }, { new StringContent(Table(50)), "test", "test.csv" },
        })
        using (var answer = await client.PostAsync("/api/v1/datasets?wait=true", form))
            Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        var run = await FollowAsync(client, await StartAsync(client, new CreateRunRequest { Dataset = "leads", Parameters = new Dictionary<string, string> { ["trees"] = "5" } }));
        Assert.True(run.State == RunStates.Succeeded, run.Error);

        var report = (await client.GetFromJsonAsync("/api/v1/models/leads/versions/1/report", AtollJson.Default.ModelReportResponse))!;
        Assert.Equal("the validation split", (string)report.Preparation!["selection"]!["held out"]!);
        Assert.Equal(50, report.Evaluation!.SampleCount);
    }

    [Fact]
    public async Task A_dataset_without_held_out_samples_is_refused()
    {
        var (_, client) = await server.CreateTenantAsync();
        await UploadAsync(client, "leads", Table(100), "train");
        using var answer = await client.PostAsJsonAsync("/api/v1/runs", new CreateRunRequest { Dataset = "leads" }, AtollJson.Default.CreateRunRequest);
        Assert.Equal(HttpStatusCode.Conflict, answer.StatusCode);
        Assert.Contains(ProblemCodes.SplitMissing, await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_file_and_numbers_are_never_used_again()
    {
        var (_, client) = await server.CreateTenantAsync();
        await UploadAsync(client, "leads", Table(200));
        var request = new CreateRunRequest { Dataset = "leads", Seed = 7, Parameters = Quick };
        await FollowAsync(client, await StartAsync(client, request));
        await FollowAsync(client, await StartAsync(client, request));
        var first = (await client.GetFromJsonAsync("/api/v1/models/leads/versions/1", AtollJson.Default.ModelVersionResponse))!;
        var second = (await client.GetFromJsonAsync("/api/v1/models/leads/versions/2", AtollJson.Default.ModelVersionResponse))!;
        Assert.Equal(first.Digest, second.Digest);

        using (var refused = await client.DeleteAsync("/api/v1/models/leads/versions/2")) Assert.Equal(HttpStatusCode.Conflict, refused.StatusCode);
        using (var deleted = await client.DeleteAsync("/api/v1/models/leads/versions/1")) Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
        var third = await FollowAsync(client, await StartAsync(client, request));
        Assert.Equal(3, third.ModelVersion);
    }

    [Fact]
    public async Task A_run_that_cannot_be_trained_fails_once_with_words_for_its_owner()
    {
        var (_, client) = await server.CreateTenantAsync();
        await UploadAsync(client, "leads", Table(200));

        // Only the trainer sees that these answers are no numbers.
        var parameters = new Dictionary<string, string> { ["task"] = "regression" };
        var run = await FollowAsync(client, await StartAsync(client, new CreateRunRequest { Dataset = "leads", Parameters = parameters }));
        Assert.Equal(RunStates.Failed, run.State);
        Assert.Equal(1, run.Attempt);
        Assert.Contains("regression needs numbers", run.Error);
        var log = (await client.GetFromJsonAsync($"/api/v1/runs/{run.Id}/logs", AtollJson.Default.PageRunLogResponse))!;
        Assert.Equal($"Failed: {run.Error}", log.Items[^1].Message);
        using var absent = await client.GetAsync("/api/v1/models/leads");
        Assert.Equal(HttpStatusCode.NotFound, absent.StatusCode);
    }

    [Theory]
    [InlineData("tress", "20", "Did you mean 'trees'?", "folds: a whole number from 2 to 20")]
    [InlineData("epochs", "5", "no parameter 'epochs'", "candidates: linear or trees")]
    [InlineData("folds", "1", "'folds' is '1'", "a whole number from 2 to 20")]
    [InlineData("ignore", "Planm", "names column 'Planm'", "Did you mean 'plan'?")]
    [InlineData("ignore", "signed", "names column 'signed'", "There are:")]
    public async Task A_parameter_that_the_trainer_would_refuse_makes_no_run(string name, string value, string says, string offers)
    {
        var (_, client) = await server.CreateTenantAsync();
        await UploadAsync(client, "leads", Table(20));
        var request = new CreateRunRequest { Dataset = "leads", Parameters = new Dictionary<string, string> { [name] = value } };
        using var answer = await client.PostAsJsonAsync("/api/v1/runs", request, AtollJson.Default.CreateRunRequest);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var problem = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        Assert.Equal($"parameters.{name}", (string?)problem["field"]);
        Assert.Contains(says, (string?)problem["detail"]);
        Assert.Contains(offers, (string?)problem["detail"]);
        Assert.Empty((await client.GetFromJsonAsync("/api/v1/runs", AtollJson.Default.PageRunResponse))!.Items);
    }

    [Fact]
    public async Task Trainers_tell_what_may_be_chosen_about_them()
    {
        var trainers = (await server.Platform.GetFromJsonAsync("/api/v1/trainers", AtollJson.Default.PageTrainerResponse))!.Items;
        Assert.Equal([DatasetTypes.Tabular, DatasetTypes.Text, DatasetTypes.Image, DatasetTypes.Entities, DatasetTypes.Audio], trainers.Select(trainer => trainer.SampleType));
        Assert.Contains(trainers[2].Parameters, parameter => parameter is { Name: "epochs", Expected: "a whole number from 1 to 10000" });
    }

    [Fact]
    public async Task A_running_run_stops_when_it_is_cancelled_and_its_process_is_gone()
    {
        var (_, client) = await server.CreateTenantAsync();
        await UploadAsync(client, "leads", Table(5_000));
        var id = await StartAsync(client, new CreateRunRequest { Dataset = "leads", Parameters = new Dictionary<string, string> { ["trees"] = "2000", ["learning-rate"] = "0.001" } });
        await foreach (var said in EventsAsync(client, id))
        {
            if (said.Run.Stage is null) continue;
            using var cancelled = await client.PostAsync($"/api/v1/runs/{id}:cancel", null);
            Assert.Equal(HttpStatusCode.Accepted, cancelled.StatusCode);
            break;
        }
        var run = await FollowAsync(client, id);
        Assert.Equal(RunStates.Cancelled, run.State);
        using var again = await client.PostAsync($"/api/v1/runs/{id}:cancel", null);
        Assert.Equal(HttpStatusCode.Conflict, again.StatusCode);
        Assert.DoesNotContain(Process.GetProcesses(), process => IsWorkerOf(process, server.DataPath));
    }

    [Fact]
    public async Task A_run_goes_on_after_its_process_was_killed()
    {
        var (_, client) = await server.CreateTenantAsync();
        await UploadAsync(client, "leads", Table(3_000));
        var id = await StartAsync(client, new CreateRunRequest { Dataset = "leads", Parameters = new Dictionary<string, string> { ["trees"] = "150", ["folds"] = "2" } });
        await foreach (var said in EventsAsync(client, id))
        {
            if (said.Run.Stage is null) continue;
            foreach (var worker in Process.GetProcesses().Where(process => IsWorkerOf(process, server.DataPath))) worker.Kill();
            break;
        }
        var run = await FollowAsync(client, id);
        Assert.True(run.State == RunStates.Succeeded, run.Error);
        Assert.Equal(2, run.Attempt);
    }

    [Fact]
    public async Task A_run_that_was_ended_while_it_trained_makes_no_version()
    {
        var (tenant, client) = await server.CreateTenantAsync();
        await UploadAsync(client, "leads", Table(3_000));
        var id = await StartAsync(client, new CreateRunRequest { Dataset = "leads", Parameters = new Dictionary<string, string> { ["trees"] = "150", ["folds"] = "2" } });
        await foreach (var said in EventsAsync(client, id))
            if (said.Run.Stage is not null) break;
        await using var scope = server.Server.Services.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenant.Tenant.Id);
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        await db.Runs().Where(run => run.Id == id).ExecuteUpdateAsync(set => set.SetProperty(run => run.State, RunStates.Cancelled));

        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        while (await db.Jobs().AnyAsync(job => job.Subject == id && job.State == JobState.Running, patience.Token)) await Task.Delay(20, patience.Token);

        var run = await db.Runs().AsNoTracking().SingleAsync(row => row.Id == id);
        Assert.Equal((RunStates.Cancelled, null), (run.State, run.ModelVersion));
        using var absent = await client.GetAsync("/api/v1/models/leads");
        Assert.Equal(HttpStatusCode.NotFound, absent.StatusCode);
    }

    [Theory]
    [InlineData("nothing-there", null, null, HttpStatusCode.NotFound, ProblemCodes.NotFound)]
    [InlineData("leads", "no-column", null, HttpStatusCode.BadRequest, ProblemCodes.InvalidField)]
    [InlineData("leads", null, "Not A Name", HttpStatusCode.BadRequest, ProblemCodes.InvalidField)]
    public async Task A_request_that_cannot_be_meant_is_refused_and_leaves_nothing(
        string dataset, string? target, string? model, HttpStatusCode status, string code)
    {
        var (tenant, client) = await server.CreateTenantAsync();
        await UploadAsync(client, "leads", Table(100));
        using var answer = await client.PostAsJsonAsync(
            "/api/v1/runs", new CreateRunRequest { Dataset = dataset, Target = target, Model = model }, AtollJson.Default.CreateRunRequest);
        Assert.Equal(status, answer.StatusCode);
        Assert.Contains($"\"code\":\"{code}\"", await answer.Content.ReadAsStringAsync());
        await using var scope = server.Server.Services.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenant.Tenant.Id);
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        Assert.False(await db.Jobs().AnyAsync(job => job.Kind == "training.run"));
    }

    [Fact]
    public async Task A_run_into_a_model_that_predicts_something_else_is_refused()
    {
        var (_, client) = await server.CreateTenantAsync();
        await UploadAsync(client, "leads", Table(200));
        var first = await FollowAsync(client, await StartAsync(client, new CreateRunRequest { Dataset = "leads", Parameters = Quick }));
        Assert.True(first.State == RunStates.Succeeded, first.Error);
        foreach (var (request, reason) in ((CreateRunRequest, string)[])
        [
            (new CreateRunRequest { Dataset = "leads", Target = "age" }, "would make a version that predicts"),
            (new CreateRunRequest { Dataset = "leads", Parameters = new Dictionary<string, string> { ["task"] = "regression" } }, "would make a version that does regression"),
        ])
        {
            using var answer = await client.PostAsJsonAsync("/api/v1/runs", request, AtollJson.Default.CreateRunRequest);
            var text = await answer.Content.ReadAsStringAsync();
            Assert.Equal(HttpStatusCode.Conflict, answer.StatusCode);
            Assert.Contains(reason, text);
        }

        // Another model may; and a run that was queued before the model was there is told when it wants to be its version.
        var calls = await StartAsync(client, new CreateRunRequest { Dataset = "leads", Target = "calls", Model = "other", Parameters = Quick });
        var ages = await StartAsync(client, new CreateRunRequest { Dataset = "leads", Target = "age", Model = "other", Parameters = Quick });
        var ended = new[] { await FollowAsync(client, calls), await FollowAsync(client, ages) };
        Assert.Equal([RunStates.Failed, RunStates.Succeeded], ended.Select(run => run.State).Order());
        Assert.Contains("The model 'other' predicts", ended.Single(run => run.State == RunStates.Failed).Error);
    }

    /// <summary>A table whose label depends on two of its columns.</summary>
    private static string Table(int rows)
    {
        var random = new Random(11);
        var text = new StringBuilder("lead,age,plan,calls,signed\n");
        for (var i = 0; i < rows; i++)
        {
            var age = random.Next(18, 80);
            var plan = random.Next(3) switch { 0 => "basic", 1 => "plus", _ => "pro" };
            var calls = random.Next(0, 12);
            var signed = (age > 45 ? 1 : 0) + (plan == "pro" ? 1 : 0) + (random.NextDouble() < 0.05 ? 1 : 0) > 1;
            text.Append(CultureInfo.InvariantCulture, $"L-{100000 + i},{age},{plan},{calls},{(signed ? "yes" : "no")}\n");
        }
        return text.ToString();
    }

    /// <summary>A table as a spreadsheet writes it where the comma is the decimal sign, with gaps that are named in two ways.</summary>
    private static string EuropeanTable(int rows)
    {
        var random = new Random(12);
        var text = new StringBuilder("income;rate;plan;signed\n");
        var german = new NumberFormatInfo { NumberDecimalSeparator = ",", NumberGroupSeparator = "." };
        for (var i = 0; i < rows; i++)
        {
            var income = 500 + (random.NextDouble() * 4_000);
            var rate = random.NextDouble() * 10;
            var plan = random.Next(3) switch { 0 => "basic", 1 => "-", _ => "pro" };
            var signed = (income > 2_500 ? 1 : 0) + (rate > 5 ? 1 : 0) + (plan == "-" ? 1 : 0) > 1;
            var gap = random.Next(8);
            text.Append(gap is 0 or 1 ? "-999" : income.ToString("N2", german)).Append(';')
                .Append(gap == 2 ? "fehlt" : rate.ToString("N2", german)).Append(';')
                .Append(gap is 1 or 3 ? "fehlt" : plan).Append(';')
                .Append(signed ? "yes\n" : "no\n");
        }
        return text.ToString();
    }

    private static async Task<List<string>> ProbabilitiesAsync(HttpClient client, string body, string mediaType)
    {
        using var answer = await client.PostAsync("/api/v1/endpoints/leads:predict", new StringContent(body, Encoding.UTF8, mediaType));
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == HttpStatusCode.OK, text);
        return [.. JsonNode.Parse(text)!["predictions"]!.AsArray().Select(one => one!["labels"]!.ToJsonString())];
    }

    private static async Task UploadAsync(HttpClient client, string name, string csv, string part = "file", Dictionary<string, string>? fields = null)
    {
        using var form = new MultipartFormDataContent
        {
            { new StringContent(name), "name" },
            { new StringContent(DatasetTypes.Tabular), "type" },
            { new StringContent("signed"), "label" },
            { new StringContent(csv), part, "leads.csv" },
        };
        foreach (var (field, value) in fields ?? []) form.Add(new StringContent(value), field);
        using var answer = await client.PostAsync("/api/v1/datasets?wait=true", form);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

    private static async Task<string> StartAsync(HttpClient client, CreateRunRequest request)
    {
        using var answer = await client.PostAsJsonAsync("/api/v1/runs", request, AtollJson.Default.CreateRunRequest);
        Assert.True(answer.StatusCode == HttpStatusCode.Accepted, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync(AtollJson.Default.RunResponse))!.Id;
    }

    private static async Task<RunResponse> FollowAsync(HttpClient client, string id)
    {
        RunResponse? last = null;
        await foreach (var said in EventsAsync(client, id)) last = said.Run;
        return last!;
    }

    private static async IAsyncEnumerable<RunEvent> EventsAsync(HttpClient client, string id)
    {
        await using var stream = await client.GetStreamAsync($"/api/v1/runs/{id}/events");
        var parser = System.Net.ServerSentEvents.SseParser.Create(
            stream, (_, bytes) => System.Text.Json.JsonSerializer.Deserialize(bytes, AtollJson.Default.RunEvent)!);
        await foreach (var item in parser.EnumerateAsync()) yield return item.Data;
    }

    private static bool IsWorkerOf(Process process, string dataPath)
    {
        try
        {
            var line = File.ReadAllText($"/proc/{process.Id}/cmdline");
            return line.Contains("train-worker", StringComparison.Ordinal) && line.Contains(dataPath, StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false; // it ended meanwhile
        }
    }
}
