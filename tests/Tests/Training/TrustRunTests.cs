using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using Atoll.Contracts;
using Atoll.Training;
using Atoll.Training.Tabular;
using Xunit;

namespace Atoll.Tests.Training;

/// <summary>What a training leaves for those who have to trust its model: card, calibration, effects of columns, groups, reasons.</summary>
public sealed class TrustRunTests(TestServer server) : IClassFixture<TestServer>
{
    [Fact]
    public async Task A_training_leaves_a_card_that_says_where_the_model_comes_from_and_how_it_treats_groups()
    {
        var (_, client) = await server.CreateTenantAsync();
        var run = await TrainAsync(client, new() { ["trees"] = "20", ["folds"] = "2", ["ignore"] = "region", ["fairness"] = "region,age", ["positive"] = "yes" });
        Assert.True(run.State == RunStates.Succeeded, run.Error);

        using var json = await client.GetAsync("/api/v1/models/leads/versions/latest/card");
        Assert.Equal("application/json", json.Content.Headers.ContentType!.MediaType);
        var card = (await json.Content.ReadFromJsonAsync(AtollJson.Default.ModelCardResponse))!;
        Assert.Equal((1, "leads", run.Id), (card.Version, card.Lineage.Dataset, card.Lineage.Run));
        Assert.NotNull(card.Lineage.By);
        Assert.Equal(400, card.Data!.Samples);
        Assert.Equal(card.Data.Samples - card.Evaluation!.SampleCount, card.Data.Learned);
        Assert.Equal(["age", "plan"], card.Evaluation.ColumnEffects!.Columns.Take(2).Select(column => column.Name).Order());
        Assert.All(card.Evaluation.ColumnEffects.Columns.Take(2), column => Assert.True(column is { Shuffled: > 0.05, LeftOut: > 0.05 }, $"{column}"));
        Assert.Equal(card.Evaluation.SampleCount, card.Evaluation.Calibration!.Sum(bin => bin.Count));

        // The column of groups is not one that the model reads.
        Assert.DoesNotContain("region", card.Columns!.Select(column => column.Name));
        var fairness = card.Evaluation.Fairness!;
        Assert.Equal(("yes", "region", "age"), (fairness.Positive, fairness.Columns[0].Column, fairness.Columns[1].Column));
        Assert.Equal(["north", "south"], fairness.Columns[0].Groups.Select(group => group.Group).Order());
        Assert.Equal(4, fairness.Columns[1].Groups.Count);
        Assert.Equal(card.Evaluation.SampleCount, fairness.Columns[1].Groups.Sum(group => group.Count));
        Assert.Contains(card.Limits, limit => limit == fairness.Columns[1].Finding);

        using var page = await PageAsync(client, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
        Assert.Equal("text/html", page.Content.Headers.ContentType!.MediaType);
        Assert.Contains("default-src 'none'", page.Headers.GetValues("Content-Security-Policy").Single());
        Assert.Contains("How groups are treated", await page.Content.ReadAsStringAsync());
        using var any = await PageAsync(client, "text/html;q=0.5, application/json");
        Assert.Equal("application/json", any.Content.Headers.ContentType!.MediaType);
        using var unknown = await client.GetAsync("/api/v1/models/leads/versions/7/card");
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);

        // What its owner says is of the model, so that the next version has it too.
        using var said = await client.PutAsJsonAsync("/api/v1/models/leads/notes", new ModelNotes { IntendedUse = " Whom to call. ", NotFor = " " }, AtollJson.Default.ModelNotes);
        Assert.Equal(HttpStatusCode.OK, said.StatusCode);
        Assert.Equal(new ModelNotes { IntendedUse = "Whom to call." }, (await client.GetFromJsonAsync("/api/v1/models/leads/versions/1/card", AtollJson.Default.ModelCardResponse))!.Notes);
        using var tooLong = await client.PutAsJsonAsync("/api/v1/models/leads/notes", new ModelNotes { Licence = new string('x', 4001) }, AtollJson.Default.ModelNotes);
        Assert.Equal(HttpStatusCode.BadRequest, tooLong.StatusCode);

        // And a row can be asked why, by what the training found typical.
        using var answer = await client.PostAsync("/api/v1/endpoints/leads:predict", new StringContent("""{"rows":[{"age":75,"plan":"pro","calls":3}],"explain":true}""", Encoding.UTF8, "application/json"));
        var factors = Assert.Single((await answer.Content.ReadFromJsonAsync(AtollJson.Default.PredictResponse))!.Predictions).Factors!;
        Assert.Equal("yes", factors.Label);
        Assert.Equal(["age", "plan"], factors.Columns.Take(2).Select(column => column.Name).Order());
        Assert.All(factors.Columns.Take(2), column => Assert.True(column.Contribution > 0.1, $"{column}"));
        Assert.Equal(factors.Predicted - factors.Typical, factors.Columns.Sum(column => column.Contribution) + factors.Others, 4);

        // Rows of the same kind have not moved, whatever chance does to them; others have, and it is said where.
        foreach (var seed in Enumerable.Range(20, 5))
        {
            var same = await CompareAsync(client, Table(seed, rows: 100));
            Assert.True(same.Columns.All(column => column.Drift == DriftKinds.None), string.Join(" ", same.Columns.Select(column => column.Reason)));
            Assert.Contains("None of the 3 columns has moved", same.Finding);
        }
        var moved = await CompareAsync(client, Table(30, rows: 200).Replace("basic", "gold", StringComparison.Ordinal).Replace("\n1", "\n7", StringComparison.Ordinal).Replace("\n2", "\n7", StringComparison.Ordinal));
        Assert.Equal(["age", "plan"], moved.Columns.Where(column => column.Drift == DriftKinds.Far).Select(column => column.Name).Order());
        Assert.Equal("calls", Assert.Single(moved.Columns, column => column.Drift == DriftKinds.None).Name);
        var plan = moved.Columns.Single(column => column.Name == "plan");
        Assert.Equal(["gold"], plan.Unseen!);
        Assert.InRange(plan.UnseenShare!.Value, 0.35, 0.65);
        Assert.Contains("\"gold\"", plan.Reason);
        Assert.True(moved.MovedImportance > 0.5, moved.Finding);
        var gaps = await CompareAsync(client, "age\n" + string.Concat(Enumerable.Repeat("50\n", 40)));
        Assert.Contains("Missing: 100.0 % of the rows, 0.0 % in the training data", gaps.Columns.Single(column => column.Name == "calls").Reason);
        using var few = await client.PostAsync("/api/v1/endpoints/leads:compare", new StringContent("""{"rows":[{"age":75}]}""", Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.BadRequest, few.StatusCode);
    }

    private static async Task<DriftResponse> CompareAsync(HttpClient client, string csv)
    {
        using var answer = await client.PostAsync("/api/v1/endpoints/leads:compare", new StringContent(csv, Encoding.UTF8, "text/csv"));
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == HttpStatusCode.OK, text);
        return System.Text.Json.JsonSerializer.Deserialize(text, AtollJson.Default.DriftResponse)!;
    }

    [Fact]
    public void Equal_values_are_in_one_range_and_texts_are_counted_until_there_are_too_many()
    {
        var flags = ColumnSummaries.Of(new ColumnValues { Name = "flag", Type = ColumnTypes.Integer, Numbers = [.. Enumerable.Range(0, 100).Select(i => i < 62 ? 0f : i < 99 ? 1 : float.NaN)] });
        Assert.Equal((100, 1, "0", "62,37"), (flags.Rows, flags.Missing, string.Join(',', flags.Limits!), string.Join(',', flags.Counts!)));
        var even = ColumnSummaries.Of(new ColumnValues { Name = "even", Type = ColumnTypes.Integer, Numbers = [.. Enumerable.Range(1, 100).Select(i => (float)i)] });
        Assert.Equal((9, "10,10,10,10,10,10,10,10,10,10"), (even.Limits!.Count, string.Join(',', even.Counts!)));
        var few = ColumnSummaries.Of(new ColumnValues { Name = "few", Type = ColumnTypes.Category, Texts = ["a", "b", "a", null, ""] });
        Assert.Equal((2, true, "a2,b1"), (few.Missing, few.AllValues, string.Join(',', few.Values!.Select(value => $"{value.Value}{value.Count}"))));
        var many = ColumnSummaries.Of(new ColumnValues { Name = "many", Type = ColumnTypes.Category, Texts = [.. Enumerable.Range(0, 60).Select(i => $"{i}")] });
        Assert.Equal((50, false), (many.Values!.Count, many.AllValues));
    }

    [Theory]
    [InlineData("fairness", "plan", "positive", "perhaps", "'perhaps', which is not a label")]
    [InlineData("fairness", "plan", "task", "regression", null)]
    public async Task Groups_that_cannot_be_compared_are_refused_before_the_training(string name, string value, string other, string otherValue, string? reason)
    {
        var (_, client) = await server.CreateTenantAsync();
        var run = await TrainAsync(client, new() { [name] = value, [other] = otherValue }, target: reason is null ? "calls" : null);
        Assert.Equal(RunStates.Failed, run.State);
        Assert.Contains(reason ?? "compares how often groups are given a label", run.Error);
    }

    private static async Task<HttpResponseMessage> PageAsync(HttpClient client, string accept)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/models/leads/versions/latest/card");
        request.Headers.TryAddWithoutValidation("Accept", accept);
        return await client.SendAsync(request);
    }

    private static async Task<RunResponse> TrainAsync(HttpClient client, Dictionary<string, string> parameters, string? target = null)
    {
        using var form = new MultipartFormDataContent
        {
            { new StringContent("leads"), "name" }, { new StringContent(DatasetTypes.Tabular), "type" }, { new StringContent("signed"), "label" }, { new StringContent(Table()), "file", "leads.csv" },
        };
        using var uploaded = await client.PostAsync("/api/v1/datasets?wait=true", form);
        Assert.True(uploaded.IsSuccessStatusCode, await uploaded.Content.ReadAsStringAsync());
        using var started = await client.PostAsJsonAsync("/api/v1/runs", new CreateRunRequest { Dataset = "leads", Target = target, Parameters = parameters }, AtollJson.Default.CreateRunRequest);
        Assert.True(started.StatusCode == HttpStatusCode.Accepted, await started.Content.ReadAsStringAsync());
        var run = (await started.Content.ReadFromJsonAsync(AtollJson.Default.RunResponse))!;
        await using var stream = await client.GetStreamAsync($"/api/v1/runs/{run.Id}/events");
        var parser = System.Net.ServerSentEvents.SseParser.Create(stream, (_, bytes) => System.Text.Json.JsonSerializer.Deserialize(bytes, AtollJson.Default.RunEvent)!);
        await foreach (var item in parser.EnumerateAsync()) run = item.Data.Run;
        return run;
    }

    /// <summary>Signed is who is older than 45 and has the plan pro, or nearly so.</summary>
    private static string Table(int seed = 11, int rows = 400)
    {
        var random = new Random(seed);
        var text = new StringBuilder("age,plan,calls,region,signed\n");
        for (var i = 0; i < rows; i++)
        {
            var (age, plan) = (random.Next(18, 80), random.Next(2) == 0 ? "basic" : "pro");
            var signed = age > 45 && plan == "pro" ? random.Next(20) > 0 : random.Next(20) == 0;
            text.Append(CultureInfo.InvariantCulture, $"{age},{plan},{random.Next(0, 12)},{(random.Next(3) == 0 ? "north" : "south")},{(signed ? "yes" : "no")}\n");
        }
        return text.ToString();
    }
}
