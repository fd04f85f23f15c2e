using System.Globalization;
using System.Text.Json;
using Atoll.Contracts;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Datasets;

/// <summary>Versions of a dataset.</summary>
internal static class ListDatasetVersions
{
    public static async Task<Results<Ok<Page<DatasetVersionSummary>>, ProblemHttpResult>> HandleAsync(
        string dataset, [AsParameters] Paging paging, PlatformDb db, CancellationToken cancellationToken)
    {
        if (paging.Check() is { } invalid) return invalid.ToResult();

        var found = await db.Datasets().AsNoTracking().SingleOrDefaultAsync(d => d.Name == dataset, cancellationToken);
        if (found is null) return DatasetsProblems.DatasetNotFound(dataset).ToResult();

        int after = int.MaxValue;
        if (paging.After is not null && !int.TryParse(paging.After, CultureInfo.InvariantCulture, out after))
            return HttpProblems.InvalidField("after", $"is '{paging.After}'", "Give the 'next' of the page before.").ToResult();

        var rows = db.DatasetVersions().AsNoTracking().Where(version => version.DatasetId == found.Id && version.Number < after).OrderByDescending(version => version.Number);
        return TypedResults.Ok(await paging.ReadAsync(rows, row => row.Number.ToString(CultureInfo.InvariantCulture), row => ToSummary(dataset, row), cancellationToken));
    }

    public static async Task<Results<Ok<DatasetVersionResponse>, ProblemHttpResult>> HandleOneAsync(
        string dataset, string version, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        var (found, row) = await db.FindDatasetVersionAsync(dataset, version, cancellationToken);
        if (found is null) return DatasetsProblems.DatasetNotFound(dataset).ToResult();
        if (row is null) return DatasetsProblems.VersionNotFound(dataset, version).ToResult();

        return TypedResults.Ok(new DatasetVersionResponse
        {
            Dataset = dataset,
            Version = row.Number,
            Digest = row.ManifestDigest,
            CreatedUtc = row.CreatedUtc,
            Manifest = await ReadManifestAsync(row, blobs, cancellationToken),
        });
    }

    /// <summary>The manifest of a version.</summary>
    public static async Task<DatasetManifest> ReadManifestAsync(DatasetVersion version, BlobStore blobs, CancellationToken cancellationToken) =>
        JsonSerializer.Deserialize(await blobs.ReadAllAsync(version.TenantId, version.ManifestDigest, cancellationToken), AtollJson.Default.DatasetManifest)!;

    private static DatasetVersionSummary ToSummary(string dataset, DatasetVersion version) => new()
    {
        Dataset = dataset,
        Version = version.Number,
        Digest = version.ManifestDigest,
        Samples = version.SampleCount,
        Bytes = version.Bytes,
        CreatedUtc = version.CreatedUtc,
    };
}
