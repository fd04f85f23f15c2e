using System.Text.Json;
using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Jobs;
using Atoll.Platform.Limits;
using Atoll.Platform.Security;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace Atoll.Datasets;

/// <summary>Takes data that becomes a dataset, or the next version of one. The bytes are safe before the answer is sent; the import is a job.</summary>
internal static partial class CreateImport
{
    /// <summary>What the handlers need, taken from the request's services.</summary>
    internal readonly record struct Parts(
        HttpRequest Request, HttpResponse Response, Caller Caller, PlatformDb Db, BlobStore Blobs, DiskUsage Disk, JobQueue Jobs, TenantLimitsDirectory Limits, TimeProvider Clock, IOptions<DatasetsOptions> Options, ILogger<Import> Logger);

    public static async Task<Results<Accepted<ImportResponse>, Created<ImportResponse>, ProblemHttpResult>> HandleNewAsync(
        [AsParameters] Parts parts, bool? wait, CancellationToken cancellationToken)
    {
        if (await CheckDatasetsAsync(parts, cancellationToken) is { } many) return many.ToResult();

        var (form, refused) = await ReadAsync(parts, cancellationToken);
        if (form is null) return refused!.ToResult(parts.Response);

        var request = form.Request;
        if (Names.Check(request.Name) is { } badName) return badName.ToResult();
        if (request.Type is null) return DatasetsProblems.TypeMissing().ToResult();
        if (DatasetFormats.Find(request.Type) is null) return DatasetsProblems.TypeUnknown(request.Type).ToResult();
        if (await parts.Db.Datasets().AnyAsync(dataset => dataset.Name == request.Name, cancellationToken)) return DatasetsProblems.DatasetExists(request.Name!).ToResult();

        var running = await parts.Db.Imports().AsNoTracking()
            .FirstOrDefaultAsync(import => import.Dataset == request.Name && import.DatasetId == null && (import.State == ImportStates.Queued || import.State == ImportStates.Running), cancellationToken);
        if (running is not null) return DatasetsProblems.ImportRunning(request.Name!, running.Id).ToResult();

        return Answer(parts, await RunAsync(parts, form, request.Name!, null, request.Type, wait ?? false, null, cancellationToken));
    }

    public static async Task<Results<Accepted<ImportResponse>, Created<ImportResponse>, ProblemHttpResult>> HandleVersionAsync(
        string dataset, [AsParameters] Parts parts, bool? wait, CancellationToken cancellationToken)
    {
        var found = await parts.Db.Datasets().AsNoTracking().SingleOrDefaultAsync(d => d.Name == dataset, cancellationToken);
        if (found is null) return DatasetsProblems.DatasetNotFound(dataset).ToResult();

        var (form, refused) = await ReadAsync(parts, cancellationToken);
        if (form is null) return refused!.ToResult(parts.Response);
        if (form.Request.Name is { } name && name != dataset)
            return HttpProblems.InvalidField("name", $"is '{name}', the address says '{dataset}'", "Leave it out.").ToResult();
        if (form.Request.Type is { } type && type != found.Type)
            return HttpProblems.InvalidField("type", $"is '{type}', the dataset is '{found.Type}'", "Leave it out, or make another dataset.").ToResult();

        return Answer(parts, await RunAsync(parts, form, dataset, found.Id, found.Type, wait ?? false, null, cancellationToken));
    }

    /// <summary>Why no upload would be taken now; null when one would. Asked before the first byte of it is read.</summary>
    public static async Task<Problem?> CheckRoomAsync(Parts parts, CancellationToken cancellationToken)
    {
        if (await parts.Jobs.CheckRoomAsync(parts.Db, parts.Caller.TenantId, cancellationToken) is { } full) return full;
        return parts.Disk.IsTooMuch(parts.Caller.TenantId, parts.Request.ContentLength ?? 0) ? LimitProblems.DiskFull(parts.Limits.Of(parts.Caller.TenantId)) : null;
    }

    private static async Task<Outcome<UploadForm>> ReadAsync(Parts parts, CancellationToken cancellationToken)
    {
        if (await CheckRoomAsync(parts, cancellationToken) is { } noRoom) return noRoom;

        UploadForm form;
        if (parts.Request.HasJsonContentType())
        {
            ImportRequest? request;
            try
            {
                request = await parts.Request.ReadFromJsonAsync(AtollJson.Default.ImportRequest, cancellationToken);
            }
            catch (JsonException exception)
            {
                return HttpProblems.InvalidBody(exception.Message);
            }

            if (request?.Url is null) return HttpProblems.InvalidField("url", "is missing", "Give the address of a file, or send the file itself as a multipart form.");
            if (UrlDownload.Check(request.Url) is { } badUrl) return badUrl;

            form = new UploadForm(request, []);
        }
        else if (MultipartUpload.IsMultipart(parts.Request))
        {
            var (read, refused) = await UploadForm.ReadAsync(parts.Request, parts.Caller.TenantId, parts.Blobs, cancellationToken);
            if (read is null) return refused!;
            if (read.Files.Count == 0) return DatasetsProblems.FileMissing();

            form = read;
        }
        else
        {
            return HttpProblems.InvalidBody("it is neither a multipart form nor JSON.") with { Status = StatusCodes.Status415UnsupportedMediaType };
        }

        return Check(form.Request) is { } problem ? problem : form;
    }

    /// <summary>Imports under way count: each of them makes a dataset.</summary>
    public static async Task<Problem?> CheckDatasetsAsync(Parts parts, CancellationToken cancellationToken)
    {
        var limits = parts.Limits.Of(parts.Caller.TenantId);
        var count = await parts.Db.Datasets().CountAsync(cancellationToken) + await parts.Db.Imports()
            .CountAsync(import => import.DatasetId == null && (import.State == ImportStates.Queued || import.State == ImportStates.Running), cancellationToken);
        return count >= limits.DatasetsMax ? LimitProblems.TooManyDatasets(limits) : null;
    }

    private static Problem? Check(ImportRequest request)
    {
        if (request.Split is { } split && Splits.Parse(split) is null) return HttpProblems.InvalidField("split", $"is '{split}'", "Use train, validation or test.");
        if (request.TestFraction is not (null or (>= 0 and <= 0.9))) return HttpProblems.InvalidField("testFraction", $"is {request.TestFraction}", "Give a share from 0 to 0.9.");
        if (request.Delimiter is { } delimiter && (delimiter.Length != 1 || delimiter[0] is '"' or '\r' or '\n' or '\0'))
            return HttpProblems.InvalidField("delimiter", "is not one usable character", "Give one character, such as ; or a tab.");
        if (request.Columns?.FirstOrDefault(column => column.Value is null).Key is { } untyped) return HttpProblems.InvalidField($"columns.{untyped}", "is null", "Name a type, or leave the column out.");
        if (request.MissingMarkers?.Any(marker => marker is null) == true) return HttpProblems.InvalidField("missingMarkers", "has null in it", "Give texts.");

        return null;
    }

    /// <summary>Puts an import in line and, when asked to, waits for its end; or says why it was not taken.</summary>
    /// <param name="datasetId">The dataset that gets a version; null when the import makes it.</param>
    /// <param name="alongside">Adds rows to the same unit of work, while nobody else can write; it may still name the dataset.</param>
    public static async Task<Outcome<Import>> RunAsync(
        Parts parts, UploadForm form, string dataset, string? datasetId, string type, bool wait, Func<Import, CancellationToken, Task>? alongside, CancellationToken cancellationToken)
    {
        var import = new Import
        {
            Id = Ids.New("imp", parts.Clock),
            Dataset = dataset,
            DatasetId = datasetId,
            Type = type,
            State = ImportStates.Queued,
            Request = form.Request,
            Files = form.Files,
            CreatedUtc = parts.Clock.GetUtcNow().UtcDateTime,
        };
        async Task<string?> AddAsync(CancellationToken token)
        {
            if (alongside is not null) await alongside(import, token);
            parts.Db.Imports().Add(import);
            return import.Id;
        }
        if (await parts.Jobs.SaveWithJobAsync(parts.Db, parts.Caller.TenantId, DatasetsModule.ImportJob, AddAsync, 0, cancellationToken) is { } full) return full;
        Log.Queued(parts.Logger, import.Id, import.Dataset);
        return wait
            ? await parts.Jobs.WaitAsync(
                import, (id, token) => parts.Db.Imports().AsNoTracking().SingleAsync(row => row.Id == id, token),
                TimeSpan.FromSeconds(parts.Options.Value.WaitSecondsMax), cancellationToken)
            : import;
    }

    private static Results<Accepted<ImportResponse>, Created<ImportResponse>, ProblemHttpResult> Answer(Parts parts, Outcome<Import> outcome) => outcome.Value switch
    {
        null => outcome.Problem!.ToResult(parts.Response),
        { State: ImportStates.Succeeded } import => TypedResults.Created($"/api/v1/datasets/{import.Dataset}/versions/{import.Version}", import.ToWire()),
        { State: ImportStates.Refused } import => DatasetsProblems.Refused(import).ToResult(),
        var import => TypedResults.Accepted($"/api/v1/imports/{import.Id}", import.ToWire()),
    };

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Queued import {Import} for dataset {Dataset}.")]
        public static partial void Queued(ILogger logger, string import, string dataset);
    }
}
