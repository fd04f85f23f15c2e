using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Atoll.Contracts;

namespace Atoll.Client;

public sealed partial class AtollClient
{
    /// <summary>One page of models, by name.</summary>
    public Task<Page<ModelResponse>> ListModelsPageAsync(string? after = null, int? limit = null, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/models", ("after", after), ("limit", Number(limit))), AtollJson.Default.PageModelResponse, cancellationToken);

    /// <summary>All models, by name.</summary>
    public IAsyncEnumerable<ModelResponse> ListModelsAsync(CancellationToken cancellationToken = default) =>
        AllAsync((after, token) => ListModelsPageAsync(after, null, token), cancellationToken);

    /// <summary>A model with its aliases.</summary>
    public Task<ModelResponse> GetModelAsync(string model, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/models/{model}"), AtollJson.Default.ModelResponse, cancellationToken);

    /// <summary>Deletes a model with all its versions.</summary>
    public Task DeleteModelAsync(string model, CancellationToken cancellationToken = default) => DeleteAsync(Path($"/models/{model}"), cancellationToken);

    /// <summary>One page of a model's versions, newest first.</summary>
    public Task<Page<ModelVersionResponse>> ListModelVersionsPageAsync(
        string model, string? after = null, int? limit = null, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/models/{model}/versions", ("after", after), ("limit", Number(limit))), AtollJson.Default.PageModelVersionResponse, cancellationToken);

    /// <summary>One version of a model.</summary>
    /// <param name="model">Name of the model.</param>
    /// <param name="version">A number or an alias.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    public Task<ModelVersionResponse> GetModelVersionAsync(string model, string version, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/models/{model}/versions/{version}"), AtollJson.Default.ModelVersionResponse, cancellationToken);

    /// <summary>Deletes one version; its number is never used again.</summary>
    public Task DeleteModelVersionAsync(string model, int version, CancellationToken cancellationToken = default) =>
        DeleteAsync(Path($"/models/{model}/versions/{version}"), cancellationToken);

    /// <summary>Makes the next version of a model of a file, which is read while it is sent.</summary>
    /// <returns>The import, which goes on at the server; see <see cref="FollowModelImportAsync"/>.</returns>
    public Task<ModelImportResponse> ImportModelVersionAsync(
        string model, DatasetFile file, ModelImportRequest? request = null, IProgress<TransferProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        var sent = 0L;
        return SendAsync(
            () =>
            {
                var form = new MultipartFormDataContent();
                if (request?.Labels is { } labels)
                    form.Add(new StringContent(JsonSerializer.Serialize(labels, AtollJson.Default.IReadOnlyListString), Encoding.UTF8), "labels");
                if (request?.Steps is { } steps) form.Add(new StringContent(JsonSerializer.Serialize(steps, AtollJson.Default.StepLoop), Encoding.UTF8), "steps");
                form.Add(file.ToContent(count => progress?.Report(new TransferProgress(sent += count, file.Length))), "file", file.Name);
                return new HttpRequestMessage(HttpMethod.Post, Path($"/models/{model}/versions")) { Content = form };
            },
            AtollJson.Default.ModelImportResponse, repeatable: false, cancellationToken, UploadTimeout);
    }

    /// <summary>Where the import of a model stands.</summary>
    public Task<ModelImportResponse> GetModelImportAsync(string import, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/model-imports/{import}"), AtollJson.Default.ModelImportResponse, cancellationToken);

    /// <summary>Stops the import of a model; nothing of it remains.</summary>
    public Task<ModelImportResponse> CancelModelImportAsync(string import, CancellationToken cancellationToken = default) =>
        PostAsync(Path($"/model-imports/{import}") + ":cancel", AtollJson.Default.ModelImportResponse, cancellationToken);

    /// <summary>The import of a model as it goes on; the last one has ended. A model that was refused is an answer, not an error.</summary>
    public async IAsyncEnumerable<ModelImportResponse> FollowModelImportAsync(string import, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (true)
        {
            var now = await GetModelImportAsync(import, cancellationToken).ConfigureAwait(false);
            yield return now;
            if (ImportStates.IsEnded(now.State)) yield break;
            await Task.Delay(ImportInterval, _options.Clock, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>How a version was chosen and how well it did, or what was found out about an imported one.</summary>
    public Task<ModelReportResponse> GetModelReportAsync(string model, string version, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/models/{model}/versions/{version}/report"), AtollJson.Default.ModelReportResponse, cancellationToken);

    /// <summary>What is known of a version and what is not.</summary>
    public Task<ModelCardResponse> GetModelCardAsync(string model, string version, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/models/{model}/versions/{version}/card"), AtollJson.Default.ModelCardResponse, cancellationToken);

    /// <summary>Copies the card of a version to a stream, as a page that needs nothing else.</summary>
    /// <returns>The number of bytes.</returns>
    public Task<long> DownloadModelCardAsync(string model, string version, Stream target, CancellationToken cancellationToken = default) =>
        DownloadAsync(Path($"/models/{model}/versions/{version}/card"), target, null, cancellationToken, "text/html");

    /// <summary>Says what a model is meant for, instead of what was said before.</summary>
    public Task<ModelNotes> SetModelNotesAsync(string model, ModelNotes notes, CancellationToken cancellationToken = default) =>
        PutAsync(Path($"/models/{model}/notes"), notes, AtollJson.Default.ModelNotes, AtollJson.Default.ModelNotes, cancellationToken);

    /// <summary>Copies the ONNX file of a version to a stream.</summary>
    /// <returns>The number of bytes.</returns>
    public Task<long> DownloadModelAsync(
        string model, string version, Stream target, IProgress<TransferProgress>? progress = null, CancellationToken cancellationToken = default) =>
        DownloadAsync(Path($"/models/{model}/versions/{version}/artifact"), target, progress, cancellationToken);

    private async Task<long> DownloadAsync(
        string path, Stream target, IProgress<TransferProgress>? progress, CancellationToken cancellationToken, string? accept = null)
    {
        using var response = await SendAsync(
            () =>
            {
                var request = new HttpRequestMessage(HttpMethod.Get, path);
                if (accept is not null) request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(accept));
                return request;
            },
            repeatable: true, _options.Timeout, cancellationToken).ConfigureAwait(false);
        var source = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        await using (source.ConfigureAwait(false))
        {
            var total = response.Content.Headers.ContentLength;
            var done = 0L;
            var buffer = new byte[81920];
            int read;
            while ((read = await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
            {
                await target.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
                done += read;
                progress?.Report(new TransferProgress(done, total));
            }
            return done;
        }
    }

    /// <summary>Lets an alias name a version; gives that version.</summary>
    public Task<ModelVersionResponse> MoveAliasAsync(string model, string alias, int version, CancellationToken cancellationToken = default) =>
        PutAsync(
            Path($"/models/{model}/aliases/{alias}"), new MoveAliasRequest { Version = version },
            AtollJson.Default.MoveAliasRequest, AtollJson.Default.ModelVersionResponse, cancellationToken);

    /// <summary>Removes an alias; the version stays.</summary>
    public Task DeleteAliasAsync(string model, string alias, CancellationToken cancellationToken = default) =>
        DeleteAsync(Path($"/models/{model}/aliases/{alias}"), cancellationToken);

    /// <summary>Moves an environment's alias to a version if its gates hold. A gate that does not hold is an answer, not an error.</summary>
    public Task<PromotionResponse> PromoteAsync(string model, PromoteRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(
            Path($"/models/{model}") + ":promote", request,
            AtollJson.Default.PromoteRequest, AtollJson.Default.PromotionResponse, idempotencyKey: null, cancellationToken);

    /// <summary>One page of a model's promotions, newest first.</summary>
    public Task<Page<PromotionResponse>> ListPromotionsPageAsync(
        string model, string? after = null, int? limit = null, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/models/{model}/promotions", ("after", after), ("limit", Number(limit))), AtollJson.Default.PagePromotionResponse, cancellationToken);
}

/// <summary>How much of an upload or download is done.</summary>
/// <param name="Bytes">Bytes so far.</param>
/// <param name="Total">All bytes, when known.</param>
public readonly record struct TransferProgress(long Bytes, long? Total);
