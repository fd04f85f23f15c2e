using System.Text;
using Atoll.Platform.Blobs;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace Atoll.Platform.Http;

/// <summary>A file of a multipart form, in the blob store already.</summary>
/// <param name="Field">Name of the form's part.</param>
/// <param name="Name">As the uploader calls it.</param>
internal sealed record UploadedFile(string Field, string Name, BlobReference Stored);

/// <summary>Reads a multipart form once, from its beginning to its end; files go to the disk as they come.</summary>
internal static class MultipartUpload
{
    private const int FieldBytesMax = 4 << 20;
    private const int BoundaryCharsMax = 200; // RFC 2046 allows 70
    private const int FileNameCharsMax = 255;

    public static bool IsMultipart(HttpRequest request) =>
        request.HasFormContentType && request.ContentType!.StartsWith("multipart/", StringComparison.OrdinalIgnoreCase);

    /// <param name="acceptFile">Called with a file's field before its bytes are read; gives the reason to refuse it.</param>
    /// <param name="setField">Called with name and value of each field that is no file; gives the reason to refuse it.</param>
    public static async Task<Outcome<List<UploadedFile>>> ReadAsync(
        HttpRequest request, string tenantId, BlobStore blobs, Func<string, int, Problem?> acceptFile, Func<string, string, Problem?> setField, CancellationToken cancellationToken)
    {
        var boundary = HeaderUtilities.RemoveQuotes(MediaTypeHeaderValue.Parse(request.ContentType).Boundary).Value;
        if (string.IsNullOrWhiteSpace(boundary) || boundary.Length > BoundaryCharsMax) return HttpProblems.InvalidBody("the multipart form has no usable boundary.");

        var reader = new MultipartReader(boundary, request.Body) { HeadersCountLimit = 16, HeadersLengthLimit = 16 * 1024 };
        var files = new List<UploadedFile>();
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
                    if (acceptFile(name, files.Count) is { } refused) return refused;

                    storing = new PartStream(section.Body);
                    var stored = await blobs.WriteAsync(tenantId, storing, cancellationToken);
                    storing = null;
                    files.Add(new UploadedFile(name, FileName(disposition), stored));
                    continue;
                }

                var (value, tooLong) = await ReadFieldAsync(section.Body, cancellationToken);
                if (tooLong) return HttpProblems.InvalidField(name, $"has more than {FieldBytesMax} bytes", "Send data as files.");
                if (setField(name, value) is { } problem) return problem;
            }
        }
        catch (Exception exception) when (exception is InvalidDataException or (IOException and not BadHttpRequestException)
            && !request.HttpContext.RequestAborted.IsCancellationRequested && (storing is null || storing.Failure == exception))
        {
            return HttpProblems.InvalidBody("the multipart form is cut off or malformed.");
        }

        return files;
    }

    /// <summary>Remembers how reading failed: while a file is stored, the disk may fail with exceptions of the same kind.</summary>
    internal sealed class PartStream(Stream inner) : Stream
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
}
