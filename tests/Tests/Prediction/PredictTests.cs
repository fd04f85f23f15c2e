using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Atoll.Contracts;
using Atoll.Tests.Platform.Audio;
using Atoll.Tests.Platform.Imaging;
using Xunit;

namespace Atoll.Tests.Prediction;

/// <summary>What good requests are answered, in every form of sample, task and body.</summary>
public sealed class PredictTests(PredictionServer server) : IClassFixture<PredictionServer>
{
    [Fact]
    public async Task Rows_are_answered_in_their_order_with_labels_and_probabilities()
    {
        var answer = await server.PredictAsync("churn", """{"rows":[{"age":60,"city":"Rome"},{"age":20,"married":"No","city":"Rome","income":1},{"age":45,"married":"Yes"}]}""");
        Assert.Equal("churn", (string)answer["model"]!);
        Assert.Equal(1, (int)answer["version"]!);
        Assert.Equal(["leaves", "stays", "leaves"], answer["predictions"]!.AsArray().Select(one => (string)one!["label"]!));
        var first = answer["predictions"]![0]!["labels"]!.AsArray();
        Assert.Equal(["leaves", "stays"], first.Select(label => (string)label!["label"]!));
        Assert.Equal(0.9, (double)first[0]!["probability"]!, 6);
        Assert.Equal("0.9", first[0]!["probability"]!.ToJsonString());
    }

    [Fact]
    public async Task The_answer_can_be_read_as_the_contract_says()
    {
        using var response = await server.Client.PostAsJsonAsync(
            "/api/v1/endpoints/topics:predict", new PredictRequest { Texts = ["loan"], Top = 2 }, AtollJson.Default.PredictRequest, TestContext.Current.CancellationToken);
        Assert.Equal("application/json", response.Content.Headers.ContentType!.MediaType);
        var answer = (await response.Content.ReadFromJsonAsync(AtollJson.Default.PredictResponse, TestContext.Current.CancellationToken))!;
        var labels = Assert.Single(answer.Predictions).Labels!;
        Assert.Equal(["loan", "card"], labels.Select(label => label.Label));
        Assert.Equal([true, false], labels.Select(label => label.Selected!.Value));
    }

    [Theory]
    [InlineData("""[{"age":60,"city":"Rome"}]""")]
    [InlineData("""[{"age":60,"city":"Rome","id":7},{"age":1,"city":"Paris","income":5}]""")]
    public async Task Rows_like_those_of_the_training_are_answered_without_a_warning(string rows)
    {
        var answer = await server.PredictAsync("loans", $$"""{"rows":{{rows}}}""");
        Assert.Null(answer["warnings"]);
    }

    [Fact]
    public async Task Columns_that_matter_and_are_left_out_are_named_the_most_important_first()
    {
        var answer = await ReadAsync("loans", """{"rows":[{"age":60,"city":"Rome"},{"married":"Yes"},{"age":null,"city":"Rome"}]}""");
        var warning = Assert.Single(answer.Warnings!);
        Assert.Equal((PredictionWarningCodes.ColumnsLeftOut, "rows[1]", 2), (warning.Code, warning.Field, warning.Samples));
        Assert.Equal(["city", "age"], warning.Columns!);
        Assert.Contains("80 %", warning.Message);
    }

    [Fact]
    public async Task Categories_that_the_training_never_saw_are_named()
    {
        var answer = await ReadAsync("loans", """{"rows":[{"age":60,"city":"Rome"},{"age":60,"city":"Oslo"},{"age":60,"city":"Bonn"}]}""");
        var warning = Assert.Single(answer.Warnings!);
        Assert.Equal((PredictionWarningCodes.ValueNotSeen, "rows[1].city", 2), (warning.Code, warning.Field, warning.Samples));
        Assert.Contains("\"Oslo\"", warning.Message);
    }

    [Theory]
    [InlineData("application/json", """{"rows":[{"letter sent":"no","age":60,"city":"Rome"},{"letter sent":1,"age":60,"city":"Rome"}]}""")]
    [InlineData("text/csv", "letter sent,age,city\nno,60,Rome\nyes,60,Rome\n")]
    public async Task A_column_that_gave_the_target_away_is_ignored_and_said_so(string type, string body)
    {
        var answer = await ReadAsync("loans", body, type);
        var warning = Assert.Single(answer.Warnings!);
        Assert.Equal((PredictionWarningCodes.LeakIgnored, "rows[0].letter sent"), (warning.Code, warning.Field));
        Assert.Contains("'churned'", warning.Message);
    }

    [Fact]
    public async Task A_text_of_nothing_is_answered_with_a_warning()
    {
        var answer = await ReadAsync("intents", """{"texts":["card"," \n\u00a0","","cash"]}""");
        var warning = Assert.Single(answer.Warnings!);
        Assert.Equal((PredictionWarningCodes.NothingKnown, "texts[1]", 2), (warning.Code, warning.Field, warning.Samples));
    }

    private async Task<PredictResponse> ReadAsync(string endpoint, string body, string type = "application/json") =>
        (await server.PredictAsync(endpoint, new StringContent(body, Encoding.UTF8, type))).Deserialize(AtollJson.Default.PredictResponse)!;

    // Married is Yes or No in the training data: the bonus of ten years shows which of them the model saw.
    [Theory]
    [InlineData("""{"age":45,"married":true}""", "leaves")]
    [InlineData("""{"age":45,"married":false}""", "stays")]
    [InlineData("""{"age":45,"married":"Yes"}""", "leaves")]
    [InlineData("""{"age":"50"}""", "leaves")]
    [InlineData("""{"age":" 4e1 "}""", "stays")]
    [InlineData("""{"age":"1,050"}""", "leaves")]
    [InlineData("""{"age":null,"married":"Yes"}""", "leaves")]
    [InlineData("""{"age":"NA","married":"No"}""", "stays")]
    [InlineData("""{"income":"$60,000"}""", "leaves")]
    [InlineData("""{"city":"P\u0061ris"}""", "leaves")]
    [InlineData("""{"city":5,"age":50}""", "leaves")]
    [InlineData("""{"city":"Paris","churned":"stays"}""", "leaves")]
    [InlineData("""{"\u0061ge":50}""", "leaves")]
    public async Task Values_are_understood_as_people_write_them(string row, string expected)
    {
        var answer = await server.PredictAsync("churn", $$"""{"rows":[{{row}}]}""");
        Assert.Equal(expected, (string)answer["predictions"]![0]!["label"]!);
    }

    [Fact]
    public async Task Columns_may_stand_in_any_order_that_changes_from_row_to_row()
    {
        const int seed = 7;
        var random = new Random(seed);
        var rows = new List<string>();
        var expected = new List<string>();
        for (var i = 0; i < 100; i++)
        {
            int age = random.Next(20, 80);
            var married = random.Next(2) == 0;
            var parts = new[] { $"\"age\":{age}", $"\"married\":\"{(married ? "Yes" : "No")}\"", "\"city\":\"Rome\"", "\"income\":null" };
            random.Shuffle(parts);
            rows.Add($"{{{string.Join(',', parts.Take(parts.Length))}}}");
            expected.Add(age + (married ? 10 : 0) >= 50 ? "leaves" : "stays");
        }
        var answer = await server.PredictAsync("churn", $$"""{"rows":[{{string.Join(',', rows)}}]}""");
        Assert.Equal(expected, answer["predictions"]!.AsArray().Select(one => (string)one!["label"]!));
    }

    [Fact]
    public async Task Numbers_come_with_their_interval()
    {
        var answer = await server.PredictAsync("price", """{"rows":[{"rooms":3},{"rooms":-0.5}]}""");
        Assert.Equal("""[{"value":6,"lower":5,"upper":7},{"value":-1,"lower":-2,"upper":0}]""", answer["predictions"]!.ToJsonString());
    }

    [Fact]
    public async Task Texts_of_all_languages_are_answered()
    {
        var answer = await server.PredictAsync("intents", """{"texts":["cash","","\u00e9t\u00e9 \ud83d\ude00","card"]}""");
        Assert.Equal(["cash", "none", "none", "card"], answer["predictions"]!.AsArray().Select(one => (string)one!["label"]!));
        Assert.Equal(4, answer["predictions"]![0]!["labels"]!.AsArray().Count);
    }

    [Fact]
    public async Task More_texts_than_fit_in_one_run_keep_their_order()
    {
        var texts = Enumerable.Range(0, 100).Select(i => PredictionModels.Intents[i * 7 % 4]).ToArray();
        var answer = await server.PredictAsync("intents", JsonSerializer.Serialize(new { texts, top = 1 }));
        Assert.Equal(texts, answer["predictions"]!.AsArray().Select(one => (string)one!["label"]!));
        Assert.All(answer["predictions"]!.AsArray(), one => Assert.Single(one!["labels"]!.AsArray()));
    }

    [Fact]
    public async Task Of_many_labels_those_selected_are_marked_and_all_shown()
    {
        var answer = await server.PredictAsync("topics", """{"texts":["card"]}""");
        var one = answer["predictions"]![0]!;
        Assert.Null(one["label"]);
        Assert.Equal(["card", "none"], one["labels"]!.AsArray().Where(label => (bool)label!["selected"]!).Select(label => (string)label!["label"]!));
    }

    [Fact]
    public async Task Images_of_different_formats_and_sizes_are_answered_together()
    {
        var red = Convert.ToBase64String(TestImages.SolidPng(255, 0, 0, 5));
        var blue = Convert.ToBase64String(TestImages.SolidPng(0, 0, 255, 17));
        var half = Convert.ToBase64String(TestImages.Jpeg);
        var answer = await server.PredictAsync("colours", JsonSerializer.Serialize(new { images = new[] { red, $"data:image/png;base64,{blue}", half } }));
        Assert.Equal(["red", "blue"], answer["predictions"]!.AsArray().Take(2).Select(one => (string)one!["label"]!));
        Assert.Equal(0.5, (double)answer["predictions"]![2]!["labels"]![0]!["probability"]!, 1);
    }

    [Fact]
    public async Task Image_files_are_taken_from_any_field_of_a_form_and_alone()
    {
        using var form = new MultipartFormDataContent
        {
            { Png(TestImages.SolidPng(0, 0, 255)), "photo", "a.png" },
            { Png(TestImages.SolidPng(255, 0, 0)), "another", "b.png" },
            { new StringContent("1"), "top" },
        };
        var answer = await server.PredictAsync("colours", form);
        Assert.Equal(["blue", "red"], answer["predictions"]!.AsArray().Select(one => (string)one!["label"]!));
        Assert.Single(answer["predictions"]![0]!["labels"]!.AsArray());

        var alone = await server.PredictAsync("colours", Png(TestImages.SolidPng(0, 0, 255)));
        Assert.Equal("blue", (string)alone["predictions"]![0]!["label"]!);

        static ByteArrayContent Png(byte[] bytes) => new(bytes) { Headers = { ContentType = new MediaTypeHeaderValue("image/png") } };
    }

    [Fact]
    public async Task Sounds_of_different_rates_widths_and_channels_are_answered_together()
    {
        float[] loud = [.. Enumerable.Repeat(0.75f, 4_410)], quiet = [.. Enumerable.Repeat(-0.125f, 800)];
        var (stereo, small) = (TestWav.Of(44_100, 2, 24, TestWav.Extensible, loud), TestWav.Of(8_000, 1, 8, TestWav.Pcm, quiet));
        string[] sounds = [Convert.ToBase64String(stereo), $"data:audio/wav;base64,{Convert.ToBase64String(small)}"];
        var answer = await server.PredictAsync("sounds", JsonSerializer.Serialize(new { sounds }));
        Assert.Equal(["loud", "quiet"], answer["predictions"]!.AsArray().Select(one => (string)one!["label"]!));
        Assert.Equal(0.75, (double)answer["predictions"]![0]!["labels"]![0]!["probability"]!, 2);
        Assert.Equal(0.875, (double)answer["predictions"]![1]!["labels"]![0]!["probability"]!, 3);

        using var form = new MultipartFormDataContent { { Wav(stereo), "file", "a.wav" }, { new ByteArrayContent(small), "another", "b.wav" }, { new StringContent("1"), "top" } };
        answer = await server.PredictAsync("sounds", form);
        Assert.Equal(["loud", "quiet"], answer["predictions"]!.AsArray().Select(one => (string)one!["label"]!));
        Assert.Single(answer["predictions"]![0]!["labels"]!.AsArray());

        Assert.Equal("quiet", (string)(await server.PredictAsync("sounds", Wav(small)))["predictions"]![0]!["label"]!);

        static ByteArrayContent Wav(byte[] bytes) => new(bytes) { Headers = { ContentType = new MediaTypeHeaderValue("audio/wav") } };
    }

    [Fact]
    public async Task Text_fields_of_a_form_are_texts()
    {
        using var form = new MultipartFormDataContent { { new StringContent("loan"), "text" }, { new StringContent("card"), "text" } };
        var answer = await server.PredictAsync("intents", form);
        Assert.Equal(["loan", "card"], answer["predictions"]!.AsArray().Select(one => (string)one!["label"]!));
    }

    [Fact]
    public async Task A_csv_file_is_answered_in_json_or_csv()
    {
        const string csv = "city;age;married;churned\nRome;60;No;stays\n\"Paris\";20;Yes;\nRome;NA;No;x\n";
        var json = await server.PredictAsync("churn", Csv(csv));
        Assert.Equal(["leaves", "leaves", "stays"], json["predictions"]!.AsArray().Select(one => (string)one!["label"]!));

        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/endpoints/churn:predict") { Content = Csv(csv) };
        request.Headers.Accept.ParseAdd("text/csv");
        using var answer = await server.Client.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal("text/csv", answer.Content.Headers.ContentType!.MediaType);
        Assert.Equal("label,probability\nleaves,0.9\nleaves,0.9\nstays,0.9\n", await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("price", "rooms\n1\n2.5\n", "?top=9", "value,lower,upper\n2,1,3\n5,4,6\n")]
    [InlineData("churn", "age\n60\n", "?top=2", "label,probability,label_2,probability_2\nleaves,0.9,stays,0.1\n")]
    [InlineData("topics", "text\ncard\n", "?top=1", "selected,label_1,probability_1\ncard;none,card,0.7\n")]
    [InlineData("intents", "anything\n\"cash\"\n", "", "label,probability\ncash,0.7\n")]
    [InlineData("churn", "age,colour\n60,red\n", "?unknown=ignore", "label,probability\nleaves,0.9\n")]
    public async Task Csv_answers_have_columns_that_fit_the_task(string endpoint, string csv, string query, string expected)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/api/v1/endpoints/{endpoint}:predict{query}") { Content = Csv(csv) };
        request.Headers.Accept.ParseAdd("text/csv");
        using var answer = await server.Client.SendAsync(request, TestContext.Current.CancellationToken);
        var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        // 1 - 0.9 in 32 bits is a little more than 0.1.
        Assert.Equal(expected, text.Replace(0.100000024f.ToString(CultureInfo.InvariantCulture), "0.1", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Csv_files_of_other_encodings_and_in_forms_are_read()
    {
        var wide = new ByteArrayContent([.. Encoding.Unicode.Preamble, .. Encoding.Unicode.GetBytes("age,city\n20,Paris\n")]);
        wide.Headers.ContentType = new MediaTypeHeaderValue("text/csv");
        Assert.Equal("leaves", (string)(await server.PredictAsync("churn", wide))["predictions"]![0]!["label"]!);

        var named = new ByteArrayContent(Encoding.Latin1.GetBytes("text\ncash\n"));
        named.Headers.ContentType = MediaTypeHeaderValue.Parse("text/csv; charset=iso-8859-1");
        Assert.Equal("cash", (string)(await server.PredictAsync("intents", named))["predictions"]![0]!["label"]!);

        using var form = new MultipartFormDataContent { { new StringContent("age\n20\n60\n"), "file", "rows.csv" } };
        Assert.Equal(["stays", "leaves"], (await server.PredictAsync("churn", form))["predictions"]!.AsArray().Select(one => (string)one!["label"]!));
    }

    [Fact]
    public async Task A_byte_order_mark_before_json_does_no_harm()
    {
        var content = new ByteArrayContent([.. Encoding.UTF8.Preamble, .. """{"texts":["card"]}"""u8]);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        Assert.Equal("card", (string)(await server.PredictAsync("intents", content))["predictions"]![0]!["label"]!);
    }

    [Fact]
    public async Task Moving_an_alias_changes_what_answers_at_once_and_back()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        const string body = """{"rows":[{"x":0}]}""";
        await server.RegisterAsync("moving", PredictionModels.Constant(1));
        await server.RegisterAsync("moving", PredictionModels.Constant(2));

        // Nothing is promoted yet, so the newest answers.
        Assert.Equal(2, await AskAsync(""));
        Assert.Equal(1, await AskAsync("?version=1"));
        await PromoteAsync(1);
        Assert.Equal(1, await AskAsync(""));
        Assert.Equal(2, await AskAsync("?alias=latest"));

        // A new version changes nothing for clients until it is promoted.
        await server.RegisterAsync("moving", PredictionModels.Constant(3));
        Assert.Equal(1, await AskAsync(""));
        Assert.Equal(3, await AskAsync("?alias=latest"));
        await PromoteAsync(3);
        Assert.Equal(3, await AskAsync(""));

        // Rolled back.
        await PromoteAsync(1);
        Assert.Equal(1, await AskAsync(""));
        Assert.Equal(1, await AskAsync("?alias=production"));

        using var moved = await server.Client.PutAsJsonAsync(
            "/api/v1/models/moving/aliases/candidate", new MoveAliasRequest { Version = 2 }, AtollJson.Default.MoveAliasRequest, cancellationToken);
        Assert.Equal(HttpStatusCode.OK, moved.StatusCode);
        Assert.Equal(2, await AskAsync("?alias=candidate"));

        async Task<int> AskAsync(string query)
        {
            var answer = await server.PredictAsync("moving", body, query);
            Assert.Equal((int)answer["version"]!, (int)(double)answer["predictions"]![0]!["value"]!);
            return (int)answer["version"]!;
        }

        async Task PromoteAsync(int version)
        {
            using var answer = await server.Client.PostAsJsonAsync(
                "/api/v1/models/moving:promote", new PromoteRequest { Version = version, Gates = [] }, AtollJson.Default.PromoteRequest, cancellationToken);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }
    }

    [Fact]
    public async Task Endpoints_of_another_tenant_are_not_there()
    {
        var (_, stranger) = await server.Server.CreateTenantAsync();
        using var content = new StringContent("""{"texts":["card"]}""", Encoding.UTF8, "application/json");
        using var answer = await stranger.PostAsync("/api/v1/endpoints/intents:predict", content, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }

    private static StringContent Csv(string text) => new(text, new UTF8Encoding(false), "text/csv");
}
