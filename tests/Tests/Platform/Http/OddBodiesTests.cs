using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Atoll.Platform.Http;

namespace Atoll.Tests.Platform.Http;

/// <summary>Bodies that no honest client sends: all of them are refused, none is a failure of the server.</summary>
public sealed class OddBodiesTests : IAsyncLifetime
{
    private const string FormType = "application/x-www-form-urlencoded";
    private const string JsonType = "application/json";

    private readonly TestServer _server = new() { Settings = ["--Atoll:RequestBytesMax=20000", "--Atoll:UploadBytesMax=200000"] };

    public ValueTask InitializeAsync() => _server.InitializeAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Odd_types_and_fields_are_refused()
    {
        const string Principals = "/api/v1/principals", Promotions = "/api/v1/models/leads:promote", Sets = "/api/v1/datasets";
        const string Part = "--b\r\nContent-Disposition: form-data; name=grant_type\r\nContent-Type: text/plain; charset=utf-7\r\n\r\nx\r\n--b--\r\n";
        var wide = new string('b', 5000);
        (string Path, string Type, string Body, int Status, string Says)[] rows =
        [
            ("/api/v1/oauth2/token", FormType, "grant_type=refresh_token&+grant_type=x", 400, "comes twice"),
            ("/api/v1/oauth2/token", FormType, "grant_type=refresh_token&grant_type=x", 400, "comes twice"),
            ("/v2/oauth2/token", FormType, "grant_type=refresh_token&+grant_type=x", 400, "comes twice"),
            ("/api/v1/oauth2/revoke", FormType, "token=x&+token=y", 400, "comes twice"),
            ("/api/v1/oauth2/token", FormType + "; charset=utf-7", "grant_type=refresh_token", 415, "charset"),
            ("/api/v1/oauth2/revoke", FormType + "; charset=foo", "token=x", 415, "charset"),
            ("/api/v1/oauth2/token", "multipart/form-data; boundary=b", Part, 400, "form cannot be read"),
            ("/api/v1/oauth2/token", "multipart/form-data; boundary=b", Part[..60], 400, "form cannot be read"),
            (Principals, JsonType + "; charset=utf-7", "{\"name\":\"ada\"}", 415, "charset"),
            (Principals, JsonType + "; charset=\"foo\"", "{\"name\":\"ada\"}", 415, "charset"),
            (Principals, JsonType, "{\"name\":\"ada\\n\"}", 400, "is not a name"),
            (Sets, JsonType + "; charset=foo", "{\"url\":\"https://example.org/x.csv\"}", 415, "charset"),
            (Sets, $"multipart/form-data; boundary={wide}", $"--{wide}\r\n\r\nx\r\n--{wide}--\r\n", 400, "boundary"),
            (Sets, JsonType, "{\"name\":\"leads\",\"type\":\"tabular\",\"url\":\"https://example.org/x.csv\",\"columns\":{\"a\":null}}", 400, "columns.a"),
            (Sets, JsonType, "{\"name\":\"leads\",\"type\":\"tabular\",\"url\":\"https://example.org/x.csv\",\"missingMarkers\":[null]}", 400, "missingMarkers"),
            (Principals, JsonType, "{\n\"name\": x}", 400, "it is not valid JSON, at line 2, byte 9."),
            (Principals, JsonType, "{\"name\":{}}", 400, "the value of $.name is not of the type that is described, at line 1"),
            (Principals, JsonType, "{}", 400, "'name' is missing."),
            (Promotions, JsonType, "{\"to\":\"staging\",\"gates\":[null]}", 400, "gates[0].metric"),
            (Promotions, JsonType, "{\"to\":null}", 400, "Use 'staging' or 'production'."),
            (Promotions, JsonType, "{\"gates\":[{\"metric\":null,\"atLeast\":1}]}", 400, "$.gates[0].metric"),
        ];
        var (_, client) = await _server.CreateTenantAsync();
        var wrong = new List<string>();
        foreach (var (path, type, body, status, says) in rows)
        {
            using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
            content.Headers.TryAddWithoutValidation("Content-Type", type);
            using var answer = await client.PostAsync(path, content);
            var text = await answer.Content.ReadAsStringAsync();
            if ((int)answer.StatusCode != status || !text.Contains(says)) wrong.Add($"{path} {type[..Math.Min(type.Length, 60)]} {body[..Math.Min(body.Length, 60)]}: {text}");
        }
        Assert.True(wrong.Count == 0, string.Join("\n", wrong));
    }

    [Fact]
    public async Task A_charset_that_is_known_is_read()
    {
        var (_, client) = await _server.CreateTenantAsync();
        using var content = new ByteArrayContent(Encoding.Unicode.GetBytes("{\"name\":\"ada\"}"));
        content.Headers.ContentType = MediaTypeHeaderValue.Parse("application/json; charset=utf-16");
        using var answer = await client.PostAsync("/api/v1/principals", content);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
    }

    [Fact]
    public async Task A_large_upload_may_be_repeated()
    {
        var (_, client) = await _server.CreateTenantAsync();
        var rows = "a,b\n" + string.Concat(Enumerable.Range(0, 10_000).Select(i => $"{i},x\n"));
        for (var round = 0; round < 2; round++)
        {
            using var form = new MultipartFormDataContent
            {
                { new StringContent("large"), "name" }, { new StringContent("tabular"), "type" }, { new StringContent(rows), "file", "large.csv" },
            };
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/datasets?wait=true") { Content = form };
            request.Headers.Add(RepeatableRoutes.Header, "key-1");
            using var answer = await client.SendAsync(request);
            Assert.Equal((HttpStatusCode.Created, round == 1), (answer.StatusCode, answer.Headers.Contains("Idempotency-Replayed")));
        }
    }
}
