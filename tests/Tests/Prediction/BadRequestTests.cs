using System.Text;
using System.Text.Json.Nodes;
using Atoll.Serving.Onnx;
using Atoll.Tests.Platform.Audio;
using Atoll.Tests.Platform.Imaging;
using Xunit;

namespace Atoll.Tests.Prediction;

/// <summary>What bad requests are told: status, code, field, and words that help. None of them changes anything or stops the next request.</summary>
public sealed class BadRequestTests(PredictionServer server) : IClassFixture<PredictionServer>
{
    private const string Json = "application/json";
    private const string Csv = "text/csv";

    /// <summary>Endpoint with query, content type, body; status, code, field (null: none), fragments of the message parted by |.</summary>
    public static TheoryData<string, string?, string, int, string, string?, string> Refusals => new()
    {
        // The body as a whole.
        { "churn", Json, "", 400, "invalid-field", "rows", "is missing|{\"rows\":[{\"age\":42," },
        { "churn", Json, "{", 400, "invalid-body", null, "not valid JSON|line 1" },
        { "churn", Json, "{\"rows\":[{\"age\":1,}]}", 400, "invalid-body", null, "not valid JSON" },
        { "churn", Json, "{\"rows\":[{\"age\":NaN}]}", 400, "invalid-body", null, "not valid JSON" },
        { "churn", Json, "{\"rows\":[{\"age\":1}]} x", 400, "invalid-body", null, "not valid JSON" },
        { "churn", Json, "[{\"age\":1}]", 400, "invalid-body", null, "is a list|should be an object" },
        { "churn", Json, "\"age\"", 400, "invalid-body", null, "is the text \"age\"" },
        { "churn", Json, "{}", 400, "invalid-field", "rows", "is missing" },
        { "churn", Json, "{\"rows\":null}", 400, "invalid-field", "rows", "is missing" },
        { "churn", Json, "{\"rows\":[]}", 400, "invalid-field", "rows", "no samples" },
        { "churn", Json, "{\"rows\":{\"age\":1}}", 400, "invalid-field", "rows", "is an object|Expected a list" },
        { "churn", Json, "{\"row\":[{\"age\":1}]}", 400, "invalid-field", "row", "Did you mean 'rows'?" },
        { "churn", Json, "{\"Rows\":[{\"age\":1}]}", 400, "invalid-field", "Rows", "Did you mean 'rows'?" },
        { "churn", Json, "{\"instances\":[{\"age\":1}]}", 400, "invalid-field", "instances", "not part of a request" },
        { "churn", Json, "{\"rows\":[{\"age\":1}],\"rows\":[{\"age\":1}]}", 400, "invalid-field", "rows", "twice" },
        { "churn", null, "{\"rows\":[{\"age\":1}]}", 415, "invalid-body", null, "no Content-Type|application/json" },
        { "churn", "application/x-www-form-urlencoded", "{\"rows\":[]}", 415, "invalid-body", null, "application/x-www-form-urlencoded" },
        { "churn", "nonsense", "{}", 415, "invalid-body", null, "nonsense" },

        // The list of another kind of model.
        { "churn", Json, "{\"texts\":[\"hello\"]}", 400, "invalid-field", "texts", "reads rows, not texts|\"married\":\"Yes\"" },
        { "churn", Json, "{\"images\":[\"aGVsbG8=\"]}", 400, "invalid-field", "images", "reads rows, not images" },
        { "intents", Json, "{\"rows\":[{\"text\":\"x\"}]}", 400, "invalid-field", "rows", "reads texts, not rows|{\"texts\":[\"I lost my card\"]}" },
        { "colours", Json, "{\"texts\":[\"x\"]}", 400, "invalid-field", "texts", "reads images, not texts|base64" },
        { "colours", Csv, "a,b\n1,2\n", 400, "invalid-field", "rows", "reads images, not rows" },
        { "churn", "image/png", "x", 400, "invalid-field", "images", "reads rows, not images" },

        // Rows and their values.
        { "churn", Json, "{\"rows\":[{\"age\":1},5]}", 400, "invalid-field", "rows[1]", "is the number 5|Expected an object" },
        { "churn", Json, "{\"rows\":[[1,2]]}", 400, "invalid-field", "rows[0]", "is a list" },
        { "churn", Json, "{\"rows\":[{\"age\":\"old\"}]}", 400, "invalid-field", "rows[0].age", "is the text \"old\"|a number such as 42" },
        { "churn", Json, "{\"rows\":[{\"age\":1},{\"age\":2},{\"age\":3},{\"age\":\"4 years\"}]}", 400, "invalid-field", "rows[3].age", "\"4 years\"|such as 42" },
        { "churn", Json, "{\"rows\":[{\"age\":true}]}", 400, "invalid-field", "rows[0].age", "is true|a number" },
        { "churn", Json, "{\"rows\":[{\"age\":[1]}]}", 400, "invalid-field", "rows[0].age", "is a list|a number" },
        { "churn", Json, "{\"rows\":[{\"age\":1e39}]}", 400, "invalid-field", "rows[0].age", "too large" },
        { "churn", Json, "{\"rows\":[{\"age\":-1e400}]}", 400, "invalid-field", "rows[0].age", "too large" },
        { "churn", Json, "{\"rows\":[{\"city\":{\"name\":\"Rome\"}}]}", 400, "invalid-field", "rows[0].city", "is an object|text such as \"Paris\"" },
        { "churn", Json, "{\"rows\":[{\"city\":true}]}", 400, "invalid-field", "rows[0].city", "is true" },
        { "churn", Json, "{\"rows\":[{\"city\":\"\\ud800\"}]}", 400, "invalid-field", "rows[0].city", "not valid Unicode" },
        { "churn", Json, "{\"rows\":[{\"a\\ud800ge\":1}]}", 400, "invalid-field", "rows[0].\uFFFD", "not a column" },
        { "churn", Json, "{\"\\ud800\":[]}", 400, "invalid-field", "\uFFFD", "not part of a request" },
        { "churn", Json, "{\"rows\":[{\"agee\":1}]}", 400, "invalid-field", "rows[0].agee", "Did you mean 'age'?" },
        { "churn", Json, "{\"rows\":[{\"age\":1,\"Maried\":\"Yes\"}]}", 400, "invalid-field", "rows[0].Maried", "Did you mean 'married'?|unknown=ignore" },
        { "churn", Json, "{\"rows\":[{\"quantity\":1}]}", 400, "invalid-field", "rows[0].quantity", "The model reads 'age', 'income', 'married', 'city'." },
        { "churn", Json, "{\"rows\":[{\"age\":1,\"age\":2}]}", 400, "invalid-field", "rows[0].age", "twice" },
        { "churn", Json, "{\"rows\":[{}]}", 400, "invalid-field", "rows[0]", "no value" },
        { "churn", Json, "{\"rows\":[{\"age\":1},{\"age\":null,\"city\":\"\"}]}", 400, "invalid-field", "rows[1]", "no value" },
        { "churn?unknown=ignore", Json, "{\"rows\":[{\"colour\":1}]}", 400, "invalid-field", "rows[0]", "no value" },
        { "churn", Json, "{\"rows\":[{\"churned\":\"stays\"}]}", 400, "invalid-field", "rows[0]", "no value" },

        // Texts and images.
        { "intents", Json, "{\"texts\":\"card\"}", 400, "invalid-field", "texts", "is the text \"card\"|Expected a list" },
        { "intents", Json, "{\"texts\":[\"card\",7]}", 400, "invalid-field", "texts[1]", "is the number 7|text in quotes" },
        { "intents", Json, "{\"texts\":[null]}", 400, "invalid-field", "texts[0]", "is null" },
        { "colours", Json, "{\"images\":[\"not base64!\"]}", 400, "invalid-field", "images[0]", "not base64" },
        { "colours", Json, "{\"images\":[\"\"]}", 400, "invalid-field", "images[0]", "empty" },
        { "colours", Json, "{\"images\":[\"aGVsbG8gd29ybGQ=\"]}", 400, "invalid-field", "images[0]", "cannot be read as an image|JPEG" },
        { "colours", Json, "{\"images\":[{\"url\":\"x\"}]}", 400, "invalid-field", "images[0]", "is an object|base64" },
        { "colours", Json, "{\"images\":[\"\",\"\",\"\",\"\",\"\"]}", 400, "invalid-field", "images[0]", "empty" },
        { "colours", "image/png", "nothing", 400, "invalid-field", "images[0]", "cannot be read" },

        // Sounds.
        { "sounds", Json, "{\"images\":[\"aGVsbG8=\"]}", 400, "invalid-field", "images", "reads sounds, not images|base64 of a wav file" },
        { "sounds", Json, "{\"sound\":[\"aGVsbG8=\"]}", 400, "invalid-field", "sound", "Did you mean 'sounds'?" },
        { "sounds", Csv, "a,b\n1,2\n", 400, "invalid-field", "rows", "reads sounds, not rows" },
        { "sounds", "image/png", "x", 400, "invalid-field", "images", "reads sounds, not images" },
        { "colours", "audio/wav", "x", 400, "invalid-field", "sounds", "reads images, not sounds" },
        { "sounds", Json, "{\"sounds\":[\"not base64!\"]}", 400, "invalid-field", "sounds[0]", "not base64|base64 -w0 sound.wav" },
        { "sounds", Json, "{\"sounds\":[7]}", 400, "invalid-field", "sounds[0]", "is the number 7|wav file" },
        { "sounds", Json, "{\"sounds\":[\"aGVsbG8gd29ybGQ=\"]}", 400, "invalid-field", "sounds[0]", "cannot be read as a sound|not a wav file" },
        { "sounds", "audio/mpeg", "ID3 and so on", 400, "invalid-field", "sounds[0]", "MP3|ffmpeg" },
        { "sounds", "audio/wav", "", 400, "invalid-field", "sounds[0]", "empty" },
        { "sounds", "text/plain", "x", 415, "invalid-body", null, "audio/wav" },
        { "sounds", "multipart/form-data; boundary=B", "--B\r\nContent-Disposition: form-data; name=\"sound\"\r\n\r\nx\r\n--B--\r\n", 400, "invalid-field", "sound", "file=@sound.wav" },

        // Csv.
        { "churn", Csv, "", 400, "invalid-field", "csv", "no samples" },
        { "churn", Csv, "age,city\n", 400, "invalid-field", "csv", "no samples" },
        { "churn", Csv, "age,citty\n1,Rome\n", 400, "invalid-field", "citty", "Did you mean 'city'?" },
        { "churn", Csv, "age,age\n1,2\n", 400, "invalid-field", "age", "twice" },
        { "churn", Csv, "age,city\n1,Rome\nold,Paris\n", 400, "invalid-field", "line 3, column age", "\"old\"|such as 42" },
        { "churn", Csv, "age,city\n1,Rome,extra\n", 400, "invalid-field", "line 2", "3 values" },
        { "churn", Csv, "age,city\n1,\"Rome\n", 400, "invalid-field", "line 2", "quote" },
        { "churn", Csv, "age,city\nNA,\n", 400, "invalid-field", "line 2", "no value" },
        { "churn", "text/csv; charset=klingon", "age\n1\n", 415, "invalid-body", null, "klingon" },

        // Forms.
        { "churn", "multipart/form-data", "x", 400, "invalid-body", null, "boundary" },
        { "churn", "multipart/form-data; boundary=B", "nothing here", 400, "invalid-body", null, "form cannot be read" },
        { "intents", "multipart/form-data; boundary=B", "--B\r\nContent-Disposition: form-data; name=\"words\"\r\n\r\ncard\r\n--B--\r\n", 400, "invalid-field", "words", "fields called text" },
        { "colours", "multipart/form-data; boundary=B", "--B\r\nContent-Disposition: form-data; name=\"top\"\r\n\r\nmany\r\n--B--\r\n", 400, "invalid-field", "top", "whole number" },
        { "colours", "multipart/form-data; boundary=B", "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.png\"\r\n\r\n\r\n--B--\r\n", 400, "invalid-field", "files[0]", "empty" },
        { "churn", "multipart/form-data; boundary=B", "--B--\r\n", 400, "invalid-field", "file", "no samples" },

        // What and whom to ask.
        { "churn", Json, "{\"rows\":[{\"age\":1}],\"top\":0}", 400, "invalid-field", "top", "is the number 0" },
        { "churn", Json, "{\"rows\":[{\"age\":1}],\"top\":\"all\"}", 400, "invalid-field", "top", "whole number" },
        { "churn?top=-1", Json, "{\"rows\":[{\"age\":1}]}", 400, "invalid-field", "top", "-1" },
        { "churn?version=1&alias=latest", Json, "{\"rows\":[{\"age\":1}]}", 400, "invalid-field", "alias", "one of them" },
        { "churn?version=first", Json, "{\"rows\":[{\"age\":1}]}", 400, "invalid-field", "version", "'first'" },
        { "churn?alias=1", Json, "{\"rows\":[{\"age\":1}]}", 400, "invalid-field", "alias", "?version=" },
        { "churn?unknown=skip", Json, "{\"rows\":[{\"age\":1}]}", 400, "invalid-field", "unknown", "ignore or refuse" },
        { "churn?version=99", Json, "{\"rows\":[{\"age\":1}]}", 404, "not-found", null, "99" },
        { "churn?alias=nobody", Json, "{\"rows\":[{\"age\":1}]}", 404, "not-found", null, "nobody" },
        { "nothing", Json, "{\"rows\":[{\"age\":1}]}", 404, "not-found", null, "'nothing'" },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task A_bad_request_is_told_what_is_wrong_where_and_what_helps(
        string target, string? contentType, string body, int status, string code, string? field, string fragments)
    {
        var (endpoint, query) = target.Split('?') is [var name, var rest] ? (name, "?" + rest) : (target, "");
        var problem = await RefuseAsync(endpoint, query, contentType, Encoding.UTF8.GetBytes(body), status);
        Assert.Equal(code, (string)problem["code"]!);
        Assert.Equal(field, (string?)problem["field"]);
        foreach (var fragment in fragments.Split('|')) Assert.Contains(fragment, (string)problem["detail"]!, StringComparison.Ordinal);
        if (status == 400 && code == "invalid-field" && field is not null && (field.StartsWith("rows", StringComparison.Ordinal) || field.StartsWith("line", StringComparison.Ordinal)) && endpoint == "churn")
            Assert.Equal("Paris", (string)problem["example"]!["rows"]![0]!["city"]!);

        // The server is as it was: the example that it gave is answered.
        if (problem["example"]?.AsObject() is { } example && endpoint is not ("colours" or "sounds")) await server.PredictAsync(endpoint, example.ToJsonString());
    }

    [Fact]
    public async Task Too_many_samples_and_too_many_bytes_are_refused_with_the_setting_that_bounds_them()
    {
        var rows = $$"""{"rows":[{{string.Join(',', Enumerable.Repeat("{\"age\":1}", 101))}}]}""";
        var problem = await RefuseAsync("churn", "", Json, Encoding.UTF8.GetBytes(rows), 413);
        Assert.Contains("more than 100 entries", (string)problem["detail"]!);
        Assert.Contains("Prediction:SamplesMax", (string)problem["detail"]!);

        var png = Convert.ToBase64String(TestImages.SolidPng(1, 2, 3));
        var images = $$"""{"images":[{{string.Join(',', Enumerable.Repeat($"\"{png}\"", 5))}}]}""";
        problem = await RefuseAsync("colours", "", Json, Encoding.UTF8.GetBytes(images), 413);
        Assert.Contains("more than 4 entries", (string)problem["detail"]!);

        var wav = TestWav.Tone(440);
        var sounds = $$"""{"sounds":[{{string.Join(',', Enumerable.Repeat($"\"{Convert.ToBase64String(wav)}\"", 5))}}]}""";
        problem = await RefuseAsync("sounds", "", Json, Encoding.UTF8.GetBytes(sounds), 413);
        Assert.Contains("Prediction:SoundsMax", (string)problem["detail"]!);

        problem = await RefuseAsync("sounds", "", "audio/wav", TestWav.Tone(440, seconds: 3.5), 400);
        Assert.Contains("lasts 3.5 seconds, at most 3", (string)problem["detail"]!);

        problem = await RefuseAsync("churn", "", Csv, Encoding.UTF8.GetBytes("age\n" + string.Concat(Enumerable.Repeat("1\n", 101))), 413);
        Assert.Contains("more than 100 entries", (string)problem["detail"]!);

        problem = await RefuseAsync("intents", "", Json, Encoding.UTF8.GetBytes($$"""{"texts":["{{new string('x', 2_000_000)}}"]}"""), 413);
        Assert.Equal("too-large", (string)problem["code"]!);
    }

    [Fact]
    public async Task A_value_of_megabytes_is_not_repeated_in_the_message()
    {
        var problem = await RefuseAsync("churn", "", Json, Encoding.UTF8.GetBytes($$"""{"rows":[{"age":"{{new string('9', 100_000)}}"}]}"""), 400);
        Assert.True(problem.ToJsonString().Length < 2000);
        problem = await RefuseAsync("churn", "", Json, Encoding.UTF8.GetBytes($$"""{"rows":[{"{{new string('é', 100_000)}}":1}]}"""), 400);
        Assert.True(problem.ToJsonString().Length < 2000);
    }

    [Fact]
    public async Task Json_that_is_nested_without_end_is_refused()
    {
        await RefuseAsync("churn", "", Json, Encoding.UTF8.GetBytes($$"""{"rows":[{"age":{{new string('[', 100_000)}}"""), 400);
        await RefuseAsync("churn", "?unknown=ignore", Json, Encoding.UTF8.GetBytes($$"""{"rows":[{"x":{{new string('[', 100_000)}}"""), 400);
    }

    [Fact]
    public async Task A_model_of_bare_tensors_sends_the_caller_to_the_other_protocol()
    {
        await server.RegisterAsync("bare", PredictionModels.Echo(("a", TensorElementType.Int64, "INT64")));
        var problem = await RefuseAsync("bare", "", Json, "{}"u8.ToArray(), 400);
        Assert.Contains("/v2/models/bare/infer", (string)problem["detail"]!);
    }

    private async Task<JsonNode> RefuseAsync(string endpoint, string query, string? contentType, byte[] body, int status)
    {
        using var content = new ByteArrayContent(body);
        if (contentType is not null) content.Headers.TryAddWithoutValidation("Content-Type", contentType);
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/api/v1/endpoints/{endpoint}:predict{query}") { Content = content };

        // What is too large is refused at its header; a client that sends on meanwhile may find the connection closed before it reads the answer.
        request.Headers.ExpectContinue = body.Length > 1_000_000;
        using var answer = await server.Client.SendAsync(request, TestContext.Current.CancellationToken);
        var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(status == (int)answer.StatusCode, $"{(int)answer.StatusCode}: {text}");
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        return JsonNode.Parse(text)!;
    }
}
