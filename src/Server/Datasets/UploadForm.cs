using System.Globalization;
using System.Text.Json;
using Atoll.Contracts;
using Atoll.Platform.Blobs;
using Atoll.Platform.Http;

namespace Atoll.Datasets;

/// <summary>What came with a multipart upload: the fields, and the files, which are in the blob store already.</summary>
internal sealed record UploadForm(ImportRequest Request, IReadOnlyList<ImportFile> Files)
{
    private const int FilesMax = 100;

    public static async Task<Outcome<UploadForm>> ReadAsync(HttpRequest request, string tenantId, BlobStore blobs, CancellationToken cancellationToken)
    {
        var fields = new ImportRequest();
        var (files, refused) = await MultipartUpload.ReadAsync(request, tenantId, blobs, CheckFile, SetField, cancellationToken);
        return files is null ? refused! : new UploadForm(fields, [.. files.Select(file => new ImportFile(file.Name, file.Stored.Digest, file.Field == "file" ? fields.Split : file.Field))]);

        Problem? SetField(string name, string value)
        {
            (fields, var problem) = Set(fields, name, value);
            return problem;
        }
    }

    private static Problem? CheckFile(string field, int before)
    {
        if (before == FilesMax) return HttpProblems.InvalidField(field, $"is one file more than the {FilesMax} allowed", "Join files, or upload in several versions.");
        return field is "file" or SplitNames.Train or SplitNames.Test or SplitNames.Validation
            ? null
            : HttpProblems.InvalidField(field, "holds a file", "Send files as 'file', or as 'train', 'validation' and 'test'.");
    }

    private static (ImportRequest Request, Problem? Problem) Set(ImportRequest request, string name, string value)
    {
        Problem? problem = null;
        var changed = name switch
        {
            "name" => request with { Name = value },
            "type" => request with { Type = value },
            "split" => request with { Split = value },
            "label" => request with { Label = value },
            "text-column" or "textColumn" => request with { TextColumn = value },
            "label-separator" or "labelSeparator" => request with { LabelSeparator = value },
            "delimiter" => request with { Delimiter = value },
            "header" => request with { Header = Flag() },
            "skipBad" or "skip-bad" => request with { SkipBad = Flag() },
            "seed" => request with { Seed = int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int seed) ? seed : Refuse<int?>(null, "a whole number") },
            "testFraction" or "test-fraction" => request with
            {
                TestFraction = double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out double fraction) ? fraction : Refuse<double?>(null, "a number such as 0.2"),
            },
            "columns" => request with { Columns = Json<IReadOnlyDictionary<string, string>>("a JSON object of columns and types") },
            "missingMarkers" or "missing-markers" => request with { MissingMarkers = Json<IReadOnlyList<string>>("a JSON list of texts") },
            _ => Refuse(request, null),
        };
        return (changed, problem);

        bool Flag() => value is "true" or "1" or "yes" || (value is not ("false" or "0" or "no" or "") && Refuse(false, "true or false"));

        T Refuse<T>(T fallback, string? expected)
        {
            problem = expected is null
                ? HttpProblems.InvalidField(name, "is not known", "Known fields are name, type, file, train, validation, test, split, label, text-column, label-separator, columns, missing-markers, delimiter, header, seed, test-fraction, skipBad.")
                : HttpProblems.InvalidField(name, $"is '{(value.Length <= 80 ? value : value[..80])}'", $"Give {expected}.");
            return fallback;
        }

        T? Json<T>(string expected)
            where T : class
        {
            try
            {
                return (T?)JsonSerializer.Deserialize(value, AtollJson.Default.GetTypeInfo(typeof(T))!) ?? Refuse<T?>(null, expected);
            }
            catch (JsonException)
            {
                return Refuse<T?>(null, expected);
            }
        }
    }
}
