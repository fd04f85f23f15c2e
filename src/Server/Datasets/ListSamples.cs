using System.Globalization;
using System.Security.Cryptography;
using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Atoll.Datasets;

/// <summary>Samples of a version, whatever the type.</summary>
internal static class ListSamples
{
    /// <summary>A page ends early when its samples hold this much.</summary>
    private const long PageBytesMax = 32 << 20;

    public static async Task<Results<Ok<Page<SampleResponse>>, ProblemHttpResult>> HandleAsync(
        string dataset, string version, string? split, string? label, [AsParameters] Paging paging, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        if (paging.Check() is { } invalid) return invalid.ToResult();
        if (split is not null && Splits.Parse(split) is null)
            return HttpProblems.InvalidField("split", $"is '{split}'", "Use train, validation or test.").ToResult();

        long after = 0;
        if (paging.After is not null && (!long.TryParse(paging.After, NumberStyles.None, CultureInfo.InvariantCulture, out after)))
            return HttpProblems.InvalidField("after", $"is '{paging.After}'", "Give the 'next' of the page before.").ToResult();

        var (opened, problem) = await OpenAsync(dataset, version, db, blobs, cancellationToken);
        if (problem is not null) return problem.ToResult();

        using var source = opened!;
        int number = -1;
        if (label is not null && (number = source.Manifest.Labels.ToList().IndexOf(label)) < 0)
            return HttpProblems.InvalidField("label", $"is '{label}', which no sample has", $"{Spelling.Ask(label, source.Manifest.Labels)}See the labels of the version.").ToResult();

        return TypedResults.Ok(ReadPage(source, Splits.Parse(split), number, after, paging.Limit ?? 100, cancellationToken));
    }

    public static async Task<Results<Ok<SampleResponse>, ProblemHttpResult>> HandleOneAsync(
        string dataset, string version, string sample, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        var (opened, problem) = await OpenAsync(dataset, version, db, blobs, cancellationToken);
        if (problem is not null) return problem.ToResult();

        using var source = opened!;
        return source.Find(sample) is { } position ? TypedResults.Ok(source.Describe(position)) : DatasetsProblems.SampleNotFound(sample, source.Pack.Count).ToResult();
    }

    public static async Task<Results<FileContentHttpResult, ProblemHttpResult>> HandleContentAsync(
        string dataset, string version, string sample, HttpResponse response, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        var (opened, problem) = await OpenAsync(dataset, version, db, blobs, cancellationToken);
        if (problem is not null) return problem.ToResult();

        using var source = opened!;
        if (source.Find(sample) is not { } position) return DatasetsProblems.SampleNotFound(sample, source.Pack.Count).ToResult();

        // A browser must take a stranger's bytes for what they are said to be, and run nothing of them.
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers.ContentSecurityPolicy = "default-src 'none'; sandbox";
        var payload = source.Pack.Payload(source.Pack.Record(position));
        return TypedResults.Bytes(payload, source.Format.ContentType(payload));
    }

    private static Page<SampleResponse> ReadPage(Source source, Split? split, int label, long after, int limit, CancellationToken cancellationToken)
    {
        var items = new List<SampleResponse>();
        long bytes = 0;
        foreach (var (position, record) in source.Pack.Records(Math.Min(after, source.Pack.Count)))
        {
            if ((position & 0xFFF) == 0) cancellationToken.ThrowIfCancellationRequested();
            if (split is { } wanted && record.Split != wanted) continue;
            if (label >= 0 && record.Label != label && !(record.LabelCount > 1 && source.Pack.Labels(record).Contains(label))) continue;

            // One more is known to exist; the next page begins with it.
            if (items.Count == limit || bytes > PageBytesMax) return new Page<SampleResponse>(items, items[^1].Id.ToString(CultureInfo.InvariantCulture));

            items.Add(source.Describe(position));
            bytes += record.Length;
        }

        return new Page<SampleResponse>(items, null);
    }

    private static async Task<(Source? Source, Problem? Problem)> OpenAsync(string dataset, string version, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        var (found, row) = await db.FindDatasetVersionAsync(dataset, version, cancellationToken);
        if (found is null) return (null, DatasetsProblems.DatasetNotFound(dataset));
        if (row is null) return (null, DatasetsProblems.VersionNotFound(dataset, version));

        var manifest = await ListDatasetVersions.ReadManifestAsync(row, blobs, cancellationToken);
        var data = blobs.OpenPart(row.TenantId, row.DataDigest);
        try
        {
            return (new Source(manifest, new SamplePackReader(data, blobs.OpenPart(row.TenantId, row.IndexDigest))), null);
        }
        catch
        {
            data.Dispose();
            throw;
        }
    }

    /// <summary>An opened version.</summary>
    private sealed class Source(DatasetManifest manifest, SamplePackReader pack) : IDisposable
    {
        public DatasetManifest Manifest => manifest;

        public SamplePackReader Pack => pack;

        public IDatasetFormat Format { get; } = DatasetFormats.Find(manifest.Type) ?? throw new InvalidDataException($"This Atoll does not know datasets of the type '{manifest.Type}'.");

        /// <summary>Position of a sample by its number, which begins at 1.</summary>
        public long? Find(string sample) =>
            long.TryParse(sample, NumberStyles.None, CultureInfo.InvariantCulture, out long id) && id >= 1 && id <= pack.Count ? id - 1 : null;

        public SampleResponse Describe(long position)
        {
            var record = pack.Record(position);
            var payload = pack.Payload(record);
            var sample = new SampleResponse
            {
                Id = position + 1,
                Split = Splits.NameOf(record.Split),
                Labels = [.. pack.Labels(record).Select(label => manifest.Labels[label])],
                Source = new SampleSource(manifest.Sources[record.File].Name, record.Line > 0 ? record.Line : null, pack.EntryName(record)),
                Bytes = record.Length,
                Sha256 = Convert.ToHexStringLower(SHA256.HashData(payload)),
            };
            return Format.Describe(sample, payload, manifest.Schema);
        }

        public void Dispose() => pack.Dispose();
    }
}
