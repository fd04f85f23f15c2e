using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Atoll.Contracts;

namespace Atoll.Client;

/// <summary>Everything that the server's API can do, for one server and one credential. Safe for use by many threads.</summary>
/// <remarks>
/// Refusals are thrown as <see cref="AtollException"/>, an absent server as <see cref="AtollUnreachableException"/>.
/// What can be repeated without harm is repeated after failures that may pass.
/// </remarks>
/// <example><code>
/// using var atoll = new AtollClient(new AtollClientOptions { Server = new("http://127.0.0.1:8080"), Credential = key });
/// var run = await atoll.CreateRunAsync(new CreateRunRequest { Dataset = "leads" });
/// await foreach (var change in atoll.FollowRunAsync(run.Id)) Console.WriteLine(change.Run.Stage);
/// </code></example>
public sealed partial class AtollClient : IDisposable
{
    private const string Api = "/api/v1";

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);

    private readonly AtollClientOptions _options;
    private readonly HttpClient _http;

    /// <summary>Makes a client; nothing is sent yet.</summary>
    public AtollClient(AtollClientOptions options)
    {
        _options = options;
        var handler = options.Handler ?? new SocketsHttpHandler
        {
            ConnectTimeout = TimeSpan.FromSeconds(10),
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            AutomaticDecompression = DecompressionMethods.All,
        };
        _http = new HttpClient(handler, disposeHandler: options.Handler is null)
        {
            BaseAddress = options.Server,
            // Each request has a limit of its own, so that uploads may take their time.
            Timeout = Timeout.InfiniteTimeSpan,
        };
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("atoll-client", Version));
        if (options.Credential is { } credential)
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", credential);
    }

    /// <summary>Version of this client.</summary>
    public static string Version { get; } = typeof(AtollClient).Assembly.GetName().Version!.ToString(3);

    /// <summary>The server that is called.</summary>
    public Uri Server => _options.Server;

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    /// <summary>Whether the server answers requests now.</summary>
    /// <exception cref="AtollUnreachableException">Nothing answers.</exception>
    public async Task<bool> IsReadyAsync(CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/readyz");
        using var response = await SendOnceAsync(request, _options.Timeout, cancellationToken).ConfigureAwait(false);
        return response.IsSuccessStatusCode;
    }

    private Task<T> GetAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancellationToken) =>
        SendAsync(() => new HttpRequestMessage(HttpMethod.Get, path), type, repeatable: true, cancellationToken);

    private Task<TAnswer> PostAsync<TBody, TAnswer>(
        string path, TBody body, JsonTypeInfo<TBody> bodyType, JsonTypeInfo<TAnswer> type, string? idempotencyKey, CancellationToken cancellationToken) =>
        SendAsync(() => WithBody(HttpMethod.Post, path, body, bodyType, idempotencyKey), type, idempotencyKey is not null, cancellationToken);

    private Task<T> PostAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancellationToken) =>
        SendAsync(() => new HttpRequestMessage(HttpMethod.Post, path), type, repeatable: false, cancellationToken);

    private Task<TAnswer> PutAsync<TBody, TAnswer>(
        string path, TBody body, JsonTypeInfo<TBody> bodyType, JsonTypeInfo<TAnswer> type, CancellationToken cancellationToken) =>
        SendAsync(() => WithBody(HttpMethod.Put, path, body, bodyType, null), type, repeatable: true, cancellationToken);

    private async Task PutAsync(string path, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(
            () => new HttpRequestMessage(HttpMethod.Put, path), repeatable: true, _options.Timeout, cancellationToken).ConfigureAwait(false);
    }

    private async Task DeleteAsync(string path, CancellationToken cancellationToken)
    {
        // Not repeated: the second attempt would find nothing and call that a refusal.
        using var response = await SendAsync(
            () => new HttpRequestMessage(HttpMethod.Delete, path), repeatable: false, _options.Timeout, cancellationToken).ConfigureAwait(false);
    }

    private async Task<T> SendAsync<T>(
        Func<HttpRequestMessage> request, JsonTypeInfo<T> type, bool repeatable, CancellationToken cancellationToken, TimeSpan? timeout = null)
    {
        using var response = await SendAsync(request, repeatable, timeout ?? _options.Timeout, cancellationToken).ConfigureAwait(false);
        return await ReadAsync(response, type, cancellationToken).ConfigureAwait(false);
    }

    private async Task<T> ReadAsync<T>(HttpResponseMessage response, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        try
        {
            var body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            await using (body.ConfigureAwait(false))
                return await JsonSerializer.DeserializeAsync(body, type, cancellationToken).ConfigureAwait(false)
                    ?? throw Unexpected(response, "the answer is empty");
        }
        catch (JsonException problem)
        {
            throw Unexpected(response, problem.Message);
        }
        catch (HttpIOException problem)
        {
            throw new AtollUnreachableException(_options.Server, "the connection broke off within the answer.", problem);
        }
    }

    /// <summary>Sends until there is an answer that repeating would not better.</summary>
    private async Task<HttpResponseMessage> SendAsync(
        Func<HttpRequestMessage> request, bool repeatable, TimeSpan timeout, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var last = !repeatable || attempt > _options.RetriesMax;
            TimeSpan? asked = null;
            try
            {
                using var message = request();
                var response = await SendOnceAsync(message, timeout, cancellationToken).ConfigureAwait(false);
                if (response.IsSuccessStatusCode) return response;
                using (response)
                {
                    if (last || !MayPass(response.StatusCode)) throw await ReadProblemAsync(response, cancellationToken).ConfigureAwait(false);
                    asked = response.Headers.RetryAfter?.Delta;
                }
            }
            catch (AtollUnreachableException problem) when (!last && problem.InnerException is HttpRequestException
            {
                // Who does not listen now will not in a second either: say so at once.
                HttpRequestError: not HttpRequestError.ConnectionError and not HttpRequestError.NameResolutionError,
            })
            {
            }
            await Task.Delay(asked is { } pause && pause < LongestPause ? pause : Pause(attempt), _options.Clock, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<HttpResponseMessage> SendOnceAsync(HttpRequestMessage request, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(timeout, _options.Clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException problem) when (!cancellationToken.IsCancellationRequested)
        {
            throw new AtollUnreachableException(_options.Server, $"no answer within {timeout.TotalSeconds:0} seconds.", problem);
        }
        catch (HttpRequestException problem)
        {
            throw new AtollUnreachableException(_options.Server, Reason(problem), problem);
        }
    }

    private static string Reason(HttpRequestException problem) => problem.HttpRequestError switch
    {
        HttpRequestError.ConnectionError => "nothing listens there.",
        HttpRequestError.NameResolutionError => "the name is not known.",
        HttpRequestError.SecureConnectionError => "no secure connection can be made: " + (problem.InnerException ?? problem).Message,
        _ => (problem.InnerException ?? problem).Message,
    };

    private static HttpRequestMessage WithBody<T>(HttpMethod method, string path, T body, JsonTypeInfo<T> type, string? idempotencyKey)
    {
        var content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body, type));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        var request = new HttpRequestMessage(method, path) { Content = content };
        if (idempotencyKey is not null) request.Headers.Add("Idempotency-Key", idempotencyKey);
        return request;
    }

    private static string NewIdempotencyKey() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));

    /// <summary>Not 504: what took too long would do so again.</summary>
    private static bool MayPass(HttpStatusCode status) => status is HttpStatusCode.TooManyRequests or HttpStatusCode.BadGateway
        or HttpStatusCode.ServiceUnavailable;

    /// <summary>Twice as long each time, with a random part so that clients do not come back all at once.</summary>
    private static TimeSpan Pause(int attempt)
    {
        var full = FirstPause * Math.Pow(2, Math.Min(attempt - 1, 6));
        if (full > LongestPause) full = LongestPause;
        return full * (RandomNumberGenerator.GetInt32(50, 101) / 100.0);
    }

    private static async Task<AtollException> ReadProblemAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var text = await response.Content.ReadAsStringAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            using var document = JsonDocument.Parse(text);
            if (document.RootElement.ValueKind == JsonValueKind.Object)
            {
                // /v2 routes answer {"error": text}, as the Open Inference Protocol wants it.
                if (Text(document, "error") is { } error) return new(response.StatusCode, AtollException.UnexpectedAnswer, error, document: text);
                if ((Text(document, "detail") ?? Text(document, "title")) is { } detail)
                {
                    var remedy = Text(document, "remedy");
                    if (remedy is not null && detail.EndsWith(" " + remedy, StringComparison.Ordinal)) detail = detail[..^(remedy.Length + 1)];
                    return new(response.StatusCode, Text(document, "code") ?? AtollException.UnexpectedAnswer, detail, remedy, Text(document, "field"), text);
                }
            }
        }
        catch (JsonException)
        {
            // Not ours; described below by its status.
        }
        return Unexpected(response, response.ReasonPhrase ?? "no reason given");

        static string? Text(JsonDocument document, string name) =>
            document.RootElement.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }

    private static AtollException Unexpected(HttpResponseMessage response, string what) => new(
        response.StatusCode, AtollException.UnexpectedAnswer,
        $"{response.RequestMessage?.RequestUri?.GetLeftPart(UriPartial.Path)} answered {(int)response.StatusCode} in a way that is not Atoll's: {what}.",
        "Check that the address is an Atoll server's, of a version that fits this client.");

    /// <summary>Reads page after page.</summary>
    private static async IAsyncEnumerable<T> AllAsync<T>(
        Func<string?, CancellationToken, Task<Page<T>>> read, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? after = null;
        do
        {
            var page = await read(after, cancellationToken).ConfigureAwait(false);
            foreach (var item in page.Items) yield return item;
            after = page.Next;
        }
        while (after is not null);
    }

    /// <summary>A path with what is given of a query.</summary>
    private static string Path(FormattableString path, params ReadOnlySpan<(string Name, string? Value)> query)
    {
        var text = Api + string.Format(
            System.Globalization.CultureInfo.InvariantCulture, path.Format,
            [.. path.GetArguments().Select(argument => (object)Uri.EscapeDataString(System.Convert.ToString(argument, System.Globalization.CultureInfo.InvariantCulture)!))]);
        var separator = '?';
        foreach (var (name, value) in query)
        {
            if (value is null) continue;
            text += $"{separator}{name}={Uri.EscapeDataString(value)}";
            separator = '&';
        }
        return text;
    }

    private static string? Number(int? number) => number?.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
