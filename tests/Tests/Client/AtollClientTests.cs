using System.IO.Compression;
using System.Net;
using System.Text;
using Atoll.Client;
using Atoll.Contracts;

namespace Atoll.Tests.Client;

public sealed class AtollClientTests
{
    private const string Run = """{"id":"run_1","experiment":"default","state":"STATE","dataset":"d","datasetVersion":1,"model":"m","seed":1,"attempt":1,"createdUtc":"2030-01-01T00:00:00Z"}""";

    [Fact]
    public async Task A_read_is_repeated_until_the_server_is_back()
    {
        var network = new ScriptedNetwork(_ => Status(503), _ => Status(502), _ => throw new HttpRequestException(HttpRequestError.ResponseEnded, "cut"), _ => Json(Run.Replace("STATE", "queued")));
        using var client = network.Client();
        Assert.Equal("run_1", (await client.GetRunAsync("run_1", TestContext.Current.CancellationToken)).Id);
        Assert.Equal(4, network.Requests.Count);
    }

    [Fact]
    public async Task A_read_is_given_up_after_a_bounded_number_of_attempts()
    {
        var network = new ScriptedNetwork(_ => Status(503), _ => Status(503), _ => Status(503), _ => Status(503), _ => Json(Run));
        using var client = network.Client();
        var refused = await Assert.ThrowsAsync<AtollException>(() => client.GetRunAsync("run_1", TestContext.Current.CancellationToken));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.Status);
        Assert.Equal(4, network.Requests.Count);
    }

    [Fact]
    public async Task What_may_have_happened_is_not_asked_for_twice()
    {
        var network = new ScriptedNetwork(_ => Status(503), _ => Json(Run));
        using var client = network.Client();
        await Assert.ThrowsAsync<AtollException>(() => client.CreateTenantAsync("acme", TestContext.Current.CancellationToken));
        await Assert.ThrowsAsync<AtollException>(() => new ScriptedNetwork(_ => Status(503), _ => Status(204)).Client().DeleteModelAsync("m", TestContext.Current.CancellationToken));
        Assert.Single(network.Requests);
    }

    [Fact]
    public async Task A_repeated_creation_carries_the_same_idempotency_key()
    {
        var network = new ScriptedNetwork(_ => Status(503), _ => Json("""{"id":"p","name":"ana","createdUtc":"2030-01-01T00:00:00Z","permissions":[]}"""));
        using var client = network.Client();
        await client.CreatePrincipalAsync(new CreatePrincipalRequest { Name = "ana" }, TestContext.Current.CancellationToken);
        var keys = network.Requests.Select(request => request.Headers["Idempotency-Key"]).ToList();
        Assert.Equal(2, keys.Count);
        Assert.Equal(keys[0], keys[1]);
        Assert.Equal("""{"name":"ana"}""", network.Requests[1].Body);
    }

    [Fact]
    public async Task Nobody_listening_is_said_at_once()
    {
        var network = new ScriptedNetwork(_ => throw new HttpRequestException(HttpRequestError.ConnectionError, "refused"));
        using var client = network.Client();
        var problem = await Assert.ThrowsAsync<AtollUnreachableException>(() => client.GetCallerAsync(TestContext.Current.CancellationToken));
        Assert.Contains("nothing listens there", problem.Message);
        Assert.Single(network.Requests);
    }

    [Fact]
    public async Task A_problem_document_becomes_an_exception_with_its_parts()
    {
        const string Document = """{"type":"/problems/invalid-field","status":400,"detail":"The field 'name' is missing. Use another.","code":"invalid-field","remedy":"Use another.","field":"name"}""";
        using var client = new ScriptedNetwork(_ => Json(Document, 400)).Client();
        var refused = await Assert.ThrowsAsync<AtollException>(() => client.GetCallerAsync(TestContext.Current.CancellationToken));
        Assert.Equal(
            (HttpStatusCode.BadRequest, "invalid-field", "The field 'name' is missing.", "Use another.", "name", Document),
            (refused.Status, refused.Code, refused.Detail, refused.Remedy, refused.Field, refused.Document));
        Assert.Equal("The field 'name' is missing. Use another.", refused.Message);
    }

    [Theory]
    [InlineData(502, "<html>Bad gateway</html>")]
    [InlineData(404, "")]
    [InlineData(500, "[1]")]
    [InlineData(200, "<html>Welcome</html>")]
    [InlineData(200, "null")]
    [InlineData(200, "{}")]
    public async Task An_answer_that_is_not_Atolls_is_told_as_such(int status, string body)
    {
        using var client = new ScriptedNetwork([.. Enumerable.Repeat<Func<HttpRequestMessage, HttpResponseMessage>>(_ => Json(body, status), 4)]).Client();
        var refused = await Assert.ThrowsAsync<AtollException>(() => client.GetCallerAsync(TestContext.Current.CancellationToken));
        Assert.Equal(AtollException.UnexpectedAnswer, refused.Code);
        Assert.Contains("not Atoll's", refused.Detail);
    }

    [Fact]
    public async Task Names_cannot_leave_their_place_in_the_address()
    {
        var network = new ScriptedNetwork(_ => Status(404), _ => Status(404));
        using var client = network.Client();
        await Assert.ThrowsAsync<AtollException>(() => client.GetModelAsync("a/../b?c#d", TestContext.Current.CancellationToken));
        await Assert.ThrowsAsync<AtollException>(() => client.PredictTextsAsync("a:b{0}", ["x"], new PredictOptions(Top: 3), TestContext.Current.CancellationToken));
        Assert.Equal(
            ["/api/v1/models/a%2F..%2Fb%3Fc%23d", "/api/v1/endpoints/a%3Ab%7B0%7D:predict?top=3"],
            network.Requests.Select(request => request.PathAndQuery));
    }

    [Fact]
    public async Task All_pages_of_a_list_are_read()
    {
        var network = new ScriptedNetwork(
            _ => Json("""{"items":[{"id":"1","name":"a","createdUtc":"2030-01-01T00:00:00Z"}],"next":"a b"}"""),
            _ => Json("""{"items":[{"id":"2","name":"b","createdUtc":"2030-01-01T00:00:00Z"}]}"""));
        using var client = network.Client();
        var names = new List<string>();
        await foreach (var tenant in client.ListTenantsAsync(TestContext.Current.CancellationToken)) names.Add(tenant.Name);
        Assert.Equal(["a", "b"], names);
        Assert.Equal("/api/v1/tenants?after=a%20b", network.Requests[1].PathAndQuery);
    }

    [Fact]
    public async Task A_run_is_followed_over_broken_connections_and_nothing_is_told_twice()
    {
        var first = Event("running", """[{"name":"loss","step":1,"value":3}]""", """[{"number":1,"atUtc":"2030-01-01T00:00:00Z","message":"one"}]""");
        var both = Event("running", """[{"name":"loss","step":1,"value":3},{"name":"loss","step":2,"value":2}]""",
            """[{"number":1,"atUtc":"2030-01-01T00:00:00Z","message":"one"},{"number":2,"atUtc":"2030-01-01T00:00:00Z","message":"two"}]""");
        var network = new ScriptedNetwork(
            _ => Events(first),
            _ => throw new HttpRequestException(HttpRequestError.ConnectionError, "refused"),
            _ => Status(503),
            _ => Events(both + Event("succeeded", "null", "null")));
        using var client = network.Client();
        var (losses, lines, states) = (new List<double>(), new List<string>(), new List<string>());
        await foreach (var change in client.FollowRunAsync("run_1", TestContext.Current.CancellationToken))
        {
            losses.AddRange((change.Metrics ?? []).Select(point => point.Value));
            lines.AddRange((change.Logs ?? []).Select(line => line.Message));
            states.Add(change.Run.State);
        }
        Assert.Equal([3, 2], losses);
        Assert.Equal(["one", "two"], lines);
        Assert.Equal("succeeded", states[^1]);
        Assert.Equal(4, network.Requests.Count);
    }

    [Fact]
    public async Task Following_a_run_that_does_not_exist_ends_at_once()
    {
        using var client = new ScriptedNetwork(_ => Json("""{"detail":"There is no run.","code":"not-found"}""", 404)).Client();
        await Assert.ThrowsAsync<AtollException>(async () =>
        {
            await foreach (var _ in client.FollowRunAsync("run_1", TestContext.Current.CancellationToken)) Assert.Fail("There is nothing to follow.");
        });
    }

    [Fact]
    public async Task A_folder_of_label_folders_is_uploaded_as_a_zip_made_on_the_way()
    {
        using var folder = new TestFolder();
        foreach (var (label, name, bytes) in ((string, string, int)[])[("cat", "a.png", 300_000), ("cat", ".hidden", 5), ("dog", "b.png", 10)])
        {
            Directory.CreateDirectory(Path.Combine(folder.Path, label));
            await File.WriteAllBytesAsync(Path.Combine(folder.Path, label, name), new byte[bytes]);
        }
        await File.WriteAllTextAsync(Path.Combine(folder.Path, "readme.txt"), "not an image");
        var network = new ScriptedNetwork(_ => Json("""{"id":"imp","dataset":"pets","type":"image","state":"queued","progress":0,"createdUtc":"2030-01-01T00:00:00Z"}"""));
        using var client = network.Client();

        var told = new List<TransferProgress>();
        await client.CreateDatasetAsync(
            new ImportRequest { Name = "pets", Type = "image", SkipBad = true }, [DatasetFile.FromFolder(folder.Path, "train")], new Recorder(told), TestContext.Current.CancellationToken);

        Assert.Equal(new TransferProgress(300_010, 300_010), told[^1]);
        var form = network.Requests[0].Bytes;
        var start = form.AsSpan().IndexOf("PK\u0003\u0004"u8);
        var end = form.AsSpan().LastIndexOf("PK\u0005\u0006"u8) + 22;
        using var zip = new ZipArchive(new MemoryStream(form[start..end]));
        Assert.Equal([("cat/a.png", 300_000L), ("dog/b.png", 10L)], zip.Entries.Select(entry => (entry.FullName, entry.Length)));
        var text = Encoding.Latin1.GetString(form.AsSpan(0, start));
        Assert.Contains("name=train", text);
        Assert.Contains("name=skipBad\r\n\r\ntrue", text);
        Assert.Contains("name=name\r\n\r\npets", text);
    }

    [Fact]
    public void A_folder_without_label_folders_is_refused_before_anything_is_sent()
    {
        using var folder = new TestFolder();
        File.WriteAllText(Path.Combine(folder.Path, "a.png"), "");
        Assert.Contains("folder of that name", Assert.Throws<ArgumentException>(() => DatasetFile.FromFolder(folder.Path)).Message);
    }

    private static string Event(string state, string metrics, string logs) =>
        $$"""event: run{{"\n"}}data: {"run":{{Run.Replace("STATE", state)}},"metrics":{{metrics}},"logs":{{logs}}}{{"\n\n"}}""";

    private static HttpResponseMessage Events(string text) => new(HttpStatusCode.OK) { Content = new StringContent(text, Encoding.UTF8, "text/event-stream") };

    private static HttpResponseMessage Status(int status) => new((HttpStatusCode)status) { Content = new ByteArrayContent([]) };

    private static HttpResponseMessage Json(string json, int status = 200) => new((HttpStatusCode)status) { Content = new StringContent(json, Encoding.UTF8, "application/json") };

    private sealed class Recorder(List<TransferProgress> told) : IProgress<TransferProgress>
    {
        public void Report(TransferProgress value) => told.Add(value);
    }

    /// <summary>A network that answers each request with the next line of its script.</summary>
    private sealed class ScriptedNetwork(params Func<HttpRequestMessage, HttpResponseMessage>[] script) : HttpMessageHandler
    {
        public List<Seen> Requests { get; } = [];

        public AtollClient Client() => new(new AtollClientOptions { Server = new Uri("http://atoll.test"), Credential = "atl_x", Handler = this, Clock = new ImpatientClock() });

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var body = request.Content is null ? [] : await request.Content.ReadAsByteArrayAsync(cancellationToken);
            Requests.Add(new Seen(request.RequestUri!.PathAndQuery, request.Headers.ToDictionary(header => header.Key, header => header.Value.First()), body));
            Assert.Equal("atl_x", request.Headers.Authorization!.Parameter);
            var answer = script[Requests.Count - 1](request);
            answer.RequestMessage = request;
            return answer;
        }
    }

    private sealed record Seen(string PathAndQuery, Dictionary<string, string> Headers, byte[] Bytes)
    {
        public string Body => Encoding.UTF8.GetString(Bytes);
    }

    /// <summary>A clock for which every wait is over at once, except for the limits of whole requests.</summary>
    private sealed class ImpatientClock : TimeProvider
    {
        private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(15);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            System.CreateTimer(callback, state, dueTime <= LongestPause ? TimeSpan.Zero : dueTime, period);
    }
}
