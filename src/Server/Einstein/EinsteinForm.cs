using System.Text;
using System.Text.Json;
using Atoll.Platform.Blobs;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace Atoll.Einstein;

/// <summary>A file of a form: in the blob store, or in memory.</summary>
internal sealed record EinsteinFile(string Name, BlobReference? Stored, byte[]? Bytes);

/// <summary>What a client sent, however it wrote it: a multipart form with text in parts of any kind, a form, or JSON.</summary>
/// <remarks>Clients differ: texts come as files, with or without a type, padded with spaces; what is empty was not sent, and what is unknown is overlooked.</remarks>
internal sealed class EinsteinForm
{
    private const int FieldBytesMax = 8 << 20;
    private const int BoundaryCharsMax = 200;
    private const int PartsMax = 100;
    private const int FileNameCharsMax = 255;

    private readonly Dictionary<string, string> _fields = new(StringComparer.Ordinal);

    public List<EinsteinFile> Files { get; } = [];

    /// <summary>A field; null when it was not sent or is empty.</summary>
    public string? this[string name] => _fields.GetValueOrDefault(name);

    /// <param name="fileField">The field that holds a file; null when there is none.</param>
    /// <param name="fileBytesMax">Bytes of a file that is kept in memory.</param>
    /// <param name="blobs">Takes the file; null keeps it in memory.</param>
    public static async Task<Outcome<EinsteinForm>> ReadAsync(
        HttpRequest request, string? fileField, int fileBytesMax, BlobStore? blobs, string tenantId, CancellationToken cancellationToken)
    {
        var form = new EinsteinForm();
        if (request.HasJsonContentType()) return await form.ReadJsonAsync(request, cancellationToken) is { } wrong ? wrong : form;
        if (!request.HasFormContentType) return HttpProblems.InvalidBody("it is no form.") with { Remedy = "Send multipart/form-data." };
        var problem = MultipartUpload.IsMultipart(request)
            ? await form.ReadPartsAsync(request, fileField, fileBytesMax, blobs, tenantId, cancellationToken)
            : await form.ReadFieldsAsync(request, cancellationToken);
        return problem is null ? form : problem;
    }

    private async Task<Problem?> ReadPartsAsync(HttpRequest request, string? fileField, int fileBytesMax, BlobStore? blobs, string tenantId, CancellationToken cancellationToken)
    {
        var boundary = MediaTypeHeaderValue.TryParse(request.ContentType, out var type) ? HeaderUtilities.RemoveQuotes(type.Boundary).Value : null;
        if (string.IsNullOrWhiteSpace(boundary) || boundary.Length > BoundaryCharsMax) return HttpProblems.InvalidBody("the multipart form has no usable boundary.");
        var reader = new MultipartReader(boundary, request.Body) { HeadersCountLimit = 16, HeadersLengthLimit = 16 * 1024 };
        MultipartUpload.PartStream? storing = null;
        try
        {
            for (var parts = 0; await reader.ReadNextSectionAsync(cancellationToken) is { } section; parts++)
            {
                if (parts == PartsMax) return HttpProblems.InvalidBody($"the form has more than {PartsMax} parts.");
                if (!ContentDispositionHeaderValue.TryParse(section.ContentDisposition?.Trim(), out var disposition) || disposition.Name.Length == 0)
                    return HttpProblems.InvalidBody("a part of the form has no name.");
                var name = HeaderUtilities.RemoveQuotes(disposition.Name).Value!.Trim();
                if (name != fileField)
                {
                    if (await ReadAllAsync(section.Body, FieldBytesMax, cancellationToken) is not { } value) return EinsteinProblems.Invalid($"The field '{EinsteinProblems.Shorten(name)}' is too long.");
                    Set(name, Encoding.UTF8.GetString(value));
                    continue;
                }
                if (blobs is null)
                {
                    if (await ReadAllAsync(section.Body, fileBytesMax, cancellationToken) is not { } bytes) return EinsteinProblems.Invalid($"The file is larger than {fileBytesMax:N0} bytes.");
                    if (bytes.Length > 0) Files.Add(new EinsteinFile(FileName(disposition), null, bytes));
                    continue;
                }
                storing = new MultipartUpload.PartStream(section.Body);
                Files.Add(new EinsteinFile(FileName(disposition), await blobs.WriteAsync(tenantId, storing, cancellationToken), null));
                storing = null;
            }
            return null;
        }
        catch (Exception exception) when (exception is InvalidDataException or (IOException and not BadHttpRequestException)
            && !request.HttpContext.RequestAborted.IsCancellationRequested && (storing is null || storing.Failure == exception))
        {
            return HttpProblems.InvalidBody("the multipart form is cut off or malformed.");
        }
    }

    private async Task<Problem?> ReadFieldsAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        try
        {
            foreach (var (name, values) in await request.ReadFormAsync(cancellationToken)) Set(name.Trim(), values[^1] ?? "");
            return null;
        }
        catch (InvalidDataException exception)
        {
            return HttpProblems.InvalidBody(exception.Message);
        }
    }

    private async Task<Problem?> ReadJsonAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        try
        {
            using var json = await JsonDocument.ParseAsync(request.Body, cancellationToken: cancellationToken);
            if (json.RootElement.ValueKind != JsonValueKind.Object) return HttpProblems.InvalidBody("it is no JSON object.");
            foreach (var member in json.RootElement.EnumerateObject())
            {
                if (member.Value.ValueKind == JsonValueKind.String) Set(member.Name, member.Value.GetString()!);
                else if (member.Value.ValueKind != JsonValueKind.Null) Set(member.Name, member.Value.GetRawText());
            }
            return null;
        }
        catch (JsonException exception)
        {
            return HttpProblems.InvalidBody(JsonWords.Of(exception));
        }
        catch (InvalidOperationException)
        {
            // Half of a surrogate pair, written as an escape.
            return HttpProblems.InvalidBody("a text of it is not valid Unicode.");
        }
    }

    private void Set(string name, string value)
    {
        if (value.Trim() is { Length: > 0 } trimmed) _fields[name] = trimmed;
    }

    private static string FileName(ContentDispositionHeaderValue disposition)
    {
        var name = ((disposition.FileNameStar.HasValue ? disposition.FileNameStar : HeaderUtilities.RemoveQuotes(disposition.FileName)).Value ?? "").Trim();

        // Only shown, never opened; still, no path and nothing unprintable.
        name = string.Concat(name[(name.LastIndexOfAny(['/', '\\']) + 1)..].Where(c => !char.IsControl(c)));
        return name.Length is 0 ? "data" : name.Length <= FileNameCharsMax ? name : name[..FileNameCharsMax];
    }

    private static async Task<byte[]?> ReadAllAsync(Stream body, int bytesMax, CancellationToken cancellationToken)
    {
        using var bytes = new MemoryStream();
        var block = new byte[8192];
        for (int read; (read = await body.ReadAsync(block, cancellationToken)) > 0;)
        {
            if (bytes.Length + read > bytesMax) return null;
            bytes.Write(block, 0, read);
        }
        return bytes.ToArray();
    }
}
