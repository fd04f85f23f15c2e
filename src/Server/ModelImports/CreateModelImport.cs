using System.Text.Json;
using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Jobs;
using Atoll.Platform.Limits;
using Atoll.Platform.Security;
using Atoll.Registry;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Atoll.ModelImports;

/// <summary>Takes a model file that becomes the next version of a model. The bytes are safe before the answer is sent; the import is a job.</summary>
internal static class CreateModelImport
{
    private const int LabelsMax = 10_000;
    private const int LabelCharsMax = 200;

    /// <summary>What the handler needs, taken from the request's services.</summary>
    internal readonly record struct Parts(
        HttpRequest Request, HttpResponse Response, Caller Caller, PlatformDb Db, BlobStore Blobs, DiskUsage Disk, JobQueue Jobs, TenantLimitsDirectory Limits, QueueModelImport Queue);

    public static async Task<Results<Accepted<ModelImportResponse>, Created<ModelImportResponse>, ProblemHttpResult>> HandleAsync(
        string model, [AsParameters] Parts parts, bool? wait, CancellationToken cancellationToken)
    {
        // Before the first byte is taken.
        if (Names.Check(model, "model") is { } badName) return badName.ToResult();
        if (!MultipartUpload.IsMultipart(parts.Request))
            return (HttpProblems.InvalidBody("it is not a multipart form.") with { Status = StatusCodes.Status415UnsupportedMediaType }).ToResult();
        if (await parts.Jobs.CheckRoomAsync(parts.Db, parts.Caller.TenantId, cancellationToken) is { } full) return full.ToResult(parts.Response);
        if (await RegisterModelVersion.CheckRoomAsync(model, parts.Limits.Of(parts.Caller.TenantId), parts.Db, cancellationToken) is { } noRoom) return noRoom.ToResult();
        if (parts.Disk.IsTooMuch(parts.Caller.TenantId, parts.Request.ContentLength ?? 0)) return LimitProblems.DiskFull(parts.Limits.Of(parts.Caller.TenantId)).ToResult();

        var request = new ModelImportRequest();
        var (files, refused) = await MultipartUpload.ReadAsync(parts.Request, parts.Caller.TenantId, parts.Blobs, CheckFile, Set, cancellationToken);
        if (files is null) return refused!.ToResult();
        if (files.Count == 0) return ModelImportsProblems.FileMissing().ToResult();
        var (import, refusal) = await parts.Queue.RunAsync(parts.Caller.TenantId, model, files[0], request, joins: false, wait ?? false, cancellationToken);
        return import?.State switch
        {
            null => refusal!.ToResult(parts.Response),
            ImportStates.Succeeded => TypedResults.Created($"/api/v1/models/{model}/versions/{import.Version}", import.ToWire()),
            ImportStates.Refused => ModelImportsProblems.Refused(import).ToResult(),
            _ => TypedResults.Accepted($"/api/v1/model-imports/{import.Id}", import.ToWire()),
        };

        Problem? Set(string name, string value)
        {
            if (name == "steps")
            {
                if (ReadSteps(value) is not { } steps) return ModelImportsProblems.StepsInvalid();
                request = request with { Steps = steps };
                return null;
            }
            if (name != "labels") return ModelImportsProblems.FieldUnknown(name);
            if (ReadLabels(value) is not { } labels) return ModelImportsProblems.LabelsInvalid();
            request = request with { Labels = labels };
            return null;
        }
    }

    private static Problem? CheckFile(string field, int before) =>
        field != "file" ? ModelImportsProblems.FieldUnknown(field) : before > 0 ? ModelImportsProblems.OneFile(field) : null;

    private static StepLoop? ReadSteps(string json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, AtollJson.Default.StepLoop);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static IReadOnlyList<string>? ReadLabels(string json)
    {
        try
        {
            var labels = JsonSerializer.Deserialize(json, AtollJson.Default.IReadOnlyListString);
            var fits = labels is { Count: >= 2 and <= LabelsMax } && labels.All(label => label is { Length: > 0 and <= LabelCharsMax })
                && labels.Distinct(StringComparer.Ordinal).Count() == labels.Count;
            return fits ? labels : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
