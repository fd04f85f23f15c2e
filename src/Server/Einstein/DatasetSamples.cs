using System.IO.Compression;
using System.Text;
using System.Text.Json;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Platform.Blobs;

namespace Atoll.Einstein;

/// <summary>Writes what a dataset holds into a file that can be imported again, together with what is added: a version of the platform is made of files.</summary>
internal static class DatasetSamples
{
    private const string TextsName = "samples.jsonl";
    private const string ImagesName = "samples.zip";

    /// <summary>Stores the samples of the version that was uploaded last, and single examples behind them.</summary>
    public static async Task<ImportFile> StoreAsync(KnownDataset known, IReadOnlyList<EinsteinExample> examples, BlobStore blobs, CancellationToken cancellationToken)
    {
        var (row, version, manifest) = (known.Row, known.Version!, known.Manifest!);
        using var pack = new SamplePackReader(blobs.OpenPart(row.TenantId, version.DataDigest), blobs.OpenPart(row.TenantId, version.IndexDigest));
        await using var writer = blobs.Create(row.TenantId);
        if (EinsteinTypes.IsVision(row.Type))
        {
            await using var zip = new ZipArchive(writer.Stream, ZipArchiveMode.Create, leaveOpen: true);
            long number = 0;
            foreach (var (_, record) in pack.Records())
            {
                var name = NameOf(new SampleSource(manifest.Sources[record.File].Name, null, pack.EntryName(record)));
                foreach (var label in pack.Labels(record)) await AddAsync(zip, manifest.Labels[label], number, name, pack.Payload(record), cancellationToken);
                number++;
            }

            // Its name is its owner's choice, and may be one that no image in a zip file can have.
            foreach (var example in examples) await AddAsync(zip, example.Label, number++, "example", await blobs.ReadAllAsync(row.TenantId, example.Digest, cancellationToken), cancellationToken);
        }
        else
        {
            var (text, label) = (manifest.Schema.TextColumn!, manifest.Schema.LabelColumn!);
            foreach (var (_, record) in pack.Records())
                await AddAsync(writer.Stream, text, label, Encoding.UTF8.GetString(pack.Payload(record)), [.. pack.Labels(record).Select(number => manifest.Labels[number])], manifest.Schema.MultiLabel, cancellationToken);
            foreach (var example in examples)
                await AddAsync(writer.Stream, text, label, Encoding.UTF8.GetString(await blobs.ReadAllAsync(row.TenantId, example.Digest, cancellationToken)), [example.Label], manifest.Schema.MultiLabel, cancellationToken);
        }
        var stored = await writer.CommitAsync(cancellationToken);
        return new ImportFile(EinsteinTypes.IsVision(row.Type) ? ImagesName : TextsName, stored.Digest, null);
    }

    /// <summary>What is there comes first, so that labels keep their places; but how several labels are separated can be seen only in the new file.</summary>
    public static IReadOnlyList<ImportFile> Join(string type, ImportFile there, ImportFile added) => type == EinsteinTypes.TextMultiLabel ? [added, there] : [there, added];

    /// <summary>Name of the file that a sample was before it came here.</summary>
    public static string NameOf(SampleSource source)
    {
        if (source.Entry is not { } entry) return source.File;
        var name = Path.GetFileName(entry);
        return source.File == ImagesName ? name[(name.IndexOf('-', StringComparison.Ordinal) + 1)..] : name;
    }

    // Flat folders with numbered names: nothing in a name can be taken for a label or a split.
    private static async Task AddAsync(ZipArchive zip, string label, long number, string name, byte[] bytes, CancellationToken cancellationToken)
    {
        await using var entry = await zip.CreateEntry($"{label}/{number}-{name}", CompressionLevel.NoCompression).OpenAsync(cancellationToken);
        await entry.WriteAsync(bytes, cancellationToken);
    }

    private static async Task AddAsync(Stream file, string textName, string labelName, string text, IReadOnlyList<string> labels, bool isMultiLabel, CancellationToken cancellationToken)
    {
        var line = new MemoryStream();
        using (var json = new Utf8JsonWriter(line))
        {
            json.WriteStartObject();
            json.WriteString(textName, text);
            if (isMultiLabel)
            {
                json.WriteStartArray(labelName);
                foreach (var label in labels) json.WriteStringValue(label);
                json.WriteEndArray();
            }
            else
            {
                json.WriteString(labelName, labels[0]);
            }
            json.WriteEndObject();
        }
        line.WriteByte((byte)'\n');
        await file.WriteAsync(line.GetBuffer().AsMemory(0, (int)line.Length), cancellationToken);
    }
}
