using System.Globalization;
using System.Text.Json;
using Atoll.Deployments;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Serving;
using Atoll.Serving.Onnx;
using Route = Atoll.Deployments.Route;

namespace Atoll.Prediction.OpenInference;

/// <summary>Runs a model on tensors in JSON.</summary>
internal static class Infer
{
    public static async Task HandleAsync(
        HttpContext context, string model, string? version, Caller caller, InferenceRunner runner, CancellationToken cancellationToken)
    {
        using var rented = PredictionWork.Rent();
        var work = rented.Work;
        var (route, missing) = await runner.FindAsync(caller.TenantId, model, version, cancellationToken);
        var problem = route is null ? missing : CheckHeaders(context.Request) ?? await AnswerAsync(context, route, runner, work, cancellationToken);
        if (problem is not null)
        {
            await ProblemWriter.WriteAsync(context, problem);
            return;
        }
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = work.Answer.Length;
        await context.Response.BodyWriter.WriteAsync(work.Answer.Written, cancellationToken);
    }

    private static Problem? CheckHeaders(HttpRequest request)
    {
        if (request.Headers.ContainsKey("Inference-Header-Content-Length"))
            return OpenInferenceProblems.Unsupported("Inference-Header-Content-Length: binary tensor data is not supported, send 'data' as JSON");
        return request.Headers.ContentEncoding is { Count: > 0 } encoding && !encoding.ToString().Equals("identity", StringComparison.OrdinalIgnoreCase)
            ? OpenInferenceProblems.Unsupported($"Content-Encoding '{JsonText.Shorten(encoding.ToString())}' is not supported, send the body as it is")
            : null;
    }

    private static async ValueTask<Problem?> AnswerAsync(
        HttpContext context, Route route, InferenceRunner runner, PredictionWork work, CancellationToken cancellationToken)
    {
        var (lease, full) = await runner.LeaseAsync(route, cancellationToken);
        if (full is not null) return full;
        using var leased = lease;
        using var tensors = new InferTensors(route.Endpoint, lease.Session);
        var request = new InferRequest(tensors);
        var pipe = context.Request.BodyReader;
        var body = await RequestBody.ReadAllAsync(pipe, cancellationToken);
        try
        {
            if (request.Read(body) is { } problem) return problem;
        }
        finally
        {
            pipe.AdvanceTo(body.End);
        }

        var (outputs, failure) = await runner.RunAsync(route.TenantId, tensors, cancellationToken);
        if (outputs is null) return failure;
        try
        {
            return Write(route, request.Id, tensors, outputs, work);
        }
        finally
        {
            foreach (var output in outputs) output.Dispose();
        }
    }

    private static Problem? Write(Route route, string? id, InferTensors tensors, OnnxTensor[] outputs, PredictionWork work)
    {
        var json = work.Json;
        json.Reset(work.Answer);
        json.WriteStartObject();
        if (id is not null) json.WriteString("id"u8, id);
        json.WriteString("model_name"u8, route.Endpoint);
        json.WriteString("model_version"u8, route.Version.ToString(CultureInfo.InvariantCulture));
        json.WriteStartArray("outputs"u8);
        var count = tensors.Outputs?.Count ?? outputs.Length;
        for (var i = 0; i < count; i++)
        {
            var index = tensors.Outputs is { } asked ? asked[i] : i;
            var output = outputs[index];
            json.WriteStartObject();
            json.WriteString("name"u8, tensors.Session.Outputs[index].Name);
            json.WriteString("datatype"u8, Datatypes.NameOf(output.ElementType));
            json.WriteStartArray("shape"u8);
            foreach (var dimension in output.Shape) json.WriteNumberValue(dimension);
            json.WriteEndArray();
            json.WritePropertyName("data"u8);
            if (!TensorData.TryWrite(json, output))
            {
                work.Answer.Clear();
                return OpenInferenceProblems.Invalid(
                    $"output '{tensors.Session.Outputs[index].Name}' has elements that JSON cannot hold (NaN, infinity, FP16 or BF16); leave it out with 'outputs'");
            }
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
        json.Flush();
        return null;
    }
}
