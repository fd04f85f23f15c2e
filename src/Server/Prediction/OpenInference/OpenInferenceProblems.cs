using System.Text.Json;
using System.Text.RegularExpressions;
using Atoll.Contracts;
using Atoll.Platform.Http;
using Atoll.Serving.Onnx;

namespace Atoll.Prediction.OpenInference;

/// <summary>Every refusal of the <c>/v2</c> routes, in the words that clients of the protocol look for. On the wire: <c>{"error": text}</c>.</summary>
internal static partial class OpenInferenceProblems
{
    public static Problem UnknownModel(string model, string? version) => new(
        404, ProblemCodes.NotFound, version is null
            ? $"Request for unknown model: '{Short(model)}' is not found"
            : $"Request for unknown model: '{Short(model)}' version {Short(version)} is not found");

    public static Problem Invalid(string text) => new(400, ProblemCodes.InvalidField, text);

    public static Problem Unsupported(string text) => new(501, ProblemCodes.InvalidField, text);

    /// <summary>A tensor in shared memory, which this server does not offer.</summary>
    public static Problem NoSharedMemory(string parameter, string where) => Unsupported(
        $"parameter '{Short(parameter)}' of {where}: system shared memory is not enabled, send the data in the request; the operator allows it, on Linux, with the setting 'Prediction:SharedMemory'");

    public static Problem NotInJson(TensorElementType type, string where) =>
        Invalid($"sending {Datatypes.NameOf(type)} data via JSON is not supported. Please use the binary data format for {where}");

    public static Problem NotJson(JsonException failure) =>
        Invalid($"failed to parse the request JSON buffer: line {failure.LineNumber + 1}, byte {failure.BytePositionInLine + 1} is not valid JSON");

    /// <summary>An output that a client can have in binary only.</summary>
    public static Problem NoJsonForm(TensorElementType type, string output) => type is TensorElementType.Float16 or TensorElementType.BFloat16
        ? NotInJson(type, $"output '{output}'")
        : Invalid($"output '{output}' has elements that JSON cannot hold (NaN or infinity). Please use the binary data format for it, or leave it out with 'outputs'");

    public static Problem BodyTooLarge() => new(413, ProblemCodes.TooLarge, "The request body is too large.", "Send less, or raise Atoll:RequestBytesMax.");

    public static Problem NotLoaded(int status, string code, string model, string why) => new(status, code, $"failed to load '{Short(model)}', {why}");

    /// <summary>A refusal of another part of the platform, for which a model was not loaded.</summary>
    public static Problem NotLoaded(string model, Problem why) => NotLoaded(why.Status, why.Code, model, $"{why.Detail} {why.Remedy}".TrimEnd()) with { RetryAfter = why.RetryAfter };

    public static Problem TimedOut() => new(503, ProblemCodes.Busy, "Request timeout expired");

    public static Problem NoRoom() => new(503, ProblemCodes.Busy, "There is no memory for this model now; try again in a moment.") { RetryAfter = TimeSpan.FromSeconds(1) };

    /// <summary>Answers a path or a method that the protocol does not have.</summary>
    public static Task RefuseAsync(HttpContext context)
    {
        if (!KnownPath().IsMatch(context.Request.Path)) return ProblemWriter.WriteAsync(context, new Problem(404, ProblemCodes.NotFound, "Not Found"));
        context.Response.Headers.Allow = PostPath().IsMatch(context.Request.Path) ? "POST" : "GET";
        return ProblemWriter.WriteAsync(context, new Problem(405, ProblemCodes.MethodNotAllowed, "Method Not Allowed"));
    }

    [GeneratedRegex(
        @"^/v2/?\z|^/v2/health/(live|ready)/?\z|^/v2/models/[^/]+(/versions/[^/]+)?(/(ready|infer|config|stats|generate|generate_stream))?/?\z|^/v2/repository/(index|models/[^/]+/(load|unload))/?\z|^/v2/systemsharedmemory((/region/[^/]+)?/(status|unregister)|/region/[^/]+/register)/?\z",
        RegexOptions.CultureInvariant)]
    private static partial Regex KnownPath();

    [GeneratedRegex(@"/(infer|generate|generate_stream)/?\z|^/v2/repository/|^/v2/systemsharedmemory/(.*/)?(register|unregister)/?\z", RegexOptions.CultureInvariant)]
    private static partial Regex PostPath();

    private static string Short(string text) => JsonText.Shorten(text);
}
