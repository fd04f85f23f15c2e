using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Atoll.Contracts;

namespace Atoll.Client;

/// <summary>Which samples to list; what is null is not asked for.</summary>
public sealed record SampleFilter(string? Split = null, string? Label = null);

public sealed partial class AtollClient
{
    // Uploads wait for a disk and a network of any speed; a server that takes none of it ends them by itself.
    private static readonly TimeSpan UploadTimeout = TimeSpan.FromHours(24);
    private static readonly TimeSpan ImportInterval = TimeSpan.FromMilliseconds(250);

    /// <summary>Makes a dataset of files, which are read while they are sent.</summary>
    /// <param name="request">Name, type, and how to read the files.</param>
    /// <param name="files">What to upload.</param>
    /// <param name="progress">Hears how many bytes were read.</param>
    /// <param name="cancellationToken">Breaks the upload off; nothing is made then.</param>
    /// <returns>The import, which goes on at the server; see <see cref="FollowImportAsync"/>.</returns>
    public Task<ImportResponse> CreateDatasetAsync(
        ImportRequest request, IReadOnlyList<DatasetFile> files, IProgress<TransferProgress>? progress = null, CancellationToken cancellationToken = default) =>
        UploadAsync(Path($"/datasets"), request, files, progress, cancellationToken);

    /// <summary>Makes a dataset of a file that the server loads from <see cref="ImportRequest.Url"/>.</summary>
    public Task<ImportResponse> CreateDatasetAsync(ImportRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(Path($"/datasets"), request, AtollJson.Default.ImportRequest, AtollJson.Default.ImportResponse, idempotencyKey: null, cancellationToken);

    /// <summary>Makes the next version of a dataset of files.</summary>
    public Task<ImportResponse> CreateDatasetVersionAsync(
        string dataset, ImportRequest request, IReadOnlyList<DatasetFile> files, IProgress<TransferProgress>? progress = null,
        CancellationToken cancellationToken = default) =>
        UploadAsync(Path($"/datasets/{dataset}/versions"), request, files, progress, cancellationToken);

    /// <summary>Makes the next version of a dataset of a file that the server loads from <see cref="ImportRequest.Url"/>.</summary>
    public Task<ImportResponse> CreateDatasetVersionAsync(string dataset, ImportRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(
            Path($"/datasets/{dataset}/versions"), request,
            AtollJson.Default.ImportRequest, AtollJson.Default.ImportResponse, idempotencyKey: null, cancellationToken);

    /// <summary>Where an import stands.</summary>
    public Task<ImportResponse> GetImportAsync(string import, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/imports/{import}"), AtollJson.Default.ImportResponse, cancellationToken);

    /// <summary>Stops an import; nothing of it remains.</summary>
    public Task<ImportResponse> CancelImportAsync(string import, CancellationToken cancellationToken = default) =>
        PostAsync(Path($"/imports/{import}") + ":cancel", AtollJson.Default.ImportResponse, cancellationToken);

    /// <summary>An import as it goes on; the last one has ended. An import whose data was refused is an answer, not an error.</summary>
    public async IAsyncEnumerable<ImportResponse> FollowImportAsync(string import, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (true)
        {
            var now = await GetImportAsync(import, cancellationToken).ConfigureAwait(false);
            yield return now;
            if (ImportStates.IsEnded(now.State)) yield break;
            await Task.Delay(ImportInterval, _options.Clock, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>One page of datasets, by name.</summary>
    public Task<Page<DatasetResponse>> ListDatasetsPageAsync(string? after = null, int? limit = null, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/datasets", ("after", after), ("limit", Number(limit))), AtollJson.Default.PageDatasetResponse, cancellationToken);

    /// <summary>All datasets, by name.</summary>
    public IAsyncEnumerable<DatasetResponse> ListDatasetsAsync(CancellationToken cancellationToken = default) =>
        AllAsync((after, token) => ListDatasetsPageAsync(after, null, token), cancellationToken);

    /// <summary>A dataset with the size of its newest version.</summary>
    public Task<DatasetResponse> GetDatasetAsync(string dataset, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/datasets/{dataset}"), AtollJson.Default.DatasetResponse, cancellationToken);

    /// <summary>Deletes a dataset with its versions; models that learned from it stay.</summary>
    public Task DeleteDatasetAsync(string dataset, CancellationToken cancellationToken = default) => DeleteAsync(Path($"/datasets/{dataset}"), cancellationToken);

    /// <summary>One page of a dataset's versions, newest first.</summary>
    public Task<Page<DatasetVersionSummary>> ListDatasetVersionsPageAsync(
        string dataset, string? after = null, int? limit = null, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/datasets/{dataset}/versions", ("after", after), ("limit", Number(limit))), AtollJson.Default.PageDatasetVersionSummary, cancellationToken);

    /// <summary>A version with its schema, labels, splits and statistics.</summary>
    /// <param name="dataset">Name of the dataset.</param>
    /// <param name="version">A number or <c>latest</c>.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    public Task<DatasetVersionResponse> GetDatasetVersionAsync(string dataset, string version, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/datasets/{dataset}/versions/{version}"), AtollJson.Default.DatasetVersionResponse, cancellationToken);

    /// <summary>One page of samples, of any type.</summary>
    public Task<Page<SampleResponse>> ListSamplesPageAsync(
        string dataset, string version, SampleFilter? filter = null, string? after = null, int? limit = null, CancellationToken cancellationToken = default) =>
        GetAsync(
            Path($"/datasets/{dataset}/versions/{version}/samples", ("split", filter?.Split), ("label", filter?.Label), ("after", after), ("limit", Number(limit))),
            AtollJson.Default.PageSampleResponse, cancellationToken);

    /// <summary>All samples of a version, of any type.</summary>
    public IAsyncEnumerable<SampleResponse> ListSamplesAsync(
        string dataset, string version, SampleFilter? filter = null, CancellationToken cancellationToken = default) =>
        AllAsync((after, token) => ListSamplesPageAsync(dataset, version, filter, after, null, token), cancellationToken);

    /// <summary>The bytes of a sample: the image or the sound, the text, or the row as csv.</summary>
    public async Task<byte[]> DownloadSampleAsync(string dataset, string version, long sample, CancellationToken cancellationToken = default)
    {
        using var response = await SendAsync(
            () => new HttpRequestMessage(HttpMethod.Get, Path($"/datasets/{dataset}/versions/{version}/samples/{sample}/content")),
            repeatable: true, _options.Timeout, cancellationToken).ConfigureAwait(false);
        return await response.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
    }

    // Not repeated by itself: the files may be large, and what went wrong may go wrong again.
    private Task<ImportResponse> UploadAsync(
        string path, ImportRequest request, IReadOnlyList<DatasetFile> files, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        var total = files.All(file => file.Length is not null) ? files.Sum(file => file.Length) : null;
        var sent = 0L;
        return SendAsync(
            () =>
            {
                var form = new MultipartFormDataContent();
                // The fields go first, so that the server can refuse them before it reads the files.
                foreach (var (name, value) in Fields(request)) form.Add(new StringContent(value, Encoding.UTF8), name);
                foreach (var file in files)
                {
                    var content = file.ToContent(count => progress?.Report(new TransferProgress(sent += count, total)));
                    form.Add(content, file.Split ?? "file", file.Name);
                }
                return new HttpRequestMessage(HttpMethod.Post, path) { Content = form };
            },
            AtollJson.Default.ImportResponse, repeatable: false, cancellationToken, UploadTimeout);
    }

    private static IEnumerable<(string Name, string Value)> Fields(ImportRequest request)
    {
        // The record's own JSON names and forms; values that are not texts go as JSON.
        using var document = JsonSerializer.SerializeToDocument(request, AtollJson.Default.ImportRequest);
        foreach (var member in document.RootElement.EnumerateObject())
            yield return (member.Name, member.Value.ValueKind == JsonValueKind.String ? member.Value.GetString()! : member.Value.GetRawText());
    }
}
