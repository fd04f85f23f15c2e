using System.Buffers;
using System.Globalization;
using System.IO.Compression;
using System.IO.Pipelines;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;

namespace Atoll.Prediction.OpenInference;

/// <summary>How the body of an infer request lies on the wire: which part is JSON, and how all of it is compressed.</summary>
internal static class BodyEncoding
{
    /// <summary>How many bytes of the body are JSON, before it is compressed; tensors follow. Zero says that all of it is a tensor.</summary>
    public const string HeaderLength = "Inference-Header-Content-Length";

    /// <summary>What bodies may be compressed with.</summary>
    public const string Supported = "gzip, deflate";

    // Below this a compressed answer is hardly shorter.
    private const int CompressedBytesMin = 1024;

    /// <summary>The whole body in one piece of memory or several; disposed when it was read.</summary>
    public static async ValueTask<(RequestBytes Bytes, Problem? Problem)> ReadAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var encoding = context.Request.Headers.ContentEncoding.ToString();
        if (encoding.Length == 0 || Is(encoding, "identity"))
        {
            var pipe = context.Request.BodyReader;
            return (new RequestBytes(await RequestBody.ReadAllAsync(pipe, cancellationToken), pipe, null), null);
        }
        if (!Is(encoding, "gzip") && !Is(encoding, "deflate"))
        {
            context.Response.Headers.AcceptEncoding = Supported;
            return (default, OpenInferenceProblems.Unsupported($"Unsupported Content-Encoding '{JsonText.Shorten(encoding)}'. Expected gzip or deflate"));
        }
        return await InflateAsync(context, encoding, cancellationToken);
    }

    /// <summary>Parts the body into its JSON and the tensors behind it, where the request says that there are some.</summary>
    public static Problem? Split(HttpRequest request, ReadOnlySequence<byte> body, out ReadOnlySequence<byte> json, out ReadOnlySequence<byte>? tensors)
    {
        json = body;
        tensors = null;
        if (!request.Headers.TryGetValue(HeaderLength, out var values)) return null;
        var text = values.ToString();
        if (!long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var length))
            return OpenInferenceProblems.Invalid($"Unable to parse {HeaderLength}, got: {JsonText.Shorten(text)}");
        if (length < 0 || length > body.Length)
            return OpenInferenceProblems.Invalid($"inference header size should be in range (0, {body.Length}), got: {length}");
        json = body.Slice(0, length);
        tensors = body.Slice(length);
        return null;
    }

    /// <summary>The encoding of an answer: the one that the client likes best of ours, null for none.</summary>
    public static string? Choose(HttpRequest request, long length)
    {
        if (length < CompressedBytesMin || request.Headers.AcceptEncoding.Count == 0) return null;
        if (!StringWithQualityHeaderValue.TryParseList(request.Headers.AcceptEncoding, out var wanted)) return null;
        string? best = null;
        var quality = 0.0;
        foreach (var one in wanted)
        {
            var name = Is(one.Value.AsSpan(), "gzip") ? "gzip" : Is(one.Value.AsSpan(), "deflate") ? "deflate" : null;
            if (name is null || (one.Quality ?? 1) <= quality) continue;
            best = name;
            quality = one.Quality ?? 1;
        }
        return best;
    }

    /// <summary>A stream that writes compressed to another one, which it leaves open.</summary>
    public static Stream Compress(Stream to, string encoding) => encoding == "gzip"
        ? new GZipStream(to, CompressionLevel.Fastest, leaveOpen: true)
        : new ZLibStream(to, CompressionLevel.Fastest, leaveOpen: true);

    private static async ValueTask<(RequestBytes Bytes, Problem? Problem)> InflateAsync(HttpContext context, string encoding, CancellationToken cancellationToken)
    {
        // A small body may hold any amount of data; it may be as long as one that is sent as it is.
        var bytesMax = context.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize ?? Array.MaxLength;
        var buffer = new PooledBuffer();
        try
        {
            await using Stream inflated = Is(encoding, "gzip")
                ? new GZipStream(context.Request.Body, CompressionMode.Decompress, leaveOpen: true)
                : new ZLibStream(context.Request.Body, CompressionMode.Decompress, leaveOpen: true);
            while (await inflated.ReadAsync(buffer.GetMemory(), cancellationToken) is var read and > 0)
            {
                buffer.Advance(read);
                if (buffer.Length <= bytesMax) continue;
                buffer.Dispose();
                return (default, OpenInferenceProblems.BodyTooLarge());
            }
            return (new RequestBytes(new ReadOnlySequence<byte>(buffer.Written), null, buffer), null);
        }
        catch (InvalidDataException)
        {
            buffer.Dispose();
            return (default, OpenInferenceProblems.Invalid($"the request body is not valid {encoding.ToLowerInvariant()} data"));
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
    }

    private static bool Is(ReadOnlySpan<char> text, string name) => text.Equals(name, StringComparison.OrdinalIgnoreCase);

    /// <summary>A body that was read whole; it lies in the server's own buffers or in one of ours.</summary>
    public readonly struct RequestBytes(ReadOnlySequence<byte> all, PipeReader? pipe, PooledBuffer? buffer) : IDisposable
    {
        public ReadOnlySequence<byte> All => all;

        public void Dispose()
        {
            pipe?.AdvanceTo(all.End);
            buffer?.Dispose();
        }
    }
}
