using System.Net.Http.Headers;
using Atoll.Contracts;

namespace Atoll.Client;

/// <summary>Which version of an endpoint's model is to answer, and how much it is to say.</summary>
/// <param name="Version">A version by number; the endpoint's own choice when neither this nor <paramref name="Alias"/> is given.</param>
/// <param name="Alias">A version by alias.</param>
/// <param name="Top">How many labels to give for each sample.</param>
/// <param name="IgnoreUnknown">Skip columns that the model does not read, instead of refusing them as mistakes.</param>
/// <param name="Explain">How many factors to give for each row; null for none. Of tabular models.</param>
public sealed record PredictOptions(int? Version = null, string? Alias = null, int? Top = null, bool IgnoreUnknown = false, int? Explain = null);

/// <summary>An image or wav file to predict.</summary>
/// <param name="Name">Name of the file, for messages.</param>
/// <param name="Bytes">The file as it is: JPEG, PNG, WebP ...</param>
public sealed record SampleFile(string Name, ReadOnlyMemory<byte> Bytes);

public sealed partial class AtollClient
{
    /// <summary>One page of endpoints, by name.</summary>
    public Task<Page<EndpointResponse>> ListEndpointsPageAsync(string? after = null, int? limit = null, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/endpoints", ("after", after), ("limit", Number(limit))), AtollJson.Default.PageEndpointResponse, cancellationToken);

    /// <summary>All endpoints, by name.</summary>
    public IAsyncEnumerable<EndpointResponse> ListEndpointsAsync(CancellationToken cancellationToken = default) =>
        AllAsync((after, token) => ListEndpointsPageAsync(after, null, token), cancellationToken);

    /// <summary>An endpoint with the signature of the version that answers now.</summary>
    public Task<EndpointResponse> GetEndpointAsync(string endpoint, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/endpoints/{endpoint}"), AtollJson.Default.EndpointResponse, cancellationToken);

    /// <summary>How the models of all tenants are served, for the platform's operators.</summary>
    public Task<ServingResponse> GetServingAsync(CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/serving"), AtollJson.Default.ServingResponse, cancellationToken);

    /// <summary>Keeps what an endpoint serves in memory.</summary>
    public Task PinEndpointAsync(string endpoint, CancellationToken cancellationToken = default) => PutAsync(Path($"/endpoints/{endpoint}/pin"), cancellationToken);

    /// <summary>Lets what an endpoint serves leave memory when others need the room.</summary>
    public Task UnpinEndpointAsync(string endpoint, CancellationToken cancellationToken = default) => DeleteAsync(Path($"/endpoints/{endpoint}/pin"), cancellationToken);

    /// <summary>Which share of an endpoint's predictions is kept, and the days that there are.</summary>
    public Task<PredictionLogResponse> GetPredictionLogAsync(string endpoint, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/endpoints/{endpoint}/log"), AtollJson.Default.PredictionLogResponse, cancellationToken);

    /// <summary>Keeps a share of an endpoint's predictions: 0 for none, 1 for all.</summary>
    /// <param name="days">For so many days; as before when null.</param>
    public Task<PredictionLogResponse> PutPredictionLogAsync(string endpoint, double rate, int? days = null, CancellationToken cancellationToken = default) =>
        PutAsync(
            Path($"/endpoints/{endpoint}/log"), new PutPredictionLogRequest { Rate = rate, Days = days },
            AtollJson.Default.PutPredictionLogRequest, AtollJson.Default.PredictionLogResponse, cancellationToken);

    /// <summary>Deletes all predictions of an endpoint that were kept.</summary>
    public Task DeletePredictionLogAsync(string endpoint, CancellationToken cancellationToken = default) => DeleteAsync(Path($"/endpoints/{endpoint}/log"), cancellationToken);

    /// <summary>Copies the predictions of a day that were kept to a stream, one line of JSON each.</summary>
    /// <param name="day">In UTC, such as 2026-01-31.</param>
    /// <returns>The number of bytes.</returns>
    public Task<long> DownloadPredictionLogAsync(
        string endpoint, string day, Stream target, IProgress<TransferProgress>? progress = null, CancellationToken cancellationToken = default) =>
        DownloadAsync(Path($"/endpoints/{endpoint}/log/{day}"), target, progress, cancellationToken);

    /// <summary>Predicts rows or texts, or images and sounds in base64.</summary>
    public Task<PredictResponse> PredictAsync(
        string endpoint, PredictRequest request, PredictOptions? options = null, CancellationToken cancellationToken = default) =>
        SendAsync(
            () => WithBody(HttpMethod.Post, PredictPath(endpoint, options), request, AtollJson.Default.PredictRequest, null),
            AtollJson.Default.PredictResponse, repeatable: true, cancellationToken);

    /// <summary>Predicts texts.</summary>
    public Task<PredictResponse> PredictTextsAsync(
        string endpoint, IReadOnlyList<string> texts, PredictOptions? options = null, CancellationToken cancellationToken = default) =>
        PredictAsync(endpoint, new PredictRequest { Texts = texts }, options, cancellationToken);

    /// <summary>Predicts the rows of a csv text with a header.</summary>
    public Task<PredictResponse> PredictCsvAsync(
        string endpoint, ReadOnlyMemory<byte> csv, PredictOptions? options = null, CancellationToken cancellationToken = default) =>
        SendAsync(
            () =>
            {
                var content = new ReadOnlyMemoryContent(csv);
                content.Headers.ContentType = new MediaTypeHeaderValue("text/csv");
                return new HttpRequestMessage(HttpMethod.Post, PredictPath(endpoint, options)) { Content = content };
            },
            AtollJson.Default.PredictResponse, repeatable: true, cancellationToken);

    /// <summary>Compares the rows of a csv text with those that the version was trained on; nothing is predicted.</summary>
    public Task<DriftResponse> CheckDriftAsync(
        string endpoint, ReadOnlyMemory<byte> csv, int? version = null, string? alias = null, CancellationToken cancellationToken = default) =>
        SendAsync(
            () =>
            {
                var content = new ReadOnlyMemoryContent(csv);
                content.Headers.ContentType = new MediaTypeHeaderValue("text/csv");
                var query = Path($"", ("version", Number(version)), ("alias", alias))[Api.Length..];
                return new HttpRequestMessage(HttpMethod.Post, Path($"/endpoints/{endpoint}") + ":compare" + query) { Content = content };
            },
            AtollJson.Default.DriftResponse, repeatable: true, cancellationToken);

    /// <summary>Predicts image or wav files.</summary>
    public Task<PredictResponse> PredictFilesAsync(
        string endpoint, IReadOnlyList<SampleFile> files, PredictOptions? options = null, CancellationToken cancellationToken = default) =>
        SendAsync(
            () =>
            {
                var content = new MultipartFormDataContent();
                foreach (var file in files)
                {
                    var part = new ReadOnlyMemoryContent(file.Bytes);
                    part.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
                    content.Add(part, "file", file.Name);
                }
                return new HttpRequestMessage(HttpMethod.Post, PredictPath(endpoint, options)) { Content = content };
            },
            AtollJson.Default.PredictResponse, repeatable: true, cancellationToken);

    private static string PredictPath(string endpoint, PredictOptions? options)
    {
        // The verb follows the escaped name directly, as in /endpoints/leads:predict?top=3.
        var query = Path(
            $"", ("version", Number(options?.Version)), ("alias", options?.Alias), ("top", Number(options?.Top)),
            ("explain", Number(options?.Explain)), ("unknown", options is { IgnoreUnknown: true } ? "ignore" : null))[Api.Length..];
        return Path($"/endpoints/{endpoint}") + ":predict" + query;
    }
}
