using System.Globalization;
using System.Text.Json;
using Atoll.Contracts;
using Atoll.Deployments;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Registry;
using Atoll.Serving;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Prediction.OpenInference;

/// <summary>The protocol's model repository: which models there are, and whether they are in memory. A model that is not is loaded by its first request.</summary>
internal static class ModelRepository
{
    // A request of a few words; files are not taken.
    private const int DepthMax = 8;

    /// <summary>Every version of every model, each of which answers.</summary>
    public static async Task HandleIndexAsync(HttpContext context, PlatformDb db, CancellationToken cancellationToken)
    {
        if (await CheckAsync(context, IndexProblem, cancellationToken) is { } problem)
        {
            await ProblemWriter.WriteAsync(context, problem);
            return;
        }
        context.Response.ContentType = "application/json";
        var rows = db.Endpoints().Join(db.ModelVersions(), endpoint => endpoint.ModelId, version => version.ModelId, (endpoint, version) => new { endpoint.Name, version.Number })
            .OrderBy(row => row.Name).ThenBy(row => row.Number);
        await using var json = new Utf8JsonWriter(context.Response.BodyWriter, new JsonWriterOptions { Encoder = JsonText.Encoder });
        json.WriteStartArray();
        await foreach (var row in rows.AsAsyncEnumerable().WithCancellation(cancellationToken))
        {
            json.WriteStartObject();
            json.WriteString("name"u8, row.Name);
            json.WriteString("version"u8, row.Number.ToString(CultureInfo.InvariantCulture));
            json.WriteString("state"u8, "READY");
            json.WriteString("reason"u8, "");
            json.WriteEndObject();
            if (json.BytesPending > 16 * 1024) await json.FlushAsync(cancellationToken);
        }
        json.WriteEndArray();
        await json.FlushAsync(cancellationToken);
    }

    /// <summary>Brings what the model's endpoint serves into memory.</summary>
    public static async Task HandleLoadAsync(HttpContext context, string model, Caller caller, InferenceRunner runner, CancellationToken cancellationToken)
    {
        var (route, _) = await runner.FindAsync(caller.TenantId, model, null, cancellationToken);
        var problem = route is null
            ? OpenInferenceProblems.NotLoaded(404, ProblemCodes.NotFound, model, "failed to poll from model repository")
            : await CheckAsync(context, (name, _) => LoadProblem(model, name), cancellationToken);
        if (problem is null)
        {
            try
            {
                (var lease, problem) = await runner.LeaseAsync(route!, cancellationToken);
                if (problem is null) lease.Dispose();
                else if (problem.Code == ProblemCodes.ModelNotLoadable) problem = OpenInferenceProblems.NotLoaded(400, ProblemCodes.ModelNotLoadable, model, problem.Detail);
            }
            catch (ModelLoadException failure)
            {
                problem = OpenInferenceProblems.NotLoaded(400, ProblemCodes.InvalidField, model, failure.Message);
            }
        }
        if (problem is not null) await ProblemWriter.WriteAsync(context, problem);
    }

    /// <summary>Gives the memory of the model back.</summary>
    public static async Task HandleUnloadAsync(
        HttpContext context, string model, Caller caller, InferenceRunner runner, ServedModels models, CancellationToken cancellationToken)
    {
        var (route, missing) = await runner.FindAsync(caller.TenantId, model, null, cancellationToken);
        if ((route is null ? missing : await CheckAsync(context, UnloadProblem, cancellationToken)) is { } problem)
        {
            await ProblemWriter.WriteAsync(context, problem);
            return;
        }
        if (models.IsPinned(route!.TenantId, route.ServingDigest))
        {
            await ProblemWriter.WriteAsync(context, OpenInferenceProblems.Invalid($"failed to unload '{model}', it is pinned: atoll endpoints unpin {model}"));
            return;
        }
        models.Unload(route.TenantId, route.ServingDigest);
    }

    private static Problem? IndexProblem(string name, JsonElement value) =>
        name == "ready" && value.ValueKind is not (JsonValueKind.True or JsonValueKind.False) ? OpenInferenceProblems.Invalid("Unable to parse 'ready', expected true or false") : null;

    private static Problem LoadProblem(string model, string name) => name == "config" || name.StartsWith("file:", StringComparison.Ordinal)
        ? OpenInferenceProblems.NotLoaded(501, ProblemCodes.InvalidField, model, $"parameter '{JsonText.Shorten(name)}' is not supported: import models with the API, or with 'atoll models import'")
        : OpenInferenceProblems.NotLoaded(400, ProblemCodes.InvalidField, model, $"unrecognized parameter '{JsonText.Shorten(name)}'");

    private static Problem? UnloadProblem(string name, JsonElement value) => name != "unload_dependents"
        ? OpenInferenceProblems.Invalid($"unrecognized parameter '{JsonText.Shorten(name)}'")
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? null : OpenInferenceProblems.Invalid("Unable to parse 'unload_dependents', expected true or false");

    /// <summary>Checks what a body says, which may be empty: each member of the index's, each parameter of the others.</summary>
    private static async Task<Problem?> CheckAsync(HttpContext context, Func<string, JsonElement, Problem?> check, CancellationToken cancellationToken)
    {
        var body = await RequestBody.ReadAllAsync(context.Request.BodyReader, cancellationToken);
        try
        {
            if (body.IsEmpty) return null;
            using var document = JsonDocument.Parse(body, new JsonDocumentOptions { MaxDepth = DepthMax });
            if (document.RootElement.ValueKind != JsonValueKind.Object) return OpenInferenceProblems.Invalid("failed to parse the request JSON buffer: expected an object");
            foreach (var member in document.RootElement.EnumerateObject())
            {
                if (member.Name != "parameters")
                {
                    if (member.NameEquals("ready") && check("ready", member.Value) is { } wrong) return wrong;
                    continue;
                }
                if (member.Value.ValueKind != JsonValueKind.Object) return OpenInferenceProblems.Invalid("Unable to parse 'parameters', expected an object");
                foreach (var parameter in member.Value.EnumerateObject())
                    if (check(parameter.Name, parameter.Value) is { } problem) return problem;
            }
            return null;
        }
        catch (JsonException failure)
        {
            return OpenInferenceProblems.Invalid(
                $"failed to parse the request JSON buffer: line {failure.LineNumber + 1}, byte {failure.BytePositionInLine + 1} is not valid JSON");
        }
        catch (InvalidOperationException)
        {
            // Names are checked when they are asked for.
            return OpenInferenceProblems.Invalid("failed to parse the request JSON buffer: a name is not valid Unicode text");
        }
        finally
        {
            context.Request.BodyReader.AdvanceTo(body.End);
        }
    }
}
