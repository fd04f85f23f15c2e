using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Atoll.Contracts;
using Atoll.ModelImports;
using Atoll.Platform;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Limits;
using Atoll.Registry;
using Atoll.Serving;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Prediction.OpenInference;

/// <summary>Brings a model into memory before it is asked; files that come along become versions first, by the way of every import.</summary>
internal sealed class LoadModel(InferenceRunner runner, QueueModelImport imports, ConfigureModel configure, BlobStore blobs, TenantLimitsDirectory limits, PlatformDb db)
{
    /// <returns>Why it is not there; null when it is.</returns>
    public async Task<Problem?> RunAsync(string tenantId, LoadRequest request, CancellationToken cancellationToken)
    {
        if (request.Check() is { } wrong) return wrong;
        string? version = null;
        if (request.Files.Count > 0)
        {
            if (Names.Check(request.Model, "model") is { } badName) return OpenInferenceProblems.NotLoaded(request.Model, badName);
            var (last, number) = (request.Files.Count, 0);
            foreach (var (name, bytes) in request.Files)
            {
                (version, var refused) = await TakeAsync(tenantId, request, name, bytes, isLast: ++number == last, cancellationToken);
                if (version is null) return refused;
            }
        }
        else if (request.SaysSteps)
        {
            if (await FindLatestAsync(request.Model, cancellationToken) is not { } latest)
                return OpenInferenceProblems.NotLoaded(404, ProblemCodes.NotFound, request.Model, "failed to poll from model repository");
            (version, var refused) = await ConfigureAsync(tenantId, request, latest, isLast: true, cancellationToken);
            if (version is null) return refused;
        }
        var (route, _) = await runner.FindAsync(tenantId, request.Model, version, cancellationToken);
        if (route is null) return OpenInferenceProblems.NotLoaded(404, ProblemCodes.NotFound, request.Model, "failed to poll from model repository");
        try
        {
            var (lease, full) = await runner.LeaseAsync(route, cancellationToken);
            if (full is null) lease.Dispose();
            return full is { Code: ProblemCodes.ModelNotLoadable } ? OpenInferenceProblems.NotLoaded(400, full.Code, request.Model, full.Detail) : full;
        }
        catch (ModelLoadException failure)
        {
            return OpenInferenceProblems.NotLoaded(400, ProblemCodes.InvalidField, request.Model, failure.Message);
        }
    }

    /// <summary>The number of the version that a file is, or becomes: a client may load as often as it likes.</summary>
    private async Task<Outcome<string>> TakeAsync(
        string tenantId, LoadRequest request, string name, ReadOnlyMemory<byte> bytes, bool isLast, CancellationToken cancellationToken) =>
        await FindOfFileAsync(request.Model, Convert.ToHexStringLower(SHA256.HashData(bytes.Span)), cancellationToken) is { } same
            ? await ConfigureAsync(tenantId, request, same, isLast, cancellationToken)
            : await ImportAsync(tenantId, request, name, bytes, cancellationToken);

    /// <summary>The number of the version that has the bytes of this one and answers as the configuration says.</summary>
    /// <param name="isLast">The endpoint goes on with it.</param>
    private async Task<Outcome<string>> ConfigureAsync(string tenantId, LoadRequest request, ModelVersion version, bool isLast, CancellationToken cancellationToken)
    {
        var steps = request.SaysSteps ? request.Steps : version.Signature.Steps;
        if (AreSame(version.Signature.Steps, steps) && (!isLast || (await FindLatestAsync(request.Model, cancellationToken))?.Number == version.Number)) return Text(version.Number);
        var (number, problem) = await configure.RunAsync(tenantId, request.Model, version, steps, isLast, cancellationToken);
        return problem is null ? Text(number) : OpenInferenceProblems.NotLoaded(request.Model, problem);
    }

    /// <summary>The version that came of this very file: the latest if it did, otherwise the newest.</summary>
    private async Task<ModelVersion?> FindOfFileAsync(string model, string digest, CancellationToken cancellationToken)
    {
        var versions = db.ModelVersions().AsNoTracking().Where(version => db.Models().Any(one => one.Id == version.ModelId && one.Name == model));
        var numbers = await versions.OrderByDescending(version => version.Number).Select(version => new { version.Number, version.Lineage }).ToListAsync(cancellationToken);
        numbers.RemoveAll(version => version.Lineage.FileDigest != digest);
        if (numbers.Count == 0) return null;
        if (await FindLatestAsync(model, cancellationToken) is { } latest && latest.Lineage.FileDigest == digest) return latest;
        var newest = numbers[0].Number;
        return await versions.SingleOrDefaultAsync(version => version.Number == newest, cancellationToken);
    }

    private async Task<ModelVersion?> FindLatestAsync(string model, CancellationToken cancellationToken) =>
        await db.Models().Where(one => one.Name == model).Select(one => one.Id).SingleOrDefaultAsync(cancellationToken) is { } id
            ? await db.FindVersionAsync(id, Aliases.Latest, cancellationToken)
            : null;

    private static bool AreSame(StepLoop? one, StepLoop? other) =>
        JsonSerializer.Serialize(one, AtollJson.Default.StepLoop!) == JsonSerializer.Serialize(other, AtollJson.Default.StepLoop!);

    private static string Text(int version) => version.ToString(CultureInfo.InvariantCulture);

    /// <summary>The number of the version that the file became.</summary>
    private async Task<Outcome<string>> ImportAsync(string tenantId, LoadRequest request, string name, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        var model = request.Model;
        if (await RegisterModelVersion.CheckRoomAsync(model, limits.Of(tenantId), db, cancellationToken) is { } noRoom) return OpenInferenceProblems.NotLoaded(model, noRoom);
        BlobReference stored;
        try
        {
            stored = await blobs.WriteAsync(tenantId, bytes, cancellationToken);
        }
        catch (LimitReachedException full)
        {
            return OpenInferenceProblems.NotLoaded(model, full.Problem);
        }
        var (import, refused) = await imports.RunAsync(tenantId, model, new UploadedFile("file", name, stored), new ModelImportRequest { Steps = request.Steps }, joins: true, wait: true, cancellationToken);
        return import?.State switch
        {
            null => OpenInferenceProblems.NotLoaded(model, refused!),
            ImportStates.Succeeded => Text(import.Version!.Value),
            ImportStates.Refused => OpenInferenceProblems.NotLoaded(400, ProblemCodes.ImportRefused, model, import.Error ?? "the file cannot be used"),
            ImportStates.Failed or ImportStates.Cancelled => OpenInferenceProblems.NotLoaded(500, ProblemCodes.ImportRefused, model, $"the import {import.Id} has ended: {import.State}"),
            _ => OpenInferenceProblems.NotLoaded(503, ProblemCodes.Busy, model, $"its import goes on; see /api/v1/model-imports/{import.Id}"),
        };
    }
}
