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
internal sealed class LoadModel(InferenceRunner runner, QueueModelImport imports, ConfigureModel configure, BlobStore blobs, PlatformDb db)
{
    /// <returns>Why it is not there; null when it is.</returns>
    public async Task<Problem?> RunAsync(string tenantId, LoadRequest request, CancellationToken cancellationToken)
    {
        if (request.Check() is { } wrong) return wrong;
        string? version = null;
        if (request.Files.Count > 0)
        {
            if (Names.Check(request.Model, "model") is { } badName) return OpenInferenceProblems.NotLoaded(request.Model, badName);
            version = await FindSameAsync(request, cancellationToken);
            if (version is null)
            {
                foreach (var (name, bytes) in request.Files)
                {
                    (version, var refused) = await ImportAsync(tenantId, request, name, bytes, cancellationToken);
                    if (version is null) return refused;
                }
            }
        }
        else if (request.SaysSteps)
        {
            (version, var refused) = await ConfigureAsync(tenantId, request, cancellationToken);
            if (refused is not null) return refused;
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

    /// <summary>The newest version when the newest ones came of these very files: a client may load as often as it likes.</summary>
    private async Task<string?> FindSameAsync(LoadRequest request, CancellationToken cancellationToken)
    {
        var newest = await NewestAsync(request.Model, request.Files.Count, cancellationToken);
        var digests = request.Files.Reverse().Select(file => Convert.ToHexStringLower(SHA256.HashData(file.Bytes.Span)));
        var isSame = newest.Select(version => version.Lineage.FileDigest).SequenceEqual(digests) && (!request.SaysSteps || newest.All(version => AreSame(version.Signature.Steps, request.Steps)));
        return isSame ? Number(newest[0]) : null;
    }

    /// <summary>The newest version when it answers as the configuration says; otherwise it is made again as one that does.</summary>
    private async Task<Outcome<string>> ConfigureAsync(string tenantId, LoadRequest request, CancellationToken cancellationToken)
    {
        if (await NewestAsync(request.Model, 1, cancellationToken) is not [var newest])
            return OpenInferenceProblems.NotLoaded(404, ProblemCodes.NotFound, request.Model, "failed to poll from model repository");
        if (AreSame(newest.Signature.Steps, request.Steps)) return Number(newest);
        var (version, wrong) = await configure.RunAsync(tenantId, request.Model, newest, request.Steps, cancellationToken);
        return wrong is null ? version.ToString(CultureInfo.InvariantCulture) : OpenInferenceProblems.NotLoaded(400, ProblemCodes.InvalidField, request.Model, wrong);
    }

    private Task<List<ModelVersion>> NewestAsync(string model, int count, CancellationToken cancellationToken) => db.Models().AsNoTracking().Where(one => one.Name == model)
        .Join(db.ModelVersions().AsNoTracking(), one => one.Id, version => version.ModelId, (_, version) => version)
        .OrderByDescending(version => version.Number).Take(count).ToListAsync(cancellationToken);

    private static bool AreSame(StepLoop? one, StepLoop? other) =>
        JsonSerializer.Serialize(one, AtollJson.Default.StepLoop!) == JsonSerializer.Serialize(other, AtollJson.Default.StepLoop!);

    private static string Number(ModelVersion version) => version.Number.ToString(CultureInfo.InvariantCulture);

    /// <summary>The number of the version that the file became.</summary>
    private async Task<Outcome<string>> ImportAsync(string tenantId, LoadRequest request, string name, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        var model = request.Model;
        BlobReference stored;
        try
        {
            stored = await blobs.WriteAsync(tenantId, bytes, cancellationToken);
        }
        catch (LimitReachedException full)
        {
            return OpenInferenceProblems.NotLoaded(model, full.Problem);
        }
        var (import, refused) = await imports.RunAsync(tenantId, model, new UploadedFile("file", name, stored), new ModelImportRequest { Steps = request.Steps }, wait: true, cancellationToken);
        return import?.State switch
        {
            null => OpenInferenceProblems.NotLoaded(model, refused!),
            ImportStates.Succeeded => import.Version!.Value.ToString(CultureInfo.InvariantCulture),
            ImportStates.Refused => OpenInferenceProblems.NotLoaded(400, ProblemCodes.ImportRefused, model, import.Error ?? "the file cannot be used"),
            ImportStates.Failed or ImportStates.Cancelled => OpenInferenceProblems.NotLoaded(500, ProblemCodes.ImportRefused, model, $"the import {import.Id} has ended: {import.State}"),
            _ => OpenInferenceProblems.NotLoaded(503, ProblemCodes.Busy, model, $"its import goes on; see /api/v1/model-imports/{import.Id}"),
        };
    }
}
