using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.Tests.Tenancy;
using Xunit;

namespace Atoll.Tests.Einstein;

/// <summary>Sends what public clients of the Einstein API send, byte for byte, with a token that was bought with a JWT assertion.</summary>
internal sealed class EinsteinClient(HttpClient http, string tenant) : IDisposable
{
    public HttpClient Http => http;

    public string Tenant => tenant;

    public static async Task<EinsteinClient> CreateAsync(TestServer server)
    {
        var (created, admin) = await server.CreateTenantAsync();
        await admin.CreatePrincipalAsync("crm", [.. Permissions.OfTenant.Where(permission => permission != Permissions.TenantAdminister)], "crm@example.com");
        using var pair = await admin.PostAsync("/api/v1/principals/crm/key-pair", null, TestContext.Current.CancellationToken);
        using var key = RSA.Create();
        key.ImportFromPem((await pair.ReadAsync<CreatedKeyPairResponse>(HttpStatusCode.OK)).PrivateKeyPem);
        admin.Dispose();

        var assertion = Jwt.Write(key, Jwt.Claims("crm@example.com", "https://api.einstein.ai/v2/oauth2/token", TimeProvider.System.GetUtcNow()));
        using var nobody = server.ClientFor(null);
        using var form = new FormUrlEncodedContent([new("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), new("assertion", assertion)]);
        using var answer = await nobody.PostAsync("/v2/oauth2/token", form, TestContext.Current.CancellationToken);
        return new EinsteinClient(server.ClientFor((await answer.ReadAsync<EinsteinTokenResponse>(HttpStatusCode.OK)).AccessToken), created.Tenant.Id);
    }

    public static Part Field(string name, string value) => new($"form-data; name=\"{name}\"", null, Encoding.UTF8.GetBytes(value));

    public static Part File(string name, string fileName, byte[] bytes) => new($"form-data; name=\"{name}\"; filename=\"{fileName}\"", "application/octet-stream", bytes);

    public static Part File(string name, string fileName, string text) => File(name, fileName, Encoding.UTF8.GetBytes(text));

    public Task<(HttpStatusCode Status, JsonNode Json)> PostAsync(string path, params Part[] parts) => SendAsync(HttpMethod.Post, path, FormOf(parts));

    public Task<(HttpStatusCode Status, JsonNode Json)> PutAsync(string path, params Part[] parts) => SendAsync(HttpMethod.Put, path, FormOf(parts));

    public Task<(HttpStatusCode Status, JsonNode Json)> GetAsync(string path) => SendAsync(HttpMethod.Get, path, null);

    public Task<(HttpStatusCode Status, JsonNode Json)> DeleteAsync(string path) => SendAsync(HttpMethod.Delete, path, null);

    public async Task<(HttpStatusCode Status, JsonNode Json)> SendAsync(HttpMethod method, string path, HttpContent? content)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        request.Headers.CacheControl = new CacheControlHeaderValue { NoCache = true };
        using var answer = await http.SendAsync(request, TestContext.Current.CancellationToken);
        var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        return (answer.StatusCode, text.Length == 0 ? new JsonObject() : JsonNode.Parse(text)!);
    }

    /// <summary>The body of a 200.</summary>
    public static async Task<JsonNode> OkAsync(Task<(HttpStatusCode Status, JsonNode Json)> sent)
    {
        var (status, json) = await sent;
        Assert.True(status == HttpStatusCode.OK, $"{status}: {json}");
        return json;
    }

    /// <summary>Asks again until it is no longer so.</summary>
    public async Task<JsonNode> WhileAsync(string path, string member, params string[] states)
    {
        while (true)
        {
            var json = await OkAsync(GetAsync(path));
            if (!states.Contains((string)json[member]!)) return json;
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }
    }

    public Task<JsonNode> TrainedAsync(string modelId, string kind) => WhileAsync($"/v2/{kind}/train/{modelId}", "status", "QUEUED", "RUNNING");

    /// <summary>74 texts of three labels, without a header.</summary>
    public static string Weather()
    {
        var lines = new StringBuilder();
        string[] cities = ["Paris", "Rome", "Oslo", "Cairo", "Lima", "Quito", "Delhi"];
        string[] now = ["how hot is it in", "is it raining in", "what is the weather right now in", "how cold is it now in", "is there fog in"];
        string[] hours = ["will it rain this afternoon in", "what will the next hours bring in", "will the sun come out later today in"];
        string[] days = ["what is the forecast for the week in", "how will the next five days be in", "will it snow at the weekend in", "give me the outlook for tomorrow in"];
        for (var i = 0; i < 30; i++) lines.Append($"\"{now[i % now.Length]} {cities[i % cities.Length]}\",current-weather\n");
        for (var i = 0; i < 21; i++) lines.Append($"\"{hours[i % hours.Length]} {cities[i % cities.Length]}\",hourly-forecast\n");
        for (var i = 0; i < 23; i++) lines.Append($"\"{days[i % days.Length]} {cities[i % cities.Length]}\",five-day-forecast\n");
        return lines.ToString();
    }

    public void Dispose() => http.Dispose();

    // With what real clients add: a quoted boundary, a charset, spaces behind headers and values.
    private static ByteArrayContent FormOf(Part[] parts)
    {
        const string Boundary = "----------------------------a1b2c3";
        var body = new MemoryStream();
        foreach (var part in parts)
        {
            var type = part.Type is null ? "" : $"Content-Type: {part.Type}\r\n";
            body.Write(Encoding.UTF8.GetBytes($"--{Boundary}\r\nContent-Disposition: {part.Disposition} \r\n{type}\r\n"));
            body.Write(part.Bytes);
            body.Write("\r\n"u8);
        }
        body.Write(Encoding.UTF8.GetBytes($"--{Boundary}--\r\n"));
        var content = new ByteArrayContent(body.ToArray());
        content.Headers.TryAddWithoutValidation("Content-Type", $"multipart/form-data; charset=UTF-8; boundary=\"{Boundary}\"");
        return content;
    }

    /// <summary>A part of a form as it is sent.</summary>
    public sealed record Part(string Disposition, string? Type, byte[] Bytes);
}
