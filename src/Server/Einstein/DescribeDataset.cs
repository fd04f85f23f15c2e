using System.Globalization;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Einstein;

/// <summary>A dataset with what the platform knows of it.</summary>
/// <param name="Version">What was uploaded last; null while the first upload is on its way, and when it failed.</param>
/// <param name="Added">Labels of single examples that were added since, with their numbers.</param>
internal sealed record KnownDataset(EinsteinDataset Row, Import? Import, DatasetVersion? Version, DatasetManifest? Manifest, IReadOnlyDictionary<string, int> Added)
{
    public bool IsBusy => Import is { IsEnded: false };

    public IReadOnlyList<EinsteinLabel> Labels =>
    [
        .. (Manifest?.Labels ?? []).Select((label, i) => new EinsteinLabel
        {
            Id = EinsteinText.LabelId(Row.Number, i),
            DatasetId = Row.Number,
            Name = label,
            NumExamples = UploadedOf(label) + Added.GetValueOrDefault(label),
        }),
    ];

    /// <summary>Examples of a label that came in files.</summary>
    public long UploadedOf(string label) => Manifest?.Statistics.Labels.FirstOrDefault(count => count.Label == label)?.Count ?? 0;

    public EinsteinDatasetResponse ToWire()
    {
        var labels = IsBusy ? [] : Labels;
        return new EinsteinDatasetResponse
        {
            Id = Row.Number,
            Name = Row.Name,
            CreatedAt = EinsteinText.Date(Row.CreatedUtc),
            UpdatedAt = EinsteinText.Date(Import?.EndedUtc ?? Row.UpdatedUtc),
            LabelSummary = new EinsteinLabelSummary(labels),
            TotalExamples = IsBusy ? 0 : (Manifest?.Statistics.Samples ?? 0) + Added.Values.Sum(),
            TotalLabels = labels.Count,
            Available = !IsBusy && Version is not null,
            StatusMsg = IsBusy ? "UPLOADING" : Import is null or { State: ImportStates.Succeeded } ? "SUCCEEDED" : $"FAILED: {Import.Error ?? "The upload was cancelled."}",
            Type = Row.Type,
            Language = Row.Language,
            NumOfDuplicates = IsBusy ? 0 : Manifest?.Statistics.Duplicates ?? 0,
        };
    }
}

/// <summary>Datasets of the tenant, by number.</summary>
internal static class DescribeDataset
{
    private const int PageMax = 25;

    public static async Task<Ok<EinsteinList<EinsteinDatasetResponse>>> HandleListAsync(
        EinsteinKind kind, string? offset, string? count, string? global, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        // There are none that everybody shares.
        if (global?.Trim().Equals("true", StringComparison.OrdinalIgnoreCase) == true) return TypedResults.Ok(new EinsteinList<EinsteinDatasetResponse>([]));
        var (skip, take) = EinsteinText.Page(offset, count, PageMax);
        var isVision = kind == EinsteinKind.Vision;
        var rows = await db.EinsteinDatasets().AsNoTracking()
            .Where(row => row.DeletedUtc == null && (row.Type == EinsteinTypes.Image) == isVision)
            .OrderBy(row => row.Number).Skip(skip).Take(take).ToListAsync(cancellationToken);
        var datasets = new List<EinsteinDatasetResponse>();
        foreach (var row in rows) datasets.Add((await ReadAsync(row, db, blobs, cancellationToken)).ToWire());
        return TypedResults.Ok(new EinsteinList<EinsteinDatasetResponse>(datasets));
    }

    public static async Task<Results<Ok<EinsteinDatasetResponse>, EinsteinRefusal>> HandleAsync(string datasetId, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken) =>
        await FindAsync(datasetId, db, blobs, cancellationToken) is { } known ? TypedResults.Ok(known.ToWire()) : (EinsteinRefusal)EinsteinProblems.NotFound("dataset", datasetId);

    /// <summary>A dataset that is there; null for all others.</summary>
    public static async Task<KnownDataset?> FindAsync(string? id, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken) =>
        long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
        && await db.EinsteinDatasets().SingleOrDefaultAsync(row => row.Number == number && row.DeletedUtc == null, cancellationToken) is { } row
        && await ReadAsync(row, db, blobs, cancellationToken) is var known && !IsGone(known) ? known : null;

    public static async Task<KnownDataset> ReadAsync(EinsteinDataset row, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        var import = await db.Imports().AsNoTracking().SingleOrDefaultAsync(one => one.Id == row.ImportId, cancellationToken);

        // Versions that were made for a training are not what was uploaded.
        var number = (import?.State == ImportStates.Succeeded ? import.Version : row.VersionBefore) ?? 0;
        var (_, version) = await db.FindDatasetVersionAsync(row.Dataset, number.ToString(CultureInfo.InvariantCulture), cancellationToken);
        var added = await db.EinsteinExamples().Where(example => example.DatasetNumber == row.Number && !example.IsFeedback)
            .GroupBy(example => example.Label).Select(group => new { Label = group.Key, Count = group.Count() }).ToDictionaryAsync(group => group.Label, group => group.Count, cancellationToken);
        return new KnownDataset(row, import, version, version is null ? null : await ListDatasetVersions.ReadManifestAsync(version, blobs, cancellationToken), added);
    }

    // Its owner deleted it by the platform's own API.
    private static bool IsGone(KnownDataset known) => known is { Version: null, Import: null or { State: ImportStates.Succeeded } };
}
