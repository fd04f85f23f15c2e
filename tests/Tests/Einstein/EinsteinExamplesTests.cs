using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.Einstein;
using Atoll.Tests.Datasets;
using Atoll.Tests.Platform.Imaging;
using Atoll.Tests.Prediction;
using Atoll.Tests.Tenancy;
using Xunit;
using static Atoll.Tests.Einstein.EinsteinClient;

namespace Atoll.Tests.Einstein;

public sealed class EinsteinExamplesTests(TestServer server) : IClassFixture<TestServer>
{
    [Fact]
    public async Task A_dataset_of_texts_grows_by_files_and_a_training_takes_feedback_in_when_asked()
    {
        using var client = await CreateAsync(server);
        var dataset = await OkAsync(client.PostAsync("/v2/language/datasets/upload/sync", File("data", "weather.csv", Weather()), Field("type", "text-intent")));
        var id = (long)dataset["id"]!;
        var updating = await OkAsync(client.PutAsync($"/v2/language/datasets/{id}/upload", File("data", "weather.csv", Weather() + "\"will a \"\"storm\"\" come, soon\",storm\n\"a storm, tonight?\",storm\n")));
        Assert.False((bool)updating["available"]!);
        var updated = await client.WhileAsync($"/v2/language/datasets/{id}", "statusMsg", "UPLOADING");
        Assert.True((string)updated["statusMsg"]! == "SUCCEEDED" && (bool)updated["available"]!, updated.ToJsonString());
        Assert.Equal((150, 4), ((int)updated["totalExamples"]!, (int)updated["totalLabels"]!));
        Assert.InRange((int)updated["numOfDuplicates"]!, 74, 150);
        Assert.Equal(LabelsOf(dataset), LabelsOf(updated).Take(3));
        var storm = (await OkAsync(client.GetAsync($"/v2/language/examples/{id}/label/4")))["data"]!.AsArray();
        Assert.Equal(["will a \"storm\" come, soon", "a storm, tonight?"], storm.Select(example => (string)example!["location"]!));
        Assert.Equal(HttpStatusCode.BadRequest, (await client.PutAsync($"/v2/language/datasets/{id}/upload", Field("path", "http://10.0.0.1/x.csv"))).Status);

        var modelId = await TrainAsync(client, id, """{"trainSplitRatio":"0.5"}""");
        var stats = (await client.TrainedAsync(modelId, "language"))["trainStats"]!;
        Assert.Equal(150, (int)stats["examples"]!);
        Assert.InRange((int)stats["testSplitSize"]!, 60, 90);

        var (status, refusal) = await client.PostAsync("/v2/language/feedback", Field("modelId", modelId), Field("document", "hail"), Field("expectedLabel", "hail"));
        Assert.True(status == HttpStatusCode.BadRequest && ((string)refusal["message"]!).Contains("'hail'", StringComparison.Ordinal), refusal.ToJsonString());
        var example = await OkAsync(client.PostAsync("/v2/language/feedback", Field("modelId", modelId), File("document", "document", "a hurricane \"Ada\""), Field("expectedLabel", "storm")));
        Assert.Equal(("example", "a hurricane \"Ada\"", "text-intent", "storm"), ((string)example["object"]!, (string)example["location"]!, (string)example["name"]!, (string)example["label"]!["name"]!));
        Assert.Equal((long)example["id"]!, (long)Assert.Single((await OkAsync(client.GetAsync($"/v2/language/datasets/{id}/examples?source=feedback")))["data"]!.AsArray())!["id"]!);
        Assert.Equal("a hurricane \"Ada\"", (string)(await OkAsync(client.GetAsync($"/v2/language/datasets/{id}/examples?type=all&offset=150")))["data"]![0]!["location"]!);
        Assert.Empty((await OkAsync(client.GetAsync($"/v2/language/datasets/{id}/examples?source=upload&offset=150")))["data"]!.AsArray());

        // Retrained without feedback it is not there, with feedback it is; the dataset itself stays as it was uploaded.
        await OkAsync(client.PostAsync("/v2/language/retrain", Field("modelId", modelId)));
        Assert.Equal(150, (int)(await client.TrainedAsync(modelId, "language"))["trainStats"]!["examples"]!);
        await OkAsync(client.PostAsync("/v2/language/retrain", Field("modelId", modelId), Field("trainParams", """{"withFeedback":true}""")));
        var retrained = await client.TrainedAsync(modelId, "language");
        Assert.True((string)retrained["status"]! == "SUCCEEDED", retrained.ToJsonString());
        Assert.Equal((151, modelId), ((int)retrained["trainStats"]!["examples"]!, (string)retrained["modelId"]!));
        Assert.Equal(150, (int)(await OkAsync(client.GetAsync($"/v2/language/datasets/{id}")))["totalExamples"]!);

        // With an update on its way too.
        await OkAsync(client.PutAsync($"/v2/language/datasets/{id}/upload", File("data", "weather.csv", Weather())));
        await OkAsync(client.DeleteAsync($"/v2/language/datasets/{id}"));
        Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync($"/v2/language/datasets/{id}/examples")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await client.PostAsync("/v2/language/retrain", Field("modelId", modelId))).Status);
    }

    [Fact]
    public async Task Images_are_added_by_file_one_by_one_and_as_feedback()
    {
        using var client = await CreateAsync(server);
        byte[] Red(int i) => TestImages.SolidPng((byte)(200 + i), 0, 0);
        byte[] Blue(int i) => TestImages.SolidPng(0, 0, (byte)(200 + i));
        byte[] Zip(int from, int to) => TestZip.Of([.. Enumerable.Range(from, to - from).SelectMany(i => ((string, byte[])[])[($"red/a-{i}.png", Red(i)), ($"blue/a-{i}.png", Blue(i))])]);
        var dataset = await OkAsync(client.PostAsync("/v2/vision/datasets/upload/sync", File("data", "colours.zip", Zip(0, 8)), Field("type", "image")));
        var (id, red) = ((long)dataset["id"]!, dataset["labelSummary"]!["labels"]!.AsArray().Single(label => (string)label!["name"]! == "red")!);

        var example = await OkAsync(client.PostAsync($"/v2/vision/datasets/{id}/examples", Field("name", "by hand.zip"), Field("labelId", $"{red["id"]}"), File("data", "x.png", Red(40))));
        Assert.Equal(("by hand.zip", 9), ((string)example["name"]!, (int)example["label"]!["numExamples"]!));
        Assert.Equal(Red(40), await client.Http.GetByteArrayAsync((string)example["location"]!, TestContext.Current.CancellationToken));
        foreach (var parts in (EinsteinClient.Part[][])
        [
            [Field("labelId", $"{red["id"]}"), File("data", "x.png", Red(40))],
            [Field("name", "x"), Field("labelId", $"{red["id"]}")],
            [Field("name", "x"), Field("labelId", $"{red["id"]}"), File("data", "x.png", "no image")],
            [Field("name", "x"), Field("labelId", $"{red["id"]}"), File("data", "x.png", new byte[(1 << 20) + 1])],
        ]) Assert.Equal(HttpStatusCode.BadRequest, (await client.PostAsync($"/v2/vision/datasets/{id}/examples", parts)).Status);

        await OkAsync(client.PutAsync($"/v2/vision/datasets/{id}/upload", File("data", "more.zip", Zip(8, 12))));
        var updated = await client.WhileAsync($"/v2/vision/datasets/{id}", "statusMsg", "UPLOADING");
        Assert.Equal(("SUCCEEDED", 25), ((string)updated["statusMsg"]!, (int)updated["totalExamples"]!));
        var names = (await OkAsync(client.GetAsync($"/v2/vision/examples?labelId={red["id"]}")))["data"]!.AsArray().Select(one => (string)one!["name"]!);
        Assert.Equal([.. Enumerable.Range(0, 12).Select(i => $"a-{i}.png"), "by hand.zip"], names);

        var modelId = await TrainAsync(client, id, "null", ("epochs", "2"));
        var training = await client.TrainedAsync(modelId, "vision");
        Assert.True((string)training["status"]! == "SUCCEEDED", training.ToJsonString());
        Assert.Equal(25, (int)training["trainStats"]!["examples"]!);
        var feedback = await OkAsync(client.PostAsync("/v2/vision/feedback", Field("modelId", modelId), Field("expectedLabel", "blue"), File("data", "sea.png", Blue(50)), Field("name", "sea")));
        Assert.Equal(("sea", "blue"), ((string)feedback["name"]!, (string)feedback["label"]!["name"]!));
        await OkAsync(client.PostAsync("/v2/vision/retrain", Field("modelId", modelId), Field("epochs", "2"), Field("trainParams", """{"withFeedback":"true"}""")));
        Assert.Equal(26, (int)(await client.TrainedAsync(modelId, "vision"))["trainStats"]!["examples"]!);
    }

    [Fact]
    public async Task Predictions_of_a_month_are_counted_at_every_door_and_refused_above_the_limit()
    {
        using var client = await CreateAsync(server);
        const string ModelId = "AAAABBBBCCCCDDDDEEEEFFFF22";
        await PredictionServer.RegisterAsync(server, client.Tenant, EinsteinModel.ModelOf(ModelId), PredictionModels.Text());
        var name = (await client.Http.GetFromJsonAsync("/api/v1/me", AtollJson.Default.CallerResponse, TestContext.Current.CancellationToken))!.Tenant;
        using (var limited = await server.Platform.PutAsync($"/api/v1/tenants/{name}/limits/predictionsPerMonthMax", JsonContent.Create(new { value = 3 }), TestContext.Current.CancellationToken))
            Assert.True(limited.IsSuccessStatusCode, $"{limited.StatusCode}");
        using var idle = await CreateAsync(server);
        Assert.Empty((await OkAsync(idle.GetAsync("/v2/apiusage")))["data"]!.AsArray());

        using var direct = await client.Http.PostAsync($"/api/v1/endpoints/{EinsteinModel.ModelOf(ModelId)}:predict", JsonContent.Create(new { texts = new[] { "hello" } }), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, direct.StatusCode);
        var remaining = new List<string>();
        for (var i = 0; i < 3; i++)
        {
            using var form = new MultipartFormDataContent { { new StringContent(ModelId), "modelId" }, { new StringContent("hello"), "document" } };
            using var answer = await client.Http.PostAsync("/v2/language/intent", form, TestContext.Current.CancellationToken);
            remaining.Add($"{(int)answer.StatusCode} {answer.Headers.GetValues("X-RateLimit-Limit").Single()} {answer.Headers.GetValues("X-RateLimit-Remaining").Single()}");
            Assert.Matches(@"^\d{4}-\d\d-01 00:00:00\.0$", answer.Headers.GetValues("X-RateLimit-Reset").Single());
            if (i < 2) continue;
            var refusal = JsonNode.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!;
            Assert.Equal("predictresponse", (string)refusal["object"]!);
            Assert.NotNull(answer.Headers.RetryAfter);
        }

        // The one at the other door was counted before the first of these.
        Assert.Equal(["200 3 1", "200 3 0", "429 3 0"], remaining);
        var usage = (await OkAsync(client.GetAsync("/v1/apiusage")))["data"]![0]!;
        Assert.Equal(("apiusage", 3, 0, 3), ((string)usage["object"]!, (int)usage["predictionsUsed"]!, (int)usage["predictionsRemaining"]!, (int)usage["predictionsMax"]!));
    }

    [Fact]
    public async Task A_refresh_token_is_revoked_by_its_address_and_only_by_its_own_tenant()
    {
        using var client = await CreateAsync(server);
        using var other = await CreateAsync(server);
        var (_, admin) = await server.CreateTenantAsync();
        await admin.CreatePrincipalAsync("ada", email: "ada@example.com");
        using var pair = await admin.PostAsync("/api/v1/principals/ada/key-pair", null, TestContext.Current.CancellationToken);
        using var key = System.Security.Cryptography.RSA.Create();
        key.ImportFromPem((await pair.ReadAsync<CreatedKeyPairResponse>(HttpStatusCode.OK)).PrivateKeyPem);
        var assertion = Jwt.Write(key, Jwt.Claims("ada@example.com", $"{server.Server.Address}/v1/oauth2/token/", TimeProvider.System.GetUtcNow()));
        using var form = new FormUrlEncodedContent([new("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), new("assertion", assertion), new("scope", "offline")]);
        using var bought = await admin.PostAsync("/v1/oauth2/token", form, TestContext.Current.CancellationToken);
        var token = (await bought.ReadAsync<EinsteinTokenResponse>(HttpStatusCode.OK)).RefreshToken!;
        Assert.Equal(HttpStatusCode.NotFound, (await other.DeleteAsync($"/v2/oauth2/tokens/{token}")).Status);
        Assert.Equal(HttpStatusCode.NoContent, await admin.DeleteAsync($"/v2/oauth2/token/{token}", TestContext.Current.CancellationToken).StatusAsync());
        Assert.Equal(HttpStatusCode.NotFound, await admin.DeleteAsync($"/v2/oauth2/tokens/{token}", TestContext.Current.CancellationToken).StatusAsync());
        Assert.Equal(HttpStatusCode.BadRequest, await admin.DeleteAsync("/v2/oauth2/tokens/a.b.c", TestContext.Current.CancellationToken).StatusAsync());
    }

    private static async Task<string> TrainAsync(EinsteinClient client, long dataset, string trainParams, params (string, string)[] fields) => (string)(await OkAsync(client.PostAsync(
        "/v2/vision/train",
        [Field("name", "Model"), Field("datasetId", $"{dataset}"), Field("trainParams", trainParams), .. fields.Select(field => Field(field.Item1, field.Item2))])))["modelId"]!;

    private static IEnumerable<string> LabelsOf(JsonNode dataset) => dataset["labelSummary"]!["labels"]!.AsArray().Select(label => $"{label!["id"]} {label["name"]}");
}
