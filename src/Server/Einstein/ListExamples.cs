using System.Globalization;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Atoll.Einstein;

/// <summary>Labels and examples of a dataset.</summary>
internal static class ListExamples
{
    private const int PageMax = 100;

    public static async Task<Results<Ok<EinsteinList<EinsteinExampleResponse>>, EinsteinRefusal>> HandleAsync(
        string datasetId, string? labelId, string? offset, string? count, string? source, HttpContext context, OwnAddress own, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        if (await DescribeDataset.FindAsync(datasetId, db, blobs, cancellationToken) is not { } known) return (EinsteinRefusal)EinsteinProblems.NotFound("dataset", datasetId);

        // Nothing was fed back.
        if (source == "feedback") return TypedResults.Ok(new EinsteinList<EinsteinExampleResponse>([]));
        var label = labelId is null ? null : LabelOf(known, labelId);
        return labelId is not null && label is null
            ? (EinsteinRefusal)EinsteinProblems.NotFound("label", labelId)
            : TypedResults.Ok(await ReadAsync(known, label, EinsteinText.Page(offset, count, PageMax), own.Of(context), db, blobs, cancellationToken));
    }

    /// <summary>By label alone: its id holds that of the dataset.</summary>
    public static async Task<Results<Ok<EinsteinList<EinsteinExampleResponse>>, EinsteinRefusal>> HandleOfLabelAsync(
        string? labelId, string? offset, string? count, HttpContext context, OwnAddress own, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        if (string.IsNullOrWhiteSpace(labelId)) return (EinsteinRefusal)EinsteinProblems.Missing("labelId", "list examples");
        var number = long.TryParse(labelId, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? EinsteinText.LabelOf(id).Dataset : -1;
        return await DescribeDataset.FindAsync($"{number}", db, blobs, cancellationToken) is { } known && LabelOf(known, labelId) is { } label
            ? TypedResults.Ok(await ReadAsync(known, label, EinsteinText.Page(offset, count, PageMax), own.Of(context), db, blobs, cancellationToken))
            : (EinsteinRefusal)EinsteinProblems.NotFound("label", labelId);
    }

    /// <summary>By dataset and label, of which clients give the id or the place among the labels; empty when it has no such label.</summary>
    public static async Task<Results<Ok<EinsteinList<EinsteinExampleResponse>>, EinsteinRefusal>> HandleOfDatasetLabelAsync(
        string datasetId, string labelId, string? offset, string? count, HttpContext context, OwnAddress own, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        if (await DescribeDataset.FindAsync(datasetId, db, blobs, cancellationToken) is not { } known) return (EinsteinRefusal)EinsteinProblems.NotFound("dataset", datasetId);
        var label = LabelOf(known, labelId) ?? (int.TryParse(labelId, NumberStyles.None, CultureInfo.InvariantCulture, out var place) ? known.Labels.ElementAtOrDefault(place - 1) : null);
        return TypedResults.Ok(label is null
            ? new EinsteinList<EinsteinExampleResponse>([])
            : await ReadAsync(known, label, EinsteinText.Page(offset, count, PageMax), own.Of(context), db, blobs, cancellationToken));
    }

    public static async Task<Results<Ok<EinsteinList<EinsteinLabel>>, EinsteinRefusal>> HandleLabelsAsync(string datasetId, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken) =>
        await DescribeDataset.FindAsync(datasetId, db, blobs, cancellationToken) is { } known
            ? TypedResults.Ok(new EinsteinList<EinsteinLabel>(known.Labels))
            : (EinsteinRefusal)EinsteinProblems.NotFound("dataset", datasetId);

    public static async Task<Results<Ok<EinsteinLabel>, EinsteinRefusal>> HandleLabelAsync(string datasetId, string labelId, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        if (await DescribeDataset.FindAsync(datasetId, db, blobs, cancellationToken) is not { } known) return (EinsteinRefusal)EinsteinProblems.NotFound("dataset", datasetId);
        return LabelOf(known, labelId) is { } label ? TypedResults.Ok(label) : (EinsteinRefusal)EinsteinProblems.NotFound("label", labelId);
    }

    private static EinsteinLabel? LabelOf(KnownDataset known, string id) => known.Labels.FirstOrDefault(label => $"{label.Id}" == id.Trim());

    private static async Task<EinsteinList<EinsteinExampleResponse>> ReadAsync(
        KnownDataset known, EinsteinLabel? label, (int Offset, int Count) page, string server, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        var examples = new List<EinsteinExampleResponse>();
        if (known.IsBusy || known.Version is not { } version) return new EinsteinList<EinsteinExampleResponse>(examples);
        var labels = known.Labels.ToDictionary(one => one.Name);

        // Without a label the platform's cursor is the offset; with one, what comes before is passed over.
        var skip = label is null ? 0 : page.Offset;
        var after = label is null ? $"{page.Offset}" : "0";
        while (after is not null && examples.Count < page.Count)
        {
            var answer = await ListSamples.HandleAsync(known.Row.Dataset, $"{version.Number}", null, label?.Name, new Paging(after, skip + page.Count is var most && most > Paging.LimitMax ? Paging.LimitMax : most), db, blobs, cancellationToken);
            if (answer.Result is not Ok<Page<SampleResponse>> { Value: { } samples }) break;
            examples.AddRange(samples.Items.Skip(skip).Take(page.Count - examples.Count).Select(sample => new EinsteinExampleResponse
            {
                Id = sample.Id,
                Name = sample.Text is null ? Path.GetFileName(sample.Source.Entry) ?? sample.Source.File : known.Row.Type,
                Location = sample.Text ?? $"{server}/api/v1/datasets/{known.Row.Dataset}/versions/{version.Number}/samples/{sample.Id}/content",
                CreatedAt = EinsteinText.Date(version.CreatedUtc),
                Label = label ?? labels[sample.Labels[0]],
            }));
            skip = Math.Max(0, skip - samples.Items.Count);
            after = samples.Next;
        }
        return new EinsteinList<EinsteinExampleResponse>(examples);
    }
}
