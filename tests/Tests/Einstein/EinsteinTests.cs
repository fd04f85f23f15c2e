using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Atoll.Tests.Datasets;
using Atoll.Tests.Platform.Imaging;
using Xunit;
using static Atoll.Tests.Einstein.EinsteinClient;

namespace Atoll.Tests.Einstein;

public sealed class EinsteinTests(TestServer server) : IClassFixture<TestServer>
{
    [Fact]
    public async Task A_client_gets_from_a_file_of_texts_to_a_prediction_and_back()
    {
        using var client = await CreateAsync(server);
        var dataset = await OkAsync(client.PostAsync("/v2/language/datasets/upload/sync/", File("data", "weather.csv", Weather()), Field("type", "text-intent ")));
        Assert.Equal(("weather.csv", "SUCCEEDED", true, "text-intent", "en_US", "dataset"),
            ((string)dataset["name"]!, (string)dataset["statusMsg"]!, (bool)dataset["available"]!, (string)dataset["type"]!, (string)dataset["language"]!, (string)dataset["object"]!));
        Assert.Equal((74, 3), ((int)dataset["totalExamples"]!, (int)dataset["totalLabels"]!));
        Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$", (string)dataset["createdAt"]!);
        var labels = dataset["labelSummary"]!["labels"]!.AsArray();
        Assert.Equal([30, 21, 23], labels.Select(label => (int)label!["numExamples"]!));
        var id = (long)dataset["id"]!;
        Assert.All(labels, label => Assert.Equal(id, (long)label!["datasetId"]!));

        Assert.Equal(dataset.ToJsonString(), (await OkAsync(client.GetAsync($"/v2/language/datasets/{id}/"))).ToJsonString());
        Assert.Equal([id], Ids(await OkAsync(client.GetAsync("/v2/language/datasets?offset=0&count=5"))));
        Assert.Empty(Ids(await OkAsync(client.GetAsync("/v2/language/datasets?offset=1"))));
        Assert.Empty(Ids(await OkAsync(client.GetAsync("/v2/vision/datasets"))));
        Assert.Empty(Ids(await OkAsync(client.GetAsync("/v2/language/datasets?global=true"))));

        var examples = (await OkAsync(client.GetAsync($"/v2/language/datasets/{id}/examples?offset=29&count=2")))["data"]!.AsArray();
        Assert.Equal(["current-weather", "hourly-forecast"], examples.Select(example => (string)example!["label"]!["name"]!));
        Assert.Equal("how hot is it in Paris", (string)(await OkAsync(client.GetAsync($"/v2/language/datasets/{id}/examples?count=1")))["data"]![0]!["location"]!);
        var ofLabel = (await OkAsync(client.GetAsync($"/v2/language/examples?labelId={labels[1]!["id"]}&offset=20&count=5")))["data"]!.AsArray();
        Assert.Equal("hourly-forecast", (string)Assert.Single(ofLabel)!["label"]!["name"]!);
        Assert.Equal(30, (await OkAsync(client.GetAsync($"/v2/language/examples/{id}/label/1")))["data"]!.AsArray().Count);

        // Text as file parts, as one client sends all of it.
        var training = await OkAsync(client.PostAsync("/v2/language/train", File("name", "name", "Weather intents"), File("datasetId", "datasetId", $"{id}"), File("trainParams", "trainParams", """{"withFeedback":"false"}""")));
        var modelId = (string)training["modelId"]!;
        Assert.Matches("^[A-Z2-7]{26}$", modelId);
        Assert.Equal(("training", "text-intent"), ((string)training["object"]!, (string)training["modelType"]!));
        Assert.Contains((string)training["status"]!, (string[])["QUEUED", "RUNNING"]);
        Assert.True(training.AsObject().ContainsKey("trainStats"));
        var (busy, again) = await client.PostAsync("/v2/language/train", Field("name", "Second"), Field("datasetId", $"{id}"));
        Assert.True(busy == HttpStatusCode.BadRequest || (string)again["status"]! == "QUEUED", again.ToJsonString());

        training = await client.TrainedAsync(modelId, "language");
        Assert.True((string)training["status"]! == "SUCCEEDED", training.ToJsonString());
        Assert.Equal((1.0, 3, 74), ((double)training["progress"]!, (int)training["trainStats"]!["labels"]!, (int)training["trainStats"]!["examples"]!));
        Assert.Matches(@"^\d\d:\d\d:\d\d:\d{3}$", (string)training["trainStats"]!["totalTime"]!);

        var metrics = await OkAsync(client.GetAsync($"/v2/vision/models/{modelId}"));
        Assert.Equal(("metrics", modelId, 3), ((string)metrics["object"]!, (string)metrics["id"]!, metrics["metricsData"]!["f1"]!.AsArray().Count));
        Assert.InRange((double)metrics["metricsData"]!["testAccuracy"]!, 0.5, 1);
        var curve = (await OkAsync(client.GetAsync($"/v2/language/models/{modelId}/lc?offset=0&count=3")))["data"]!.AsArray();
        Assert.InRange(curve.Count, 1, 3);
        Assert.All(curve, point => Assert.Equal("learningcurve", (string)point!["object"]!));
        Assert.Equal(modelId, (string)(await OkAsync(client.GetAsync($"/v2/language/datasets/{id}/models")))["data"]![0]!["modelId"]!);

        var intent = await OkAsync(client.PostAsync("/v2/language/intent", Field("modelId", modelId), File("document", "document", "what is the forecast for the week in Oslo "), Field("sampleId", "s1")));
        Assert.Equal(("predictresponse", "s1", 3), ((string)intent["object"]!, (string)intent["sampleId"]!, intent["probabilities"]!.AsArray().Count));
        Assert.Equal("five-day-forecast", (string)intent["probabilities"]![0]!["label"]!);
        Assert.Equal(1, intent["probabilities"]!.AsArray().Sum(one => (double)one!["probability"]!), 0.01);
        using var json = new StringContent(new JsonObject { ["modelId"] = modelId, ["document"] = "is it raining in Rome", ["numResults"] = 1 }.ToJsonString(), Encoding.UTF8, "application/json");
        var one = await OkAsync(client.SendAsync(HttpMethod.Post, "/v2/language/sentiment/", json));
        Assert.Equal("current-weather", (string)Assert.Single(one["probabilities"]!.AsArray())!["label"]!);
        Assert.False(one.AsObject().ContainsKey("sampleId"));

        await OkAsync(client.PostAsync("/v2/language/retrain", Field("modelId", modelId)));
        Assert.Equal(HttpStatusCode.BadRequest, (await client.DeleteAsync($"/v2/language/models/{modelId}")).Status);
        Assert.Equal("SUCCEEDED", (string)(await client.TrainedAsync(modelId, "language"))["status"]!);
        Assert.Equal(modelId, (string)(await OkAsync(client.GetAsync($"/v2/language/train/{modelId}")))["modelId"]!);

        // Models outlive their dataset.
        var deleted = await OkAsync(client.DeleteAsync($"/v2/language/datasets/{id}"));
        Assert.Equal(("deletion", "DATASET", $"{id}"), ((string)deleted["object"]!, (string)deleted["type"]!, (string)deleted["deletedObjectId"]!));
        Assert.Equal("SUCCEEDED", (string)(await OkAsync(client.GetAsync($"/v2/language/datasets/deletion/{deleted["id"]}")))["status"]!);
        Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync($"/v2/language/datasets/{id}")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync($"/v2/language/datasets/{id}/models")).Status);
        await OkAsync(client.PostAsync("/v2/language/intent", Field("modelId", modelId), Field("document", "snow")));
        Assert.Equal("MODEL", (string)(await OkAsync(client.DeleteAsync($"/v2/language/models/{modelId}")))["type"]!);
        Assert.Equal(HttpStatusCode.NotFound, (await client.PostAsync("/v2/language/intent", Field("modelId", modelId), Field("document", "snow"))).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync($"/v2/language/models/{modelId}")).Status);

        // Numbers are never used again.
        Assert.Equal(id + 1, (long)(await OkAsync(client.PostAsync("/v2/language/datasets/upload/sync", File("data", "w.csv", Weather()), Field("type", "text-intent"))))["id"]!);
    }

    [Fact]
    public async Task Images_are_learned_from_a_zip_and_predicted_from_a_file_base64_and_JSON_also_by_older_clients()
    {
        using var client = await CreateAsync(server);
        var entries = Enumerable.Range(0, 12).SelectMany(i => ((string, byte[])[])
            [($"red/{i}.png", TestImages.SolidPng((byte)(200 + i), (byte)i, 0)), ($"blue/{i}.png", TestImages.SolidPng(0, (byte)i, (byte)(200 + i)))]).ToArray();
        var uploading = await OkAsync(client.PostAsync("/v1/vision/datasets/upload", File("data", "colours.zip", TestZip.Of(entries)), Field("type", "image"), Field("name", "Colours of \"all\" kinds")));
        Assert.Equal(("UPLOADING", false, 0, "N/A"), ((string)uploading["statusMsg"]!, (bool)uploading["available"]!, (int)uploading["totalExamples"]!, (string)uploading["language"]!));
        var id = (long)uploading["id"]!;
        var dataset = await client.WhileAsync($"/v2/vision/datasets/{id}", "statusMsg", "UPLOADING");
        Assert.Equal(("SUCCEEDED", true, 24, "Colours of \"all\" kinds"), ((string)dataset["statusMsg"]!, (bool)dataset["available"]!, (int)dataset["totalExamples"]!, (string)dataset["name"]!));
        Assert.Equal(["blue", "red"], (await OkAsync(client.GetAsync($"/v1/vision/datasets/{id}/labels")))["data"]!.AsArray().Select(label => (string)label!["name"]!).Order());

        var example = (await OkAsync(client.GetAsync($"/v1/vision/datasets/{id}/examples")))["data"]![0]!;
        Assert.Equal("0.png", (string)example["name"]!);
        Assert.Equal("image/png", (await client.Http.GetAsync((string)example["location"]!, TestContext.Current.CancellationToken)).Content.Headers.ContentType!.MediaType);

        var modelId = (string)(await OkAsync(client.PostAsync("/v1/vision/train", Field("name", "Colours"), Field("datasetId", $"{id}"), Field("epochs", "12"), Field("learningRate", "0.01"))))["modelId"]!;
        var training = await client.TrainedAsync(modelId, "vision");
        Assert.True((string)training["status"]! == "SUCCEEDED", training.ToJsonString());
        Assert.Equal((12, 0.01), ((int)training["epochs"]!, (double)training["learningRate"]!));
        var metrics = await OkAsync(client.GetAsync($"/v1/vision/models/{modelId}"));
        Assert.Equal(2, metrics["metricsData"]!["confusionMatrix"]!.AsArray().Count);
        Assert.NotNull(metrics["metricsData"]!["trainingLoss"]);

        var red = TestImages.SolidPng(230, 5, 0);
        var byFile = await OkAsync(client.PostAsync("/v2/vision/predict", File("sampleContent", "red.png", red), Field("modelId", modelId)));
        Assert.Equal("red", (string)byFile["probabilities"]![0]!["label"]!);
        var byBase64 = await OkAsync(client.PostAsync("/v1/vision/predict/", Field("sampleBase64Content", Convert.ToBase64String(red)), Field("modelId", modelId), Field("numResults", "1")));
        Assert.Single(byBase64["probabilities"]!.AsArray());
        using var json = new StringContent(new JsonObject { ["modelId"] = modelId, ["sampleBase64Content"] = Convert.ToBase64String(red) }.ToJsonString(), Encoding.UTF8, "application/json");
        Assert.Equal(byFile.ToJsonString(), (await OkAsync(client.SendAsync(HttpMethod.Post, "/v2/vision/predict", json))).ToJsonString());

        foreach (var (parts, message) in ((EinsteinClient.Part[], string)[])
        [
            ([Field("modelId", modelId)], "exactly one"),
            ([Field("modelId", modelId), File("sampleContent", "a.png", red), Field("sampleBase64Content", "AAAA")], "exactly one"),
            ([Field("modelId", modelId), Field("sampleBase64Content", "?")], "base64"),
            ([Field("modelId", modelId), Field("sampleBase64Content", "AAAA")], "image"),
            ([Field("modelId", modelId), Field("sampleLocation", "file:///etc/passwd")], "address"),
            ([Field("modelId", modelId), Field("sampleLocation", "http://127.0.0.1:1/x.png")], "own network"),
            ([Field("modelId", modelId), File("sampleContent", "a.png", red), Field("numResults", "0")], "numResults"),
            ([Field("modelId", modelId), File("sampleContent", "a.png", new byte[(5 << 20) + 1])], "larger"),
        ])
        {
            var (status, refusal) = await client.PostAsync("/v2/vision/predict", parts);
            Assert.True(status == HttpStatusCode.BadRequest && ((string)refusal["message"]!).Contains(message, StringComparison.Ordinal) && (string)refusal["object"]! == "predictresponse", $"{message}: {status} {refusal}");
        }
        Assert.Equal(HttpStatusCode.BadRequest, (await client.PostAsync("/v2/language/intent", Field("modelId", modelId), Field("document", "x"))).Status);
    }

    [Fact]
    public async Task A_text_may_have_several_labels()
    {
        using var client = await CreateAsync(server);
        var lines = string.Concat(Enumerable.Range(0, 30).Select(i => $"the soup number {i} was cold,food\nthe waiter {i} was rude,service\nthe soup {i} was cold and the waiter rude,food;service\n"));
        var dataset = await OkAsync(client.PostAsync("/v2/language/datasets/upload/sync", File("data", "reviews.csv", lines), Field("type", "text-multi-label")));
        Assert.Equal(2, (int)dataset["totalLabels"]!);
        var modelId = (string)(await OkAsync(client.PostAsync("/v2/language/train", Field("name", "Reviews"), Field("datasetId", $"{dataset["id"]}"))))["modelId"]!;
        Assert.Equal("SUCCEEDED", (string)(await client.TrainedAsync(modelId, "language"))["status"]!);

        // Every label, whatever number is asked for.
        var answer = await OkAsync(client.PostAsync("/v2/language/intent", Field("modelId", modelId), Field("document", "the soup was cold"), Field("numResults", "1")));
        Assert.Equal(2, answer["probabilities"]!.AsArray().Count);
        Assert.Equal("food", (string)answer["probabilities"]![0]!["label"]!);
    }

    [Fact]
    public async Task What_cannot_be_used_is_refused_in_the_documented_words()
    {
        using var client = await CreateAsync(server);
        var weather = File("data", "weather.csv", Weather());
        foreach (var (parts, message) in ((EinsteinClient.Part[], string)[])
        [
            ([Field("type", "text-intent")], "Uploading a dataset requires either the data field or the path field."),
            ([weather, weather, Field("type", "text-intent")], "The data parameter cannot be duplicated, nor sent along with the path parameter."),
            ([weather, Field("path", "https://example.org/a.csv"), Field("type", "text-intent")], "The data parameter cannot be duplicated, nor sent along with the path parameter."),
            ([Field("path", "ftp://example.org/a.csv"), Field("type", "text-intent")], "Failed to download the dataset from the public URL."),
            ([Field("path", "http://127.0.0.1:1/a.csv"), Field("type", "text-intent")], "Failed to download the dataset from the public URL."),
            ([Field("path", "http://[::ffff:169.254.169.254]/a.csv"), Field("type", "text-intent")], "Failed to download the dataset from the public URL."),
            ([weather], "The type parameter is required to create a dataset."),
            ([weather, Field("type", " ")], "The type parameter is required to create a dataset."),
            ([weather, Field("type", "image-detection")], "The type 'image-detection' is not supported."),
            ([weather, Field("type", "text-intent"), Field("name", new string('n', 181))], "The name has more than 180 characters."),
            ([File("data", "a.csv", "one column\nonly\n"), Field("type", "text-intent")], "column"),
        ])
        {
            var (status, refusal) = await client.PostAsync("/v2/language/datasets/upload/sync", parts);
            Assert.True(status == HttpStatusCode.BadRequest && ((string)refusal["message"]!).Contains(message, StringComparison.Ordinal), $"{message}: {status} {refusal}");
        }
        Assert.Empty(Ids(await OkAsync(client.GetAsync("/v2/language/datasets"))));

        // Who does not wait is told by the dataset.
        var failing = await OkAsync(client.PostAsync("/v2/language/datasets/upload", Field("path", "http://127.0.0.1:1/a.csv"), Field("type", "text-sentiment")));
        var failed = await client.WhileAsync($"/v2/language/datasets/{failing["id"]}", "statusMsg", "UPLOADING");
        Assert.StartsWith("FAILED: ", (string)failed["statusMsg"]!, StringComparison.Ordinal);
        Assert.False((bool)failed["available"]!);

        var id = (long)(await OkAsync(client.PostAsync("/v2/language/datasets/upload/sync", weather, Field("type", "text-intent"))))["id"]!;
        foreach (var (parts, expected, message) in ((EinsteinClient.Part[], HttpStatusCode, string)[])
        [
            ([Field("datasetId", $"{id}")], HttpStatusCode.BadRequest, "The name parameter is required to train."),
            ([Field("name", "n")], HttpStatusCode.BadRequest, "The datasetId parameter is required to train."),
            ([Field("name", "n"), Field("datasetId", "77")], HttpStatusCode.NotFound, "dataset '77'"),
            ([Field("name", "n"), Field("datasetId", "weather")], HttpStatusCode.NotFound, "dataset 'weather'"),
            ([Field("name", "n"), Field("datasetId", $"{failing["id"]}")], HttpStatusCode.BadRequest, "not yet available"),
            ([Field("name", "n"), Field("datasetId", $"{id}"), Field("epochs", "1001")], HttpStatusCode.BadRequest, "epochs"),
            ([Field("name", "n"), Field("datasetId", $"{id}"), Field("learningRate", "1")], HttpStatusCode.BadRequest, "learningRate"),
            ([Field("name", "n"), Field("datasetId", $"{id}"), Field("algorithm", "object-detection")], HttpStatusCode.BadRequest, "object-detection"),
            ([Field("name", "n"), Field("datasetId", $"{id}"), Field("trainParams", "{")], HttpStatusCode.BadRequest, "JSON"),
        ])
        {
            var (status, refusal) = await client.PostAsync("/v2/language/train", parts);
            Assert.True(status == expected && ((string)refusal["message"]!).Contains(message, StringComparison.Ordinal), $"{message}: {status} {refusal}");
        }
        foreach (var (parts, expected, message) in ((EinsteinClient.Part[], HttpStatusCode, string)[])
        [
            ([Field("modelId", "x")], HttpStatusCode.BadRequest, "The document parameter is required to predict."),
            ([Field("document", "x")], HttpStatusCode.BadRequest, "The modelId parameter is required to predict."),
            ([Field("document", "x"), Field("modelId", "CommunitySentiment")], HttpStatusCode.NotFound, "CommunitySentiment"),
            ([Field("document", "x"), Field("modelId", "7JXCXTRXTMNLJCEF2DR5CJ46QU")], HttpStatusCode.NotFound, "7JXCXTRXTMNLJCEF2DR5CJ46QU"),
        ])
        {
            var (status, refusal) = await client.PostAsync("/v2/language/sentiment", parts);
            Assert.True(status == expected && ((string)refusal["message"]!).Contains(message, StringComparison.Ordinal) && (string)refusal["object"]! == "predictresponse", $"{message}: {status} {refusal}");
        }
        var (odd, words) = await client.SendAsync(HttpMethod.Post, "/v2/language/train", new StringContent("x", Encoding.UTF8, "text/plain"));
        Assert.True(odd == HttpStatusCode.BadRequest && words["message"] is not null, $"{odd} {words}");
    }

    [Fact]
    public async Task Nobody_gets_in_without_a_token_and_another_tenant_sees_nothing()
    {
        using var client = await CreateAsync(server);
        using var other = await CreateAsync(server);
        var dataset = await OkAsync(client.PostAsync("/v2/language/datasets/upload/sync", File("data", "weather.csv", Weather()), Field("type", "text-intent")));
        Assert.Equal(HttpStatusCode.NotFound, (await other.GetAsync($"/v2/language/datasets/{dataset["id"]}")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await other.DeleteAsync($"/v2/language/datasets/{dataset["id"]}")).Status);
        Assert.Empty(Ids(await OkAsync(other.GetAsync("/v2/language/datasets"))));

        using var nobody = new EinsteinClient(server.ClientFor("eyJhbGciOiJFUzI1NiJ9.e30.x"), "");
        var (status, refusal) = await nobody.GetAsync("/v2/vision/datasets");
        Assert.Equal((HttpStatusCode.Unauthorized, "Invalid access token"), (status, (string)refusal["message"]!));
        nobody.Http.DefaultRequestHeaders.Authorization = new("Basic", "eDp5");
        (status, refusal) = await nobody.GetAsync("/v1/vision/datasets");
        Assert.Equal((HttpStatusCode.Unauthorized, "Invalid authentication scheme"), (status, (string)refusal["message"]!));
    }

    private static IEnumerable<long> Ids(JsonNode list)
    {
        Assert.Equal("list", (string)list["object"]!);
        return list["data"]!.AsArray().Select(item => (long)item!["id"]!);
    }
}
