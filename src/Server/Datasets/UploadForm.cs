using System.Globalization;
using System.Text;
using System.Text.Json;
using Atoll.Contracts;
using Atoll.Platform.Blobs;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace Atoll.Datasets;

/// <summary>What came with a multipart upload: the fields, and the files, which are in the blob store already.</summary>
internal sealed record UploadForm(ImportRequest Request, IReadOnlyList<ImportFile> Files)
{
    private const int FilesMax = 100;
    private const int FieldBytesMax = 4 << 20;
    private const int BoundaryCharsMax = 200; // RFC 2046 allows 70
    private const int FileNameCharsMax = 255;

    /// <summary>Reads the body once, from its beginning to its end; files go to the disk as they come.</summary>
    public static async Task<Outcome<UploadForm>> ReadAsync(HttpRequest request, string tenantId, BlobStore blobs, CancellationToken cancellationToken)
    {
        var boundary = HeaderUtilities.RemoveQuotes(MediaTypeHeaderValue.Parse(request.ContentType).Boundary).Value;
        if (string.IsNullOrWhiteSpace(boundary) || boundary.Length > BoundaryCharsMax) return HttpProblems.InvalidBody("the multipart form has no usable boundary.");

        var reader = new MultipartReader(boundary, request.Body) { HeadersCountLimit = 16, HeadersLengthLimit = 16 * 1024 };
        var fields = new ImportRequest();
        var files = new List<(string Field, ImportFile File)>();
        PartStream? storing = null;
        try
        {
            while (await reader.ReadNextSectionAsync(cancellationToken) is { } section)
            {
                if (!ContentDispositionHeaderValue.TryParse(section.ContentDisposition, out var disposition) || disposition.Name.Length == 0)
                    return HttpProblems.InvalidBody("a part of the form has no name.");

                var name = HeaderUtilities.RemoveQuotes(disposition.Name).Value!;
                if (disposition.FileName.HasValue || disposition.FileNameStar.HasValue)
                {
                    if (files.Count == FilesMax) return HttpProblems.InvalidField(name, $"is one file more than the {FilesMax} allowed", "Join files, or upload in several versions.");
                    if (name is not ("file" or SplitNames.Train or SplitNames.Test or SplitNames.Validation))
                        return HttpProblems.InvalidField(name, "holds a file", "Send files as 'file', or as 'train', 'validation' and 'test'.");

                    storing = new PartStream(section.Body);
                    var stored = await blobs.WriteAsync(tenantId, storing, cancellationToken);
                    storing = null;
                    files.Add((name, new ImportFile(FileName(disposition), stored.Digest, name == "file" ? null : name)));
                    continue;
                }

                var (value, tooLong) = await ReadFieldAsync(section.Body, cancellationToken);
                if (tooLong) return HttpProblems.InvalidField(name, $"has more than {FieldBytesMax} bytes", "Send data as files.");

                var (changed, problem) = Set(fields, name, value);
                if (problem is not null) return problem;

                fields = changed;
            }
        }
        catch (Exception exception) when (exception is InvalidDataException or (IOException and not BadHttpRequestException)
            && !request.HttpContext.RequestAborted.IsCancellationRequested && (storing is null || storing.Failure == exception))
        {
            return HttpProblems.InvalidBody("the multipart form is cut off or malformed.");
        }

        return new UploadForm(fields, [.. files.Select(file => file.Field == "file" ? file.File with { Split = fields.Split } : file.File)]);
    }

    /// <summary>Remembers how reading failed: while a file is stored, the disk may fail with exceptions of the same kind.</summary>
    private sealed class PartStream(Stream inner) : Stream
    {
        public Exception? Failure { get; private set; }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            try
            {
                return await inner.ReadAsync(buffer, cancellationToken);
            }
            catch (Exception exception)
            {
                Failure = exception;
                throw;
            }
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("A body is read asynchronously.");

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }

    private static string FileName(ContentDispositionHeaderValue disposition)
    {
        var name = (disposition.FileNameStar.HasValue ? disposition.FileNameStar : HeaderUtilities.RemoveQuotes(disposition.FileName)).Value ?? "";

        // Only shown, never opened; still, no path and nothing unprintable.
        name = name[(name.LastIndexOfAny(['/', '\\']) + 1)..];
        name = string.Concat(name.Where(c => !char.IsControl(c)));
        if (name.Length > FileNameCharsMax) name = name[..FileNameCharsMax];
        return name.Length == 0 ? "file" : name;
    }

    private static async Task<(string Value, bool TooLong)> ReadFieldAsync(Stream body, CancellationToken cancellationToken)
    {
        using var bytes = new MemoryStream();
        var block = new byte[8192];
        for (int read; (read = await body.ReadAsync(block, cancellationToken)) > 0;)
        {
            if (bytes.Length + read > FieldBytesMax) return ("", true);

            bytes.Write(block, 0, read);
        }

        return (Encoding.UTF8.GetString(bytes.GetBuffer(), 0, (int)bytes.Length), false);
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
            "seed" => request with { Seed = int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int seed) ? seed : Refuse(0, "a whole number") },
            "testFraction" or "test-fraction" => request with
            {
                TestFraction = double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out double fraction) ? fraction : Refuse(0.0, "a number such as 0.2"),
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
