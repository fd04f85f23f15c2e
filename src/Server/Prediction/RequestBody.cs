using System.Buffers;
using System.IO.Pipelines;
using System.Net.Http.Headers;
using System.Text;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace Atoll.Prediction;

/// <summary>Fills a batch from a request, whatever the form of its body. The server's limit on bodies bounds the memory.</summary>
internal static class RequestBody
{
    private const int ReadBytes = 64 * 1024;
    private const int BoundaryCharsMax = 128;

    /// <summary>Reads the samples; null when that went well.</summary>
    public static async ValueTask<Problem?> ReadAsync(
        HttpContext context, SamplePlan plan, PredictionOptions options, bool ignoreUnknown, PredictionWork work, CancellationToken cancellationToken)
    {
        var type = context.Request.ContentType;
        if (IsJson(type)) return await ReadJsonAsync(context.Request.BodyReader, plan, options, ignoreUnknown, work, cancellationToken);
        if (type is null || !MediaTypeHeaderValue.TryParse(type, out var media) || media.MediaType is not { } name)
            return PredictionProblems.UnknownContentType(plan, type);
        if (name.EndsWith("+json", StringComparison.OrdinalIgnoreCase))
            return await ReadJsonAsync(context.Request.BodyReader, plan, options, ignoreUnknown, work, cancellationToken);
        if (Is(name, "text/csv"))
        {
            if (plan.TakesFiles) return PredictionProblems.WrongList(plan, "rows");
            work.IsCsv = true;
            return await ReadCsvAsync(context.Request.Body, media.CharSet, plan, options, ignoreUnknown, work, cancellationToken);
        }
        if (Is(name, "multipart/form-data")) return await ReadFormAsync(context.Request, media, plan, options, ignoreUnknown, work, cancellationToken);
        var list = name.StartsWith("image/", StringComparison.OrdinalIgnoreCase) ? "images" : name.StartsWith("audio/", StringComparison.OrdinalIgnoreCase) ? "sounds" : null;
        if (list is not null)
        {
            if (plan.ListName != list) return PredictionProblems.WrongList(plan, list);
            work.Samples.Begin(1, list);
            return await AddFileAsync(context.Request.Body, plan, work.Samples, cancellationToken);
        }
        return PredictionProblems.UnknownContentType(plan, type);
    }

    /// <summary>Waits until the whole body is there; it stays in the server's own buffers. The caller advances the reader.</summary>
    public static async ValueTask<ReadOnlySequence<byte>> ReadAllAsync(PipeReader body, CancellationToken cancellationToken)
    {
        while (true)
        {
            var result = await body.ReadAsync(cancellationToken);
            if (result.IsCompleted) return result.Buffer;
            body.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }

    private static bool IsJson(string? type) =>
        type is not null && type.StartsWith("application/json", StringComparison.OrdinalIgnoreCase)
        && (type.Length == "application/json".Length || type["application/json".Length] is ';' or ' ');

    private static async ValueTask<Problem?> ReadJsonAsync(
        PipeReader pipe, SamplePlan plan, PredictionOptions options, bool ignoreUnknown, PredictionWork work, CancellationToken cancellationToken)
    {
        var body = await ReadAllAsync(pipe, cancellationToken);
        var reader = new JsonSampleReader(plan, options, ignoreUnknown, work.Samples);
        try
        {
            return reader.Read(body);
        }
        finally
        {
            pipe.AdvanceTo(body.End);
            work.Top ??= reader.Top;
            work.Explain ??= reader.Explain;
        }
    }

    private static async ValueTask<Problem?> ReadCsvAsync(
        Stream body, string? charset, SamplePlan plan, PredictionOptions options, bool ignoreUnknown, PredictionWork work,
        CancellationToken cancellationToken)
    {
        Encoding? encoding = null;
        if (charset is not null && !TryFindEncoding(charset.Trim('"'), out encoding)) return PredictionProblems.UnknownCharset(charset);
        var buffer = ArrayPool<byte>.Shared.Rent(ReadBytes);
        try
        {
            var length = 0;
            while (true)
            {
                if (length == buffer.Length)
                {
                    var larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
                    buffer.AsSpan(0, length).CopyTo(larger);
                    ArrayPool<byte>.Shared.Return(buffer);
                    buffer = larger;
                }
                var read = await body.ReadAsync(buffer.AsMemory(length), cancellationToken);
                if (read == 0) break;
                length += read;
            }
            using var file = new MemoryStream(buffer, 0, length, writable: false);
            return CsvSampleReader.Read(file, encoding, plan, options, ignoreUnknown, work.Samples, cancellationToken);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async ValueTask<Problem?> ReadFormAsync(
        HttpRequest request, MediaTypeHeaderValue media, SamplePlan plan, PredictionOptions options, bool ignoreUnknown, PredictionWork work,
        CancellationToken cancellationToken)
    {
        var boundary = media.Parameters.FirstOrDefault(parameter => Is(parameter.Name, "boundary"))?.Value?.Trim('"');
        if (string.IsNullOrEmpty(boundary) || boundary.Length > BoundaryCharsMax)
            return PredictionProblems.InvalidBody(plan, "The Content-Type of the form has no usable boundary.", "Let your HTTP client make it, such as curl with -F.");

        var samples = work.Samples;
        samples.Begin(1, "");
        if (plan.ListName != "rows") samples.Begin(1, plan.TakesFiles ? "files" : "text");
        var files = 0;
        try
        {
            var form = new MultipartReader(boundary, request.Body);
            while (await form.ReadNextSectionAsync(cancellationToken) is { } section)
            {
                var part = FormPart.Of(section);
                if (part.Name == "top" && !part.IsFile)
                {
                    var text = await new StreamReader(section.Body).ReadToEndAsync(cancellationToken);
                    if (!int.TryParse(text, out var top) || top < 1)
                        return PredictionProblems.Invalid(plan, "top", $"is \"{JsonText.Shorten(text)}\"", "Expected a whole number of at least 1, such as 3.");
                    work.Top ??= top;
                    continue;
                }
                switch (plan.ListName)
                {
                    case "images" or "sounds" when part.IsFile:
                    case "texts" when !part.IsFile && part.Name is "text" or "texts":
                        if (SampleLimits.Check(plan, options, samples) is { } tooMany) return tooMany;
                        if (await AddFileAsync(section.Body, plan, samples, cancellationToken) is { } problem) return problem;
                        break;

                    case "rows" or "texts" when part.IsFile:
                        if (++files > 1 || samples.Count > 0) return PredictionProblems.Invalid(plan, part.Name, "is a second file", "Send one csv file.");
                        work.IsCsv = true;
                        if (await ReadCsvAsync(section.Body, null, plan, options, ignoreUnknown, work, cancellationToken) is { } wrong) return wrong;
                        break;

                    default:
                        return PredictionProblems.Invalid(plan, part.Name, "is not a part that this model reads", plan.ListName switch
                        {
                            "images" => "Attach image files, such as with curl -F file=@photo.jpg.",
                            "sounds" => "Attach wav files, such as with curl -F file=@sound.wav.",
                            "rows" => "Attach a csv file, such as with curl -F file=@rows.csv.",
                            _ => "Send fields called text, such as with curl -F 'text=Where is my card?'.",
                        });
                }
            }
        }
        catch (Exception failure) when (failure is InvalidDataException || (failure is IOException and not BadHttpRequestException && !request.HttpContext.RequestAborted.IsCancellationRequested))
        {
            return PredictionProblems.InvalidBody(plan, $"The form cannot be read: {failure.Message}", "Let your HTTP client make it, such as curl with -F.");
        }
        return samples.Count == 0 ? PredictionProblems.Empty(plan, plan.ListName == "texts" ? "text" : "file") : null;
    }

    private static async ValueTask<Problem?> AddFileAsync(Stream content, SamplePlan plan, SampleBatch samples, CancellationToken cancellationToken)
    {
        samples.Add();
        var length = 0;
        while (true)
        {
            // What was read so far stays at the same place when the room grows.
            var room = samples.Reserve(length + ReadBytes)[length..];
            var read = await content.ReadAsync(room, cancellationToken);
            if (read == 0) break;
            length += read;
        }
        if (length == 0 && plan.TakesFiles)
            return PredictionProblems.Invalid(plan, samples.PathOf(samples.Count - 1), "is empty", $"Expected a {plan.FileKind}.");
        if (plan.ListName == "texts" && !System.Text.Unicode.Utf8.IsValid(samples.Reserve(length).Span))
            return PredictionProblems.Invalid(plan, samples.PathOf(samples.Count - 1), "is not valid Unicode text", "Send UTF-8.");
        samples.SetBytes(0, length);
        return null;
    }

    private static bool TryFindEncoding(string charset, out Encoding? encoding)
    {
        encoding = CodePagesEncodingProvider.Instance.GetEncoding(charset);
        if (encoding is not null) return true;
        if (!KnownCharsets.IsKnown(charset)) return false;
        encoding = Encoding.GetEncoding(charset);
        return true;
    }

    private static bool Is(string text, string other) => text.Equals(other, StringComparison.OrdinalIgnoreCase);

    /// <summary>What the header of a form's part says.</summary>
    private readonly record struct FormPart(string Name, bool IsFile)
    {
        public static FormPart Of(MultipartSection section)
        {
            if (!ContentDispositionHeaderValue.TryParse(section.ContentDisposition, out var disposition)) return new FormPart("", false);
            var isFile = !string.IsNullOrEmpty(disposition.FileName) || !string.IsNullOrEmpty(disposition.FileNameStar)
                || (section.ContentType is { } type && (type.StartsWith("image/", StringComparison.OrdinalIgnoreCase) || type.StartsWith("audio/", StringComparison.OrdinalIgnoreCase)));
            return new FormPart(JsonText.Shorten((disposition.Name ?? "").Trim('"')), isFile);
        }
    }
}
