using System.Text;
using Atoll.Contracts;
using Microsoft.Net.Http.Headers;

namespace Atoll.Platform.Http;

/// <summary>Refuses JSON and forms in an encoding that cannot be read; the framework would fail at them.</summary>
internal sealed class KnownCharsets(RequestDelegate next)
{
    public Task InvokeAsync(HttpContext context)
    {
        // Nearly no request names one, so nearly none is parsed.
        var type = context.Request.ContentType;
        if (type is null || !type.Contains("charset", StringComparison.OrdinalIgnoreCase)) return next(context);
        if (!MediaTypeHeaderValue.TryParse(type, out var parsed) || !IsReadByFramework(parsed)) return next(context);
        var charset = HeaderUtilities.RemoveQuotes(parsed.Charset).ToString();
        if (charset.Length == 0 || IsKnown(charset)) return next(context);
        return ProblemWriter.WriteAsync(context, new Problem(415, ProblemCodes.InvalidBody,
            $"The charset '{(charset.Length <= 80 ? charset : charset[..80])}' is not known.", "Use utf-8, or leave it out."));
    }

    public static bool IsKnown(string charset)
    {
        try
        {
            Encoding.GetEncoding(charset);
            return true;
        }
        catch (Exception exception) when (exception is ArgumentException or NotSupportedException)
        {
            // NotSupportedException is for UTF-7, which .NET knows and refuses.
            return false;
        }
    }

    private static bool IsReadByFramework(MediaTypeHeaderValue type) =>
        type.SubType.Equals("json", StringComparison.OrdinalIgnoreCase) || type.Suffix.Equals("json", StringComparison.OrdinalIgnoreCase)
        || type.Type.Equals("multipart", StringComparison.OrdinalIgnoreCase) || type.SubType.Equals("x-www-form-urlencoded", StringComparison.OrdinalIgnoreCase);
}
