using System.Buffers;
using System.Globalization;
using System.Text;

namespace Atoll.Platform.Grpc;

/// <summary>How a call that failed ended, for the log.</summary>
internal sealed record GrpcOutcome(StatusCode StatusCode);

/// <summary>Writes the status with which a call ends.</summary>
internal static class GrpcAnswers
{
    public const string ContentType = "application/grpc";

    private const int MessageBytesMax = 4096;
    private static readonly SearchValues<char> Plain = SearchValues.Create(
        " !\"#$&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~");

    /// <summary>True for requests that speak gRPC, whatever became of them.</summary>
    public static bool IsGrpc(HttpRequest request) =>
        request.ContentType is { } type && type.StartsWith(ContentType, StringComparison.OrdinalIgnoreCase)
        && (type.Length == ContentType.Length || type[ContentType.Length] is ';' or '+' or ' ');

    /// <summary>Status and trailers; in the headers when nothing was sent yet, so that the answer is one frame.</summary>
    public static void Write(HttpContext http, Status status, TimeSpan? retryAfter = null, IHeaderDictionary? trailers = null)
    {
        if (status.StatusCode != StatusCode.OK) http.Features.Set(new GrpcOutcome(status.StatusCode));
        var response = http.Response;
        if (!response.HasStarted && status.StatusCode != StatusCode.OK)
        {
            response.StatusCode = StatusCodes.Status200OK;
            response.ContentType = ContentType;
            Append(static (response, name, value) => response.Headers[name] = value);
        }
        else
        {
            Append(static (response, name, value) => response.AppendTrailer(name, value));
        }

        void Append(Action<HttpResponse, string, string> append)
        {
            if (trailers is not null)
            {
                foreach (var (name, value) in trailers) append(response, name, value.ToString());
            }
            append(response, "grpc-status", Text(status.StatusCode));
            if (status.Detail.Length > 0) append(response, "grpc-message", Encode(status.Detail));
            if (retryAfter is not { } wait) return;

            // The first is for libraries that try again by themselves, the second for people and proxies.
            append(response, "grpc-retry-pushback-ms", ((long)wait.TotalMilliseconds).ToString(CultureInfo.InvariantCulture));
            append(response, "retry-after", Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture));
        }
    }

    /// <summary>Only visible ASCII may stand in a header; the rest is percent-encoded UTF-8.</summary>
    internal static string Encode(string message)
    {
        if (message.Length <= MessageBytesMax && !message.AsSpan().ContainsAnyExcept(Plain)) return message;
        var text = new StringBuilder();
        Span<byte> utf8 = stackalloc byte[4];
        foreach (var rune in message.EnumerateRunes())
        {
            if (text.Length > MessageBytesMax) break;
            if (rune.IsAscii && Plain.Contains((char)rune.Value))
            {
                text.Append((char)rune.Value);
                continue;
            }
            foreach (var one in utf8[..rune.EncodeToUtf8(utf8)]) text.Append('%').Append(one.ToString("X2", CultureInfo.InvariantCulture));
        }
        return text.ToString();
    }

    private static string Text(StatusCode code) => code == StatusCode.OK ? "0" : ((int)code).ToString(CultureInfo.InvariantCulture);
}
