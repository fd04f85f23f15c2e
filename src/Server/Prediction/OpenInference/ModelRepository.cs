using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Atoll.Deployments;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using ModelIndex = Atoll.Prediction.OpenInference.Grpc.Messages.RepositoryIndexResponse.Types.ModelIndex;

namespace Atoll.Prediction.OpenInference;

/// <summary>The protocol's model repository: which models there are, and whether they are in memory. A model that is not is loaded by its first request.</summary>
internal static class ModelRepository
{
    /// <summary>Every version of every model, each of which answers.</summary>
    public static async Task HandleIndexAsync(HttpContext context, PlatformDb db, CancellationToken cancellationToken)
    {
        if (await ReadAsync(context, CheckIndex, cancellationToken) is { } problem) await ProblemWriter.WriteAsync(context, problem);
        else await MessageAnswer.WriteAllAsync(context, null, ListAsync(db, cancellationToken), cancellationToken);
    }

    public static async IAsyncEnumerable<ModelIndex> ListAsync(PlatformDb db, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var row in EndpointVersion.ReadAllAsync(db, cancellationToken))
            yield return new ModelIndex { Name = row.Name, Version = row.Number.ToString(CultureInfo.InvariantCulture), State = "READY" };
    }

    /// <summary>Brings what the model's endpoint serves into memory, or first makes a version of what was sent.</summary>
    public static async Task HandleLoadAsync(HttpContext context, string model, Caller caller, LoadModel load, CancellationToken cancellationToken)
    {
        var request = new LoadRequest(model);
        var problem = await ReadAsync(context, (name, value) => Take(request, name, value), cancellationToken)
            ?? await load.RunAsync(caller.TenantId, request, cancellationToken);
        if (problem is not null) await ProblemWriter.WriteAsync(context, problem);
    }

    /// <summary>Gives the memory of the model back.</summary>
    public static async Task HandleUnloadAsync(
        HttpContext context, string model, Caller caller, InferenceRunner runner, ServedModels models, CancellationToken cancellationToken)
    {
        var problem = await ReadAsync(context, (name, value) => CheckUnload(name, value.ValueKind is JsonValueKind.True or JsonValueKind.False), cancellationToken)
            ?? await UnloadAsync(caller.TenantId, model, runner, models, cancellationToken);
        if (problem is not null) await ProblemWriter.WriteAsync(context, problem);
    }

    public static async Task<Problem?> UnloadAsync(string tenantId, string model, InferenceRunner runner, ServedModels models, CancellationToken cancellationToken)
    {
        var (route, missing) = await runner.FindAsync(tenantId, model, null, cancellationToken);
        if (route is null) return missing;
        if (models.IsPinned(route.TenantId, route.ServingDigest)) return OpenInferenceProblems.Invalid($"failed to unload '{model}', it is pinned: atoll endpoints unpin {model}");
        models.Unload(route.TenantId, route.ServingDigest);
        return null;
    }

    /// <summary>What is wrong with a parameter of an unload.</summary>
    public static Problem? CheckUnload(string name, bool isFlag) => name != "unload_dependents"
        ? OpenInferenceProblems.Invalid($"unrecognized parameter '{JsonText.Shorten(name)}'")
        : isFlag ? null : OpenInferenceProblems.Invalid("Unable to parse 'unload_dependents', expected true or false");

    private static Problem? CheckIndex(string name, JsonElement value) =>
        name == "ready" && value.ValueKind is not (JsonValueKind.True or JsonValueKind.False) ? OpenInferenceProblems.Invalid("Unable to parse 'ready', expected true or false") : null;

    private static Problem? Take(LoadRequest request, string name, JsonElement value)
    {
        if (name == "config") return value.ValueKind == JsonValueKind.String ? request.TakeConfig(value.GetString()!) : request.NotText(name);
        if (!LoadRequest.IsFile(name)) return request.Unrecognized(name);
        return value.ValueKind == JsonValueKind.String && value.TryGetBytesFromBase64(out var bytes) ? request.TakeFile(name, bytes) : request.NotBase64(name);
    }

    /// <summary>Reads what a body says, which may be empty: each member of the index's, each parameter of the others.</summary>
    private static Task<Problem?> ReadAsync(HttpContext context, Func<string, JsonElement, Problem?> take, CancellationToken cancellationToken) =>
        JsonBody.ReadAsync(context.Request, mayBeEmpty: true, root =>
        {
            foreach (var member in root.EnumerateObject())
            {
                if (member.Name != "parameters")
                {
                    if (member.NameEquals("ready") && take("ready", member.Value) is { } wrong) return wrong;
                    continue;
                }
                if (member.Value.ValueKind != JsonValueKind.Object) return OpenInferenceProblems.Invalid("Unable to parse 'parameters', expected an object");
                foreach (var parameter in member.Value.EnumerateObject())
                    if (take(parameter.Name, parameter.Value) is { } problem) return problem;
            }
            return null;
        }, cancellationToken);
}
