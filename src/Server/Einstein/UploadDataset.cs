using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Jobs;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Einstein;

/// <summary>Makes a dataset of an uploaded file, or of one behind an address.</summary>
internal static class UploadDataset
{
    private const int NameCharsMax = 180;
    private const int NameOfFileCharsMax = 100;

    public static Task<Results<Ok<EinsteinDatasetResponse>, EinsteinRefusal>> HandleAsync([AsParameters] CreateImport.Parts parts, CancellationToken cancellationToken) =>
        RunAsync(parts, wait: false, cancellationToken);

    public static Task<Results<Ok<EinsteinDatasetResponse>, EinsteinRefusal>> HandleSyncAsync([AsParameters] CreateImport.Parts parts, CancellationToken cancellationToken) =>
        RunAsync(parts, wait: true, cancellationToken);

    /// <summary>Adds a file to a dataset: its next version has what is there and what is new.</summary>
    public static async Task<Results<Ok<EinsteinDatasetResponse>, EinsteinRefusal>> HandleUpdateAsync(
        string datasetId, [AsParameters] CreateImport.Parts parts, UrlDownload download, CancellationToken cancellationToken)
    {
        if (await CreateImport.CheckRoomAsync(parts, cancellationToken) is { } noRoom) return (EinsteinRefusal)noRoom;
        if (await DescribeDataset.FindAsync(datasetId, parts.Db, parts.Blobs, cancellationToken) is not { } known) return (EinsteinRefusal)EinsteinProblems.NotFound("dataset", datasetId);
        if (known.IsBusy || known.Version is not { } version) return (EinsteinRefusal)EinsteinProblems.DatasetBusy();
        var (form, unreadable) = await EinsteinForm.ReadAsync(parts.Request, "data", 0, parts.Blobs, parts.Caller.TenantId, cancellationToken);
        if (form is null) return (EinsteinRefusal)unreadable!;
        if (CheckSource(form) is { } badSource) return (EinsteinRefusal)badSource;

        ImportFile file;
        try
        {
            file = form["path"] is { } url
                ? await download.LoadAsync(parts.Caller.TenantId, url, null, cancellationToken)
                : new ImportFile(form.Files[0].Name, form.Files[0].Stored!.Digest, null);
        }
        catch (JobRefusedException refusal)
        {
            return (EinsteinRefusal)EinsteinProblems.DownloadFailed(refusal.Message);
        }
        var there = await DatasetSamples.StoreAsync(known, [], parts.Blobs, cancellationToken);
        var upload = new UploadForm(EinsteinTypes.ImportOf(known.Row.Type, file.Name, null), DatasetSamples.Join(known.Row.Type, there, file));
        var row = known.Row;
        Task NoteAsync(Import import, CancellationToken token)
        {
            (row.VersionBefore, row.ImportId, row.UpdatedUtc) = (version.Number, import.Id, import.CreatedUtc);
            return Task.CompletedTask;
        }
        var (import, refused) = await CreateImport.RunAsync(parts, upload, row.Dataset, version.DatasetId, EinsteinTypes.PlatformTypeOf(row.Type), wait: false, NoteAsync, cancellationToken);
        return import is null
            ? (EinsteinRefusal)refused!
            : TypedResults.Ok((await DescribeDataset.ReadAsync(row, parts.Db, parts.Blobs, cancellationToken)).ToWire());
    }

    private static async Task<Results<Ok<EinsteinDatasetResponse>, EinsteinRefusal>> RunAsync(CreateImport.Parts parts, bool wait, CancellationToken cancellationToken)
    {
        if (await CreateImport.CheckDatasetsAsync(parts, cancellationToken) is { } many) return (EinsteinRefusal)many;
        if (await CreateImport.CheckRoomAsync(parts, cancellationToken) is { } noRoom) return (EinsteinRefusal)noRoom;
        var (form, unreadable) = await EinsteinForm.ReadAsync(parts.Request, "data", 0, parts.Blobs, parts.Caller.TenantId, cancellationToken);
        if (form is null) return (EinsteinRefusal)unreadable!;
        if (CheckSource(form) is { } badSource) return (EinsteinRefusal)badSource;
        if (EinsteinTypes.Check(form["type"]) is { } badType) return (EinsteinRefusal)badType;
        var (type, url) = (form["type"]!, form["path"]);
        var file = form.Files.Count > 0 ? form.Files[0].Name : Path.GetFileName(Uri.UnescapeDataString(new Uri(url!).AbsolutePath));
        if (form["name"] is { Length: > NameCharsMax }) return (EinsteinRefusal)EinsteinProblems.NameTooLong(NameCharsMax);

        var now = parts.Clock.GetUtcNow().UtcDateTime;
        var row = new EinsteinDataset
        {
            Name = form["name"] ?? (file.Length > NameOfFileCharsMax ? file[..NameOfFileCharsMax] : file.Length > 0 ? file : "data"),
            Type = type,
            Language = EinsteinTypes.LanguageOf(type, form["language"]),
            CreatedUtc = now,
            UpdatedUtc = now,
        };
        var upload = new UploadForm(EinsteinTypes.ImportOf(type, file, url), [.. form.Files.Select(one => new ImportFile(one.Name, one.Stored!.Digest, null))]);
        var (import, refused) = await CreateImport.RunAsync(
            parts, upload, "", null, EinsteinTypes.PlatformTypeOf(type), wait, (import, token) => AddAsync(row, import, parts.Db, token), cancellationToken);
        if (import is null) return (EinsteinRefusal)refused!;
        if (wait && import is { IsEnded: true, State: not ImportStates.Succeeded })
        {
            // Whoever waited is told now; nothing is left behind.
            parts.Db.EinsteinDatasets().Remove(row);
            await parts.Db.SaveChangesAsync(CancellationToken.None);
            return (EinsteinRefusal)(url is not null && import.Files.Count == 0 ? EinsteinProblems.DownloadFailed(import.Error) : EinsteinProblems.Invalid(import.Error ?? "The data cannot be used."));
        }
        return TypedResults.Ok((await DescribeDataset.ReadAsync(row, parts.Db, parts.Blobs, cancellationToken)).ToWire());
    }

    private static Problem? CheckSource(EinsteinForm form) => (form.Files.Count, form["path"]) switch
    {
        (0, null) => EinsteinProblems.DataMissing(),
        ( > 1, _) or ( > 0, not null) => EinsteinProblems.DataTwice(),
        (0, { } path) when UrlDownload.Check(path) is not null => EinsteinProblems.DownloadFailed("Give an http or https address without user and password."),
        _ => null,
    };

    /// <summary>Gives the dataset its number and its name on the platform; called while nobody else can write.</summary>
    private static async Task AddAsync(EinsteinDataset row, Import import, PlatformDb db, CancellationToken cancellationToken)
    {
        row.Number = (await db.EinsteinDatasets().MaxAsync(dataset => (long?)dataset.Number, cancellationToken) ?? EinsteinDataset.NumberFirst - 1) + 1;
        row.Dataset = import.Dataset = $"einstein-{row.Number}";
        row.ImportId = import.Id;
        db.EinsteinDatasets().Add(row);
    }
}
