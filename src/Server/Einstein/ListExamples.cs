using System.Globalization;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Einstein;

/// <summary>Labels and examples of a dataset.</summary>
internal static class ListExamples
{
    private const int PageMax = 100;

    public static async Task<Results<Ok<EinsteinList<EinsteinExampleResponse>>, EinsteinRefusal>> HandleAsync(
        string datasetId, string? labelId, string? offset, string? count, string? source, string? type, HttpContext context, OwnAddress own, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        if (await DescribeDataset.FindAsync(datasetId, db, blobs, cancellationToken) is not { } known) return (EinsteinRefusal)EinsteinProblems.NotFound("dataset", datasetId);

        var label = labelId is null ? null : LabelOf(known, labelId);
        return labelId is not null && label is null
            ? (EinsteinRefusal)EinsteinProblems.NotFound("label", labelId)
            : TypedResults.Ok(await ReadAsync(known, label, EinsteinText.Page(offset, count, PageMax), own.Of(context), (source ?? type) switch { "feedback" => Sources.Feedback, "upload" => Sources.Uploads, _ => Sources.All }, db, blobs, cancellationToken));
    }

    /// <summary>By label alone: its id holds that of the dataset.</summary>
    public static async Task<Results<Ok<EinsteinList<EinsteinExampleResponse>>, EinsteinRefusal>> HandleOfLabelAsync(
        string? labelId, string? offset, string? count, HttpContext context, OwnAddress own, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        if (string.IsNullOrWhiteSpace(labelId)) return (EinsteinRefusal)EinsteinProblems.Missing("labelId", "list examples");
        var number = long.TryParse(labelId, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? EinsteinText.LabelOf(id).Dataset : -1;
        return await DescribeDataset.FindAsync($"{number}", db, blobs, cancellationToken) is { } known && LabelOf(known, labelId) is { } label
            ? TypedResults.Ok(await ReadAsync(known, label, EinsteinText.Page(offset, count, PageMax), own.Of(context), Sources.All, db, blobs, cancellationToken))
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
            : await ReadAsync(known, label, EinsteinText.Page(offset, count, PageMax), own.Of(context), Sources.All, db, blobs, cancellationToken));
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

    /// <summary>The bytes of an example that came by itself.</summary>
    public static async Task<Results<FileContentHttpResult, EinsteinRefusal>> HandleContentAsync(
        string datasetId, string exampleId, HttpResponse response, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        var found = long.TryParse(datasetId, NumberStyles.None, CultureInfo.InvariantCulture, out var dataset) && long.TryParse(exampleId, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? await db.EinsteinExamples().AsNoTracking().SingleOrDefaultAsync(example => example.Number == number && example.DatasetNumber == dataset, cancellationToken)
            : null;
        if (found is null) return (EinsteinRefusal)EinsteinProblems.NotFound("example", exampleId);

        // A browser must take a stranger's bytes for what they are said to be, and run nothing of them.
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers.ContentSecurityPolicy = "default-src 'none'; sandbox";
        return TypedResults.Bytes(await blobs.ReadAllAsync(found.TenantId, found.Digest, cancellationToken), "application/octet-stream");
    }

    /// <summary>An example that came by itself.</summary>
    public static async Task<EinsteinExampleResponse> ToWireAsync(EinsteinExample example, KnownDataset known, string server, BlobStore blobs, CancellationToken cancellationToken) => new()
    {
        Id = example.Number,
        Name = example.Name,
        Location = EinsteinTypes.IsVision(known.Row.Type)
            ? $"{server}/v2/vision/datasets/{known.Row.Number}/examples/{example.Number}/content"
            : System.Text.Encoding.UTF8.GetString(await blobs.ReadAllAsync(example.TenantId, example.Digest, cancellationToken)),
        CreatedAt = EinsteinText.Date(example.CreatedUtc),
        Label = known.Labels.FirstOrDefault(label => label.Name == example.Label) ?? new EinsteinLabel { Id = 0, DatasetId = known.Row.Number, Name = example.Label, NumExamples = 0 },
    };

    /// <summary>What came in files, then what came by itself.</summary>
    private static async Task<EinsteinList<EinsteinExampleResponse>> ReadAsync(
        KnownDataset known, EinsteinLabel? label, (int Offset, int Count) page, string server, Sources sources, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        var examples = new List<EinsteinExampleResponse>();
        if (known.IsBusy || known.Version is null) return new EinsteinList<EinsteinExampleResponse>(examples);
        long uploaded = 0;
        if (sources != Sources.Feedback)
        {
            uploaded = label is null ? known.Manifest!.Statistics.Samples : known.UploadedOf(label.Name);
            await ReadUploadedAsync(known, label, page, server, examples, db, blobs, cancellationToken);
        }
        var rows = db.EinsteinExamples().AsNoTracking().Where(example => example.DatasetNumber == known.Row.Number);
        if (sources != Sources.All) rows = rows.Where(example => example.IsFeedback == (sources == Sources.Feedback));
        if (label is not null) rows = rows.Where(example => example.Label == label.Name);
        var single = await rows.OrderBy(example => example.Number).Skip((int)Math.Max(0, page.Offset - uploaded)).Take(page.Count - examples.Count).ToListAsync(cancellationToken);
        foreach (var example in single) examples.Add(await ToWireAsync(example, known, server, blobs, cancellationToken));
        return new EinsteinList<EinsteinExampleResponse>(examples);
    }

    private static async Task ReadUploadedAsync(
        KnownDataset known, EinsteinLabel? label, (int Offset, int Count) page, string server, List<EinsteinExampleResponse> examples, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        var version = known.Version!;
        var labels = known.Labels.ToDictionary(one => one.Name);

        // Without a label the platform's cursor is the offset; with one, what comes before is passed over.
        var skip = label is null ? 0 : page.Offset;
        var after = label is null ? $"{page.Offset}" : "0";
        while (after is not null && examples.Count < page.Count)
        {
            var paging = new Paging(after, Math.Min(skip + page.Count - examples.Count, Paging.LimitMax));
            var answer = await ListSamples.HandleAsync(known.Row.Dataset, $"{version.Number}", null, label?.Name, paging, db, blobs, cancellationToken);
            if (answer.Result is not Ok<Page<SampleResponse>> { Value: { } samples }) return;
            examples.AddRange(samples.Items.Skip(skip).Select(sample => new EinsteinExampleResponse
            {
                Id = sample.Id,
                Name = sample.Text is null ? DatasetSamples.NameOf(sample.Source) : known.Row.Type,
                Location = sample.Text ?? $"{server}/api/v1/datasets/{known.Row.Dataset}/versions/{version.Number}/samples/{sample.Id}/content",
                CreatedAt = EinsteinText.Date(version.CreatedUtc),
                Label = label ?? labels[sample.Labels[0]],
            }));
            skip = Math.Max(0, skip - samples.Items.Count);
            after = samples.Next;
        }
    }

    private enum Sources
    {
        All,
        Uploads,
        Feedback,
    }
}
