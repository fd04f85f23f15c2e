using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
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
