using System.Text.Json;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Serving;
using Atoll.Serving.Onnx;
using Route = Atoll.Deployments.Route;

namespace Atoll.Prediction.OpenInference;

/// <summary>The protocol's generate extension: inputs and outputs by name in plain JSON, and many answers as a stream of events.</summary>
internal static class Generate
{
    /// <summary>Answers once.</summary>
    public static Task HandleAsync(
        HttpContext context, string model, string? version, Caller caller, InferenceRunner runner, ModelAnswers answers, ICallerCheck check, CancellationToken cancellationToken) =>
        AnswerAsync(context, model, version, caller, runner, answers, check, isStream: false, cancellationToken);

    /// <summary>Answers with an event for each answer of the model.</summary>
    public static Task HandleStreamAsync(
        HttpContext context, string model, string? version, Caller caller, InferenceRunner runner, ModelAnswers answers, ICallerCheck check, CancellationToken cancellationToken) =>
        AnswerAsync(context, model, version, caller, runner, answers, check, isStream: true, cancellationToken);

    private static async Task AnswerAsync(
        HttpContext context, string model, string? version, Caller caller, InferenceRunner runner, ModelAnswers answers, ICallerCheck check, bool isStream,
        CancellationToken cancellationToken)
    {
        var (route, missing) = await runner.FindAsync(caller.TenantId, model, version, cancellationToken);
        if ((route is null ? missing : await AnswerAsync(context, route, runner, answers, check, isStream, cancellationToken)) is { } problem)
            await ProblemWriter.WriteAsync(context, problem);
    }

    /// <returns>What is wrong, as long as nothing was sent.</returns>
    private static async Task<Problem?> AnswerAsync(
        HttpContext context, Route route, InferenceRunner runner, ModelAnswers answers, ICallerCheck check, bool isStream, CancellationToken cancellationToken)
    {
        var (body, lease, refused) = await runner.ReadAndLeaseAsync(context, route, cancellationToken);
        if (refused is not null) return refused;
        using var leased = new Held(lease);
        using var rented = PredictionWork.Rent();
        var work = rented.Work;
        var tensors = work.Tensors.Begin(route.Endpoint, lease.Session, route.Signature.Labels);
        var request = new GenerateRequest(tensors);

        // The tensors are copies: what came is not held until the last answer was sent.
        using (body)
        {
            if ((request.Read(body.All) ?? ModelAnswers.Prepare(route, tensors)) is { } wrong) return wrong;
        }

        var isBegun = false;
        await foreach (var answer in answers.RunAsync(route, tensors, request.StepsMax, request.Timeout, cancellationToken))
        {
            var problem = answer.Problem;
            if (problem is null) LoggedPrediction.Keep(context, route, tensors);
            if (problem is null && !isStream && !answer.IsLast)
                problem = OpenInferenceProblems.Invalid("generate expects model to produce exactly 1 response, use generate stream for model that generates various number of responses");

            // The credential was looked at when the request came, which may be long ago.
            if (problem is null && isBegun && !await check.IsStillGoodAsync(context, cancellationToken)) problem = HttpProblems.Unauthenticated("The credential no longer works.");
            work.Answer.Clear();
            if (isStream) work.Answer.Write("data: "u8);
            problem ??= Write(work, route, request, tensors);
            if (problem is not null && !isBegun) return problem;
            if (!isBegun) Begin(context, isStream);
            isBegun = true;
            if (problem is not null) WriteError(work, problem);
            if (isStream) work.Answer.Write("\n\n"u8);
            if (answer.IsLast || problem is not null)
            {
                // A client that does not read holds the bytes of its answer, but neither the model nor its tensors.
                tensors.Dispose();
                leased.Dispose();
            }
            await context.Response.BodyWriter.WriteAsync(work.Answer.Written, cancellationToken);
            if (problem is not null) return null;
        }
        return null;
    }

    private static void Begin(HttpContext context, bool isStream)
    {
        context.Response.ContentType = isStream ? "text/event-stream; charset=utf-8" : "application/json";
        if (isStream) context.Response.Headers.CacheControl = "no-cache";
    }

    private static Problem? Write(PredictionWork work, Route route, GenerateRequest request, InferTensors tensors)
    {
        var json = work.Json;
        json.Reset(work.Answer);
        json.WriteStartObject();
        if (request.Id is not null) json.WriteString("id"u8, request.Id);
        json.WriteString("model_name"u8, route.Endpoint);
        json.WriteString("model_version"u8, route.VersionText);
        for (var i = 0; i < tensors.OutputCount; i++)
        {
            var index = tensors.OutputAt(i);
            var (name, output) = (tensors.Session.Outputs[index].Name, tensors.Call.Outputs[index]);
            json.WritePropertyName(name);
            if (!TryWrite(json, output)) return OpenInferenceProblems.NoJsonForm(output.ElementType, name);
        }
        json.WriteEndObject();
        json.Flush();
        return null;
    }

    // One element stands alone, several are a list.
    private static bool TryWrite(Utf8JsonWriter json, OnnxTensor output)
    {
        if (output.Count != 1) return TensorData.TryWrite(json, output);
        using var list = new PooledBuffer();
        using (var writer = new Utf8JsonWriter(list, new JsonWriterOptions { Encoder = JsonText.Encoder }))
            if (!TensorData.TryWrite(writer, output)) return false;
        json.WriteRawValue(list.Written.Span[1..^1], skipInputValidation: true);
        return true;
    }

    private static void WriteError(PredictionWork work, Problem problem)
    {
        work.Answer.Clear();
        work.Answer.Write("data: "u8);
        work.Json.Reset(work.Answer);
        work.Json.WriteStartObject();
        work.Json.WriteString("error"u8, problem.Remedy is null ? problem.Detail : $"{problem.Detail} {problem.Remedy}");
        work.Json.WriteEndObject();
        work.Json.Flush();
    }

    /// <summary>A lease that may end before its block does.</summary>
    private sealed class Held(ModelLease lease) : IDisposable
    {
        private bool _isEnded;

        public void Dispose()
        {
            if (_isEnded) return;
            _isEnded = true;
            lease.Dispose();
        }
    }
}
