using System.Buffers;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
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
        if ((route is null ? missing : ModelAnswers.RefuseMany(route, "HTTP end point infer") ?? await AnswerAsync(context, route, runner, clock, rented.Work, cancellationToken)) is { } problem)
        {
            await ProblemWriter.WriteAsync(context, problem);
            return;
        }
        // The model is free for others while the answer is on its way.
        await rented.Work.InferResponse.SendAsync(context, cancellationToken);
    }

    /// <summary>Reads a request that is there in one piece; null when the model can run.</summary>
    /// <param name="isPlain">Nobody is told of a problem.</param>
    public static Problem? Read(HttpRequest request, ReadOnlySequence<byte> body, InferRequest infer, bool isPlain = false)
    {
        if (BodyEncoding.Split(request, body, out var json, out var raw) is { } wrong) return wrong;
        return raw is { } tensor && json.IsEmpty ? infer.ReadRaw(tensor) : infer.Read(json, raw, isPlain);
    }

    private static async ValueTask<Problem?> AnswerAsync(
        HttpContext context, Route route, InferenceRunner runner, TimeProvider clock, PredictionWork work, CancellationToken cancellationToken)
    {
        var (body, lease, refused) = await runner.ReadAndLeaseAsync(context, route, cancellationToken);
        if (refused is not null) return refused;
        using var leased = lease;
        var tensors = work.Tensors.Begin(route.Endpoint, lease.Session, route.Signature.Labels, runner.Shared.Of(route.TenantId));
        var began = clock.GetTimestamp();
        using (body)
        {
            if (Read(context.Request, body.All, work.InferRequest) is { } problem) return problem;
        }

        var input = clock.GetElapsedTime(began);
        if (await runner.RunAsync(route.TenantId, tensors, work.InferRequest.Timeout, cancellationToken) is { } failure) return failure;
        LoggedPrediction.Keep(context, route, tensors);

        began = clock.GetTimestamp();
        var unwritten = work.InferResponse.Write(route);
        lease.Session.Statistics.AddInputAndOutput(input, clock.GetElapsedTime(began));
        return unwritten;
    }
}
