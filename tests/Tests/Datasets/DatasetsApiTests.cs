using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.Tests.Platform.Imaging;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Atoll.Tests.Datasets;

public sealed class DatasetsApiTests(TestServer server) : IClassFixture<TestServer>
{
    private const string People = "name,age,group\nAnn,31,a\nBen,45,b\nCid,27,a\nDee,31,b\nEve,60,a\nFay,18,b\n";

    [Fact]
    public async Task An_upload_becomes_a_dataset_that_can_be_looked_through()
    {
        var (_, client) = await server.CreateTenantAsync();

        var import = await UploadAsync(client, HttpStatusCode.Created, ("name", "people"), ("type", "tabular"), ("label", "group"), ("file", People));

        Assert.Equal((ImportStates.Succeeded, 1, 6L), (import.State, import.Version!.Value, import.Samples!.Value));
        var dataset = (await client.GetFromJsonAsync("/api/v1/datasets/people", AtollJson.Default.DatasetResponse))!;
        Assert.Equal((DatasetTypes.Tabular, 1, 6L), (dataset.Type, dataset.LatestVersion, dataset.Samples));
        var version = (await client.GetFromJsonAsync("/api/v1/datasets/people/versions/latest", AtollJson.Default.DatasetVersionResponse))!;
        Assert.Equal(["a", "b"], version.Manifest.Labels);
        Assert.Equal("file.csv", version.Manifest.Sources.Single().Name);

        var samples = await PagesAsync(client, "/api/v1/datasets/people/versions/1/samples?limit=2");
        Assert.Equal([1L, 2, 3, 4, 5, 6], samples.Select(sample => sample.Id));
        Assert.Equal(["Ann", "Ben", "Cid", "Dee", "Eve", "Fay"], samples.Select(sample => sample.Values!["name"]));
        Assert.Equal([2L, 3, 4, 5, 6, 7], samples.Select(sample => sample.Source.Line!.Value));
        Assert.Equal(samples.Where(sample => sample.Split == "test").Select(sample => sample.Id), (await PagesAsync(client, "/api/v1/datasets/people/versions/1/samples?split=test")).Select(sample => sample.Id));
        Assert.Equal([2L, 4, 6], (await PagesAsync(client, "/api/v1/datasets/people/versions/1/samples?label=b&limit=1")).Select(sample => sample.Id));
        Assert.Equal("Ben,45,b", await client.GetStringAsync("/api/v1/datasets/people/versions/1/samples/2/content"));
    }

    [Fact]
    public async Task Images_are_shown_as_what_they_are()
    {
        var (_, client) = await server.CreateTenantAsync();
        var zip = TestZip.Of(("cat/1.png", TestImages.SolidPng(1, 2, 3)), ("cat/2.jpg", TestImages.Jpeg), ("dog/1.webp", TestImages.WebP), ("dog/2.png", TestImages.SolidPng(3, 4, 5)));
        using var form = Form([("name", "pets"), ("type", "image")]);
        form.Add(new ByteArrayContent(zip), "file", "pets.zip");
        using var answer = await client.PostAsync("/api/v1/datasets?wait=true", form);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);

        var samples = await PagesAsync(client, "/api/v1/datasets/pets/versions/1/samples");
        Assert.Equal(["png 8x8", "jpeg 16x8", "webp 16x8", "png 8x8"], samples.Select(sample => $"{sample.Image!.Format} {sample.Image.Width}x{sample.Image.Height}"));
        Assert.Equal(["cat/1.png", "cat/2.jpg", "dog/1.webp", "dog/2.png"], samples.Select(sample => sample.Source.Entry!));
        using var content = await client.GetAsync("/api/v1/datasets/pets/versions/1/samples/2/content");
        Assert.Equal("image/jpeg", content.Content.Headers.ContentType!.MediaType);
        Assert.Equal("nosniff", content.Headers.GetValues("X-Content-Type-Options").Single());
        Assert.Equal(TestImages.Jpeg, await content.Content.ReadAsByteArrayAsync());
        Assert.Equal(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(TestImages.Jpeg)), samples[1].Sha256);
    }

    [Fact]
    public async Task A_bad_upload_is_refused_with_every_place_and_leaves_nothing()
    {
        var (_, client) = await server.CreateTenantAsync();
        using var form = Form([("name", "bad"), ("type", "tabular"), ("file", "a,b\n1,2\n3\n4,5,6\n7,8\n")]);

        using var answer = await client.PostAsync("/api/v1/datasets?wait=true", form);

        Assert.Equal(HttpStatusCode.UnprocessableEntity, answer.StatusCode);
        var problem = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        Assert.Equal(ProblemCodes.ImportRefused, (string)problem["code"]!);
        Assert.Equal([3, 4], problem["problems"]!.AsArray().Select(item => (int)item!["line"]!));
        Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync("/api/v1/datasets/bad")).StatusCode);
        Assert.Empty((await client.GetFromJsonAsync("/api/v1/datasets", AtollJson.Default.PageDatasetResponse))!.Items);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(server.DataPath, "tmp")));
        var import = (await client.GetFromJsonAsync($"/api/v1/imports/{(string)problem["import"]!}", AtollJson.Default.ImportResponse))!;
        Assert.Equal((ImportStates.Refused, 2L), (import.State, import.ProblemCount));

        var kept = await UploadAsync(client, HttpStatusCode.Created, ("name", "bad"), ("type", "tabular"), ("skipBad", "true"), ("file", "a,b\n1,2\n3\n4,5,6\n7,8\n"));
        Assert.Equal((2L, 2L), (kept.Samples!.Value, kept.Skipped!.Value));
    }

    public static TheoryData<string, string, string, int> BadForms => new()
    {
        { "no name", "type=tabular;file=x", "name", 400 },
        { "bad name", "name=No Spaces;type=tabular;file=x", "name", 400 },
        { "no type", "name=x;file=x", "type", 400 },
        { "unknown type", "name=x;type=sound;file=x", "type", 400 },
        { "no file", "name=x;type=tabular", "file", 400 },
        { "unknown field", "name=x;type=tabular;colour=red;file=x", "colour", 400 },
        { "bad seed", "name=x;type=tabular;seed=one;file=x", "seed", 400 },
        { "bad share", "name=x;type=tabular;testFraction=1.5;file=x", "testFraction", 400 },
        { "bad share, no number", "name=x;type=tabular;testFraction=NaN;file=x", "testFraction", 400 },
        { "bad flag", "name=x;type=tabular;skipBad=maybe;file=x", "skipBad", 400 },
        { "bad columns", "name=x;type=tabular;columns={;file=x", "columns", 400 },
        { "columns are a list", "name=x;type=tabular;columns=[1];file=x", "columns", 400 },
        { "bad split", "name=x;type=tabular;split=half;file=x", "split", 400 },
        { "bad delimiter", "name=x;type=tabular;delimiter=ab;file=x", "delimiter", 400 },
    };

    [Theory]
    [MemberData(nameof(BadForms))]
    public async Task A_form_that_makes_no_sense_is_refused_by_field(string what, string fields, string field, int status)
    {
        var (_, client) = await server.CreateTenantAsync();
        using var form = Form([.. fields.Split(';').Select(pair => (pair.Split('=', 2)[0], pair.Split('=', 2)[1]))]);

        using var answer = await client.PostAsync("/api/v1/datasets", form);

        Assert.Equal(status, (int)answer.StatusCode);
        Assert.True(field == (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["field"], what);
    }

    [Theory]
    [InlineData("text/plain", "hello", 415)]
    [InlineData("application/json", "{", 400)]
    [InlineData("application/json", "{}", 400)]
    [InlineData("application/json", "{\"name\":\"x\",\"type\":\"text\",\"url\":\"file:///etc/passwd\"}", 400)]
    [InlineData("application/json", "{\"name\":\"x\",\"type\":\"text\",\"url\":\"http://user:word@x.org/\"}", 400)]
    [InlineData("multipart/form-data", "x", 400)]
    [InlineData("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\ncut off", 400)]
    public async Task Other_bodies_are_refused(string type, string body, int status)
    {
        var (_, client) = await server.CreateTenantAsync();
        using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
        content.Headers.TryAddWithoutValidation("Content-Type", type);

        using var answer = await client.PostAsync("/api/v1/datasets", content);

        Assert.Equal(status, (int)answer.StatusCode);
    }

    [Fact]
    public async Task Versions_are_numbered_on_and_never_again()
    {
        var (_, client) = await server.CreateTenantAsync();
        await UploadAsync(client, HttpStatusCode.Created, ("name", "people"), ("type", "tabular"), ("file", People));
        using var again = await client.PostAsync("/api/v1/datasets?wait=true", Form([("name", "people"), ("type", "tabular"), ("file", People)]));
        Assert.Equal(HttpStatusCode.Conflict, again.StatusCode);
        using var other = await client.PostAsync("/api/v1/datasets/people/versions", Form([("type", "text"), ("file", People)]));
        Assert.Equal(HttpStatusCode.BadRequest, other.StatusCode);

        var answers = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => client.PostAsync("/api/v1/datasets/people/versions?wait=true", Form([("file", $"{People}Guy{i},3,a\n")]))));

        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.Created, answer.StatusCode));
        var versions = (await client.GetFromJsonAsync("/api/v1/datasets/people/versions", AtollJson.Default.PageDatasetVersionSummary))!.Items;
        Assert.Equal([5, 4, 3, 2, 1], versions.Select(version => version.Version));
        Assert.Equal(5, versions.Select(version => version.Digest).Distinct().Count());

        using var deleted = await client.DeleteAsync("/api/v1/datasets/people");
        Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync("/api/v1/datasets/people/versions/1")).StatusCode);
    }

    [Fact]
    public async Task A_new_version_keeps_what_the_one_before_was_told_unless_it_is_told_again()
    {
        var (_, client) = await server.CreateTenantAsync();
        await UploadAsync(client, HttpStatusCode.Created,
            ("name", "people"), ("type", "tabular"), ("label", "group"), ("columns", """{"age":"text","name":"text"}"""), ("seed", "7"), ("testFraction", "0.5"), ("file", People));

        await AddAsync(("file", People));
        var second = await ManifestAsync();
        Assert.Equal(("group", 7), (second.Schema.LabelColumn, second.Seed));
        Assert.Equal(["text", "text"], second.Schema.Columns.Take(2).Select(column => column.Type));
        Assert.Equal(4, second.Statistics.Splits.Single(split => split.Split == SplitNames.Test).Count); // half of each label, rounded up

        // Two versions on, one thing told again: the rest is still what the first was told.
        await AddAsync(("columns", """{"age":"integer"}"""), ("file", People));
        var third = await ManifestAsync();
        Assert.Equal(("group", 7), (third.Schema.LabelColumn, third.Seed));
        Assert.Equal(["text", "integer"], third.Schema.Columns.Take(2).Select(column => column.Type));

        // A column with a given type that is gone is no reason to refuse.
        var fourth = await AddAsync(("label", ""), ("file", People.Replace("name", "called", StringComparison.Ordinal).Replace("31", "31.5", StringComparison.Ordinal).Replace("age", "years", StringComparison.Ordinal)));
        Assert.Null((await ManifestAsync()).Schema.LabelColumn);
        Assert.Equal([(ImportProblemCodes.ColumnGone, "name"), (ImportProblemCodes.ColumnGone, "age")], fourth.Warnings.Select(warning => (warning.Code, warning.Column)));
        var fifth = await AddAsync(("file", "called,years,group\nAnn,x,a\nBen,y,b\nCid,z,a\nDee,x,b\n"));
        Assert.Contains(fifth.Warnings, warning => (warning.Code, warning.Column) == (ImportProblemCodes.ColumnTypeChanged, "years"));

        async Task<ImportResponse> AddAsync(params (string, string)[] fields)
        {
            using var answer = await client.PostAsync("/api/v1/datasets/people/versions?wait=true", Form(fields));
            Assert.True(answer.StatusCode == HttpStatusCode.Created, await answer.Content.ReadAsStringAsync());
            return (await answer.Content.ReadFromJsonAsync(AtollJson.Default.ImportResponse))!;
        }

        async Task<DatasetManifest> ManifestAsync() =>
            (await client.GetFromJsonAsync("/api/v1/datasets/people/versions/latest", AtollJson.Default.DatasetVersionResponse))!.Manifest;
    }

    [Fact]
    public async Task Another_tenant_sees_nothing()
    {
        var (_, owner) = await server.CreateTenantAsync();
        var (_, stranger) = await server.CreateTenantAsync();
        var import = await UploadAsync(owner, HttpStatusCode.Created, ("name", "mine"), ("type", "tabular"), ("file", People));

        foreach (var path in (string[])["datasets/mine", "datasets/mine/versions", "datasets/mine/versions/1", "datasets/mine/versions/1/samples", "datasets/mine/versions/1/samples/1", "datasets/mine/versions/1/samples/1/content", $"imports/{import.Id}"])
        {
            Assert.Equal(HttpStatusCode.OK, (await owner.GetAsync($"/api/v1/{path}")).StatusCode);
            Assert.Equal(HttpStatusCode.NotFound, (await stranger.GetAsync($"/api/v1/{path}")).StatusCode);
        }

        Assert.Equal(HttpStatusCode.NotFound, (await stranger.DeleteAsync("/api/v1/datasets/mine")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await stranger.PostAsync("/api/v1/datasets/mine/versions", Form([("file", People)]))).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await stranger.PostAsync($"/api/v1/imports/{import.Id}:cancel", null)).StatusCode);
        Assert.Empty((await stranger.GetFromJsonAsync("/api/v1/datasets", AtollJson.Default.PageDatasetResponse))!.Items);
        await UploadAsync(stranger, HttpStatusCode.Created, ("name", "mine"), ("type", "tabular"), ("file", People));
    }

    [Fact]
    public async Task What_is_not_there_is_said()
    {
        var (_, client) = await server.CreateTenantAsync();
        await UploadAsync(client, HttpStatusCode.Created, ("name", "people"), ("type", "tabular"), ("file", People));

        (string Path, int Status)[] table =
        [
            ("people/versions/2", 404), ("people/versions/0", 404), ("people/versions/x", 404), ("people/versions/1/samples/0", 404), ("people/versions/1/samples/7", 404), ("people/versions/1/samples/-1", 404),
            ("people/versions/1/samples/99999999999999999999", 404), ("people/versions/1/samples?split=half", 400), ("people/versions/1/samples?label=zzz", 400), ("people/versions/1/samples?limit=0", 400),
            ("people/versions/1/samples?after=x", 400), ("people/versions/1/samples?after=100", 200), ("people/versions?after=x", 400), ("?limit=5000", 400),
        ];
        foreach (var (path, status) in table) Assert.Equal((path, status), (path, (int)(await client.GetAsync($"/api/v1/datasets/{path}")).StatusCode));
    }

    [Fact]
    public async Task An_acknowledged_upload_is_imported_after_a_restart()
    {
        using var folder = new TestFolder();
        string[] settings = [$"--Atoll:Data={folder.Path}/data", "--Atoll:Urls=http://127.0.0.1:0"];
        string key, id;
        await using (var first = await AtollServer.StartAsync(settings))
        {
            key = first.FirstKey!;
            using var client = Client(first, key);
            using var answer = await client.PostAsync("/api/v1/datasets", Form([("name", "people"), ("type", "tabular"), ("file", People)]));
            Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
            id = (await answer.Content.ReadFromJsonAsync(AtollJson.Default.ImportResponse))!.Id;
        }

        await using var second = await AtollServer.StartAsync(settings);
        using var later = Client(second, key);
        var import = await EndAsync(later, id);
        Assert.Equal((ImportStates.Succeeded, 1), (import.State, import.Version!.Value));
        Assert.Single((await later.GetFromJsonAsync("/api/v1/datasets", AtollJson.Default.PageDatasetResponse))!.Items);
    }

    [Fact]
    public async Task A_file_behind_an_address_is_loaded_only_where_that_is_allowed()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseSetting("urls", "http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        await using var site = builder.Build();
        site.MapGet("/people.csv", () => People);
        site.MapGet("/moved", () => Results.Redirect("/people.csv"));
        site.MapGet("/circle", () => Results.Redirect("/circle"));
        site.MapGet("/away", () => Results.Redirect("file:///etc/passwd"));
        site.MapGet("/large", () => Results.Bytes(new byte[3000]));
        await site.StartAsync();
        var address = site.Urls.First();

        var (_, strict) = await server.CreateTenantAsync();
        var refused = await LoadAsync(strict, $"{address}/people.csv");
        Assert.Equal(ImportStates.Refused, refused.State);
        Assert.Contains("own network", refused.Error);

        await using var open = new TestServer { Settings = ["--Datasets:AllowPrivateAddresses=true", "--Atoll:UploadBytesMax=2000"] };
        await open.InitializeAsync();
        var (_, client) = await open.CreateTenantAsync();
        Assert.Equal(ImportStates.Succeeded, (await LoadAsync(client, $"{address}/people.csv")).State);
        Assert.Equal(ImportStates.Succeeded, (await LoadAsync(client, $"{address}/moved")).State);
        foreach (var (path, words) in ((string, string)[])[("circle", "redirects"), ("away", "cannot be loaded"), ("large", "larger"), ("absent", "404")])
        {
            var import = await LoadAsync(client, $"{address}/{path}");
            Assert.Equal(ImportStates.Refused, import.State);
            Assert.Contains(words, import.Error);
        }

        using var tooLarge = await client.PostAsync("/api/v1/datasets", Form([("name", "big"), ("type", "tabular"), ("file", new string('x', 4000))]));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, tooLarge.StatusCode);
    }

    [Theory]
    [InlineData("8.8.8.8", true)]
    [InlineData("127.0.0.1", false)]
    [InlineData("10.1.2.3", false)]
    [InlineData("172.16.0.1", false)]
    [InlineData("172.32.0.1", true)]
    [InlineData("192.168.1.1", false)]
    [InlineData("169.254.169.254", false)]
    [InlineData("100.64.0.1", false)]
    [InlineData("0.0.0.0", false)]
    [InlineData("255.255.255.255", false)]
    [InlineData("::1", false)]
    [InlineData("::", false)]
    [InlineData("fe80::1", false)]
    [InlineData("fc00::1", false)]
    [InlineData("::ffff:10.0.0.1", false)]
    [InlineData("::ffff:8.8.8.8", true)]
    [InlineData("64:ff9b::a00:1", false)]
    [InlineData("2002:a00:1::", false)]
    [InlineData("2606:4700::1111", true)]
    public void Only_public_addresses_are_public(string address, bool isPublic) => Assert.Equal(isPublic, Atoll.Datasets.UrlDownload.IsPublic(IPAddress.Parse(address)));

    private static int _loads;

    private static async Task<ImportResponse> LoadAsync(HttpClient client, string url)
    {
        var request = new ImportRequest { Name = $"loaded-{Interlocked.Increment(ref _loads)}", Type = DatasetTypes.Tabular, Url = url };
        using var answer = await client.PostAsJsonAsync("/api/v1/datasets", request, AtollJson.Default.ImportRequest);
        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        return await EndAsync(client, (await answer.Content.ReadFromJsonAsync(AtollJson.Default.ImportResponse))!.Id);
    }

    private static async Task<ImportResponse> EndAsync(HttpClient client, string import)
    {
        for (int tries = 0; tries < 600; tries++)
        {
            var found = (await client.GetFromJsonAsync($"/api/v1/imports/{import}", AtollJson.Default.ImportResponse))!;
            if (ImportStates.IsEnded(found.State)) return found;

            await Task.Delay(50);
        }

        throw new TimeoutException("The import does not end.");
    }

    private static async Task<ImportResponse> UploadAsync(HttpClient client, HttpStatusCode expected, params (string Name, string Value)[] fields)
    {
        using var answer = await client.PostAsync("/api/v1/datasets?wait=true", Form(fields));
        Assert.True(expected == answer.StatusCode, $"{answer.StatusCode}: {await answer.Content.ReadAsStringAsync()}");
        return (await answer.Content.ReadFromJsonAsync(AtollJson.Default.ImportResponse))!;
    }

    private static async Task<List<SampleResponse>> PagesAsync(HttpClient client, string path)
    {
        var items = new List<SampleResponse>();
        string? after = null;
        do
        {
            var page = (await client.GetFromJsonAsync(path + (after is null ? "" : $"{(path.Contains('?') ? '&' : '?')}after={after}"), AtollJson.Default.PageSampleResponse))!;
            items.AddRange(page.Items);
            after = page.Next;
        }
        while (after is not null);

        return items;
    }

    private static MultipartFormDataContent Form((string Name, string Value)[] fields)
    {
        var form = new MultipartFormDataContent();
        foreach (var (name, value) in fields)
        {
            if (name is "file" or "train" or "test") form.Add(new StringContent(value), name, $"{name}.csv");
            else form.Add(new StringContent(value), name);
        }

        return form;
    }

    private static HttpClient Client(AtollServer server, string key)
    {
        var client = new HttpClient { BaseAddress = new Uri(server.Address) };
        client.DefaultRequestHeaders.Authorization = new("Bearer", key);
        return client;
    }
}
