using System.Buffers;
using System.Text.Json;
using Atoll.Platform.Http;

namespace Atoll.Prediction.OpenInference;

/// <summary>Reads bodies that are one JSON object, and says in the protocol's words what is wrong with them.</summary>
internal static class JsonBody
{
    /// <summary>What orders about models and memory are nested at the most.</summary>
    private const int OrderDepthMax = 8;

    /// <summary>Reads a request that holds an order rather than tensors.</summary>
    /// <param name="mayBeEmpty">A body of nothing says nothing.</param>
    /// <param name="take">Does what the object says, as long as it is there; null when that went well.</param>
    public static async Task<Problem?> ReadAsync(HttpRequest request, bool mayBeEmpty, Func<JsonElement, Problem?> take, CancellationToken cancellationToken)
    {
        var body = await RequestBody.ReadAllAsync(request.BodyReader, cancellationToken);
        try
        {
            return mayBeEmpty && body.IsEmpty ? null : Read(body, new JsonDocumentOptions { MaxDepth = OrderDepthMax }, take);
        }
        finally
        {
            request.BodyReader.AdvanceTo(body.End);
        }
    }

    /// <inheritdoc cref="ReadAsync"/>
    public static Problem? Read(ReadOnlySequence<byte> body, JsonDocumentOptions options, Func<JsonElement, Problem?> take)
    {
        try
        {
            using var document = JsonDocument.Parse(body, options);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? take(document.RootElement)
                : OpenInferenceProblems.Invalid("failed to parse the request JSON buffer: expected an object");
        }
        catch (JsonException failure)
        {
            return OpenInferenceProblems.NotJson(failure);
        }
        catch (InvalidOperationException)
        {
            // Texts are checked when they are asked for.
            return OpenInferenceProblems.Invalid("failed to parse the request JSON buffer: a text is not valid Unicode");
        }
    }
}
