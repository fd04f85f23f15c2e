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

        return await QueueAsync(parts, form, request.Name!, null, request.Type, wait ?? false, cancellationToken);
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

        return await QueueAsync(parts, form, dataset, found.Id, found.Type, wait ?? false, cancellationToken);
    }

    private static async Task<Outcome<UploadForm>> ReadAsync(Parts parts, CancellationToken cancellationToken)
    {
        // Before the first byte is taken.
        if (await parts.Jobs.CheckRoomAsync(parts.Db, parts.Caller.TenantId, cancellationToken) is { } full) return full;
        if (parts.Disk.IsTooMuch(parts.Caller.TenantId, parts.Request.ContentLength ?? 0)) return LimitProblems.DiskFull(parts.Limits.Of(parts.Caller.TenantId));

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
    private static async Task<Problem?> CheckDatasetsAsync(Parts parts, CancellationToken cancellationToken)
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

    private static async Task<Results<Accepted<ImportResponse>, Created<ImportResponse>, ProblemHttpResult>> QueueAsync(
        Parts parts, UploadForm form, string dataset, string? datasetId, string type, bool wait, CancellationToken cancellationToken)
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
        parts.Db.Imports().Add(import);
        if (await parts.Jobs.SaveWithJobAsync(parts.Db, parts.Caller.TenantId, DatasetsModule.ImportJob, import.Id, 0, cancellationToken) is { } full)
            return full.ToResult(parts.Response);
        Log.Queued(parts.Logger, import.Id, dataset);

        if (wait)
        {
            import = await parts.Jobs.WaitAsync(
                import, (id, token) => parts.Db.Imports().AsNoTracking().SingleAsync(row => row.Id == id, token),
                TimeSpan.FromSeconds(parts.Options.Value.WaitSecondsMax), cancellationToken);
        }
        return import.State switch
        {
            ImportStates.Succeeded => TypedResults.Created($"/api/v1/datasets/{dataset}/versions/{import.Version}", import.ToWire()),
            ImportStates.Refused => DatasetsProblems.Refused(import).ToResult(),
            _ => TypedResults.Accepted($"/api/v1/imports/{import.Id}", import.ToWire()),
        };
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Queued import {Import} for dataset {Dataset}.")]
        public static partial void Queued(ILogger logger, string import, string dataset);
    }
}
