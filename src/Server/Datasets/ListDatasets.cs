using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Datasets;

/// <summary>Datasets of the tenant by name.</summary>
internal static class ListDatasets
{
    public static async Task<Results<Ok<Page<DatasetResponse>>, ProblemHttpResult>> HandleAsync(
        [AsParameters] Paging paging, PlatformDb db, CancellationToken cancellationToken)
    {
        if (paging.Check() is { } invalid) return invalid.ToResult();

        var after = paging.After ?? "";
        var rows = Rows(db, db.Datasets().AsNoTracking().Where(dataset => string.Compare(dataset.Name, after) > 0).OrderBy(dataset => dataset.Name));
        return TypedResults.Ok(await paging.ReadAsync(rows, row => row.Dataset.Name, ToWire, cancellationToken));
    }

    public static async Task<Results<Ok<DatasetResponse>, ProblemHttpResult>> HandleOneAsync(string dataset, PlatformDb db, CancellationToken cancellationToken)
    {
        var row = await Rows(db, db.Datasets().AsNoTracking().Where(d => d.Name == dataset)).SingleOrDefaultAsync(cancellationToken);
        return row is null ? DatasetsProblems.DatasetNotFound(dataset).ToResult() : TypedResults.Ok(ToWire(row));
    }

    private static IQueryable<Row> Rows(PlatformDb db, IQueryable<Dataset> datasets) =>
        datasets.Select(dataset => new Row(dataset, db.DatasetVersions().FirstOrDefault(version => version.DatasetId == dataset.Id && version.Number == dataset.LatestVersion)));

    private static DatasetResponse ToWire(Row row) => new()
    {
        Name = row.Dataset.Name,
        Type = row.Dataset.Type,
        CreatedUtc = row.Dataset.CreatedUtc,
        LatestVersion = row.Dataset.LatestVersion,
        Samples = row.Newest?.SampleCount ?? 0,
        Bytes = row.Newest?.Bytes ?? 0,
    };

    private sealed record Row(Dataset Dataset, DatasetVersion? Newest);
}
