using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Serialization.Metadata;
using Atoll.Contracts;

namespace Atoll.Tests.Tenancy;

/// <summary>Short forms of calls that many tests make.</summary>
internal static class TenancyClient
{
    private static readonly System.Text.Json.JsonSerializerOptions Json = AtollJson.Default.Options;

    public static async Task<PrincipalResponse> CreatePrincipalAsync(this HttpClient client, string name, string[]? permissions = null, string? email = null)
    {
        using var answer = await client.PostAsJsonAsync(
            "/api/v1/principals", new CreatePrincipalRequest { Name = name, Permissions = permissions, Email = email }, AtollJson.Default.CreatePrincipalRequest);
        return await answer.ReadAsync<PrincipalResponse>(HttpStatusCode.Created);
    }

    public static async Task<CreatedApiKeyResponse> CreateKeyAsync(this HttpClient client, string principal, DateTimeOffset? expires = null)
    {
        using var answer = await client.PostAsJsonAsync(
            $"/api/v1/principals/{principal}/keys", new CreateApiKeyRequest { Expires = expires }, AtollJson.Default.CreateApiKeyRequest);
        return await answer.ReadAsync<CreatedApiKeyResponse>(HttpStatusCode.Created);
    }

    public static async Task<T> ReadAsync<T>(this HttpResponseMessage answer, HttpStatusCode expected)
    {
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == expected, $"{answer.RequestMessage?.Method} {answer.RequestMessage?.RequestUri?.PathAndQuery}: {(int)answer.StatusCode} {text}");
        return System.Text.Json.JsonSerializer.Deserialize(text, (JsonTypeInfo<T>)Json.GetTypeInfo(typeof(T)))!;
    }

    public static async Task<string> CodeAsync(this Task<HttpResponseMessage> sent)
    {
        using var answer = await sent;
        var text = await answer.Content.ReadAsStringAsync();
        return System.Text.Json.JsonDocument.Parse(text).RootElement.TryGetProperty("code", out var code) ? $"{(int)answer.StatusCode} {code}" : $"{(int)answer.StatusCode} {text}";
    }

    public static async Task<HttpStatusCode> StatusAsync(this Task<HttpResponseMessage> sent)
    {
        using var answer = await sent;
        return answer.StatusCode;
    }
}
