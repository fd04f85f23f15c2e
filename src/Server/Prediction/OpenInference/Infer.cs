using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Serving;
using Atoll.Serving.Onnx;
using Route = Atoll.Deployments.Route;

namespace Atoll.Prediction.OpenInference;

/// <summary>Runs a model on tensors in JSON, in binary or in both.</summary>
internal static class Infer
{
    public static async Task HandleAsync(
        HttpContext context, string model, string? version, Caller caller, InferenceRunner runner, TimeProvider clock, CancellationToken cancellationToken)
    {
        using var rented = PredictionWork.Rent();
        var (route, missing) = await runner.FindAsync(caller.TenantId, model, version, cancellationToken);
        var (response, problem) = route is null ? missing! : await AnswerAsync(context, route, runner, clock, rented.Work, cancellationToken);
        if (response is null)
        {
            await ProblemWriter.WriteAsync(context, problem!);
            return;
        }
        // The model is free for others while the answer is on its way.
        using (response) await response.SendAsync(context, cancellationToken);
    }

    private static async ValueTask<Outcome<InferResponse>> AnswerAsync(
        HttpContext context, Route route, InferenceRunner runner, TimeProvider clock, PredictionWork work, CancellationToken cancellationToken)
    {
        // First of all: a model is not held in memory for as long as a client takes to send.
        var (body, unread) = await BodyEncoding.ReadAsync(context, cancellationToken);
        if (unread is not null) return unread;
        ModelLease lease;
        Problem? full;
        try
        {
            (lease, full) = await runner.LeaseAsync(route, cancellationToken);
        }
        catch
        {
            body.Dispose();
            throw;
        }
        if (full is not null)
        {
            body.Dispose();
            return full;
        }
        using var leased = lease;
        using var tensors = new InferTensors(route.Endpoint, lease.Session) { Labels = route.Signature.Labels ?? [] };
        var request = new InferRequest(tensors);
        var began = clock.GetTimestamp();
        using (body)
        {
            if (BodyEncoding.Split(context.Request, body.All, out var json, out var raw) is { } wrong) return wrong;
            if ((raw is { } tensor && json.IsEmpty ? request.ReadRaw(tensor) : request.Read(json, raw)) is { } problem) return problem;
        }

        var input = clock.GetElapsedTime(began);
        var (outputs, failure) = await runner.RunAsync(route.TenantId, tensors, request.Timeout, cancellationToken);
        if (outputs is null) return failure!;

        began = clock.GetTimestamp();
        var response = InferResponse.Make(route, request, tensors, outputs, work);
        var output = clock.GetElapsedTime(began);
        lease.Session.Statistics.Add(RunStatistics.Step.ComputeInput, input);
        lease.Session.Statistics.Add(RunStatistics.Step.ComputeOutput, output);
        lease.Session.Statistics.AddTime(RunStatistics.Step.Success, input + output);
        return response;
    }
}
