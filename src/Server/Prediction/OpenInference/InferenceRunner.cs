using System.Globalization;
using Atoll.Deployments;
using Atoll.Platform.Http;
using Atoll.Serving;
using Atoll.Serving.Onnx;
using Route = Atoll.Deployments.Route;

namespace Atoll.Prediction.OpenInference;

/// <summary>What every door of the Open Inference Protocol does between reading tensors and writing them.</summary>
internal sealed class InferenceRunner(RouteTable routes, ServedModels models, PredictionRunner runner, SharedMemory shared, TimeProvider clock)
{
    public SharedMemory Shared => shared;

    /// <summary>The version behind a name of the protocol, or why there is none.</summary>
    /// <param name="version">Null for what the endpoint serves.</param>
    public async ValueTask<Outcome<Route>> FindAsync(string tenantId, string model, string? version, CancellationToken cancellationToken)
    {
        string? selector = null;
        if (version is not null)
        {
            if (!int.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) return OpenInferenceProblems.UnknownModel(model, version);
            selector = number.ToString(CultureInfo.InvariantCulture);
        }
        var route = await routes.FindAsync(tenantId, model, selector, cancellationToken);
        return route is null ? OpenInferenceProblems.UnknownModel(model, version) : route;
    }

    /// <summary>Brings the model into memory; the caller disposes the lease.</summary>
    public async ValueTask<(ModelLease Lease, Problem? Problem)> LeaseAsync(Route route, CancellationToken cancellationToken)
    {
        try
        {
            return (await models.GetAsync(route, cancellationToken), null);
        }
        catch (ModelCacheFullException full)
        {
            return (default, models.ExplainRefusal(full, route.TenantId) ?? OpenInferenceProblems.NoRoom());
        }
        catch (ModelLoadException failure)
        {
            // Deleted while the request was on its way: then there is nothing wrong with the server.
            if (await routes.IsGoneAsync(route, cancellationToken)) return (default, OpenInferenceProblems.UnknownModel(route.Endpoint, $"{route.Version}"));
            if (models.Explain(failure, route) is { } problem) return (default, problem);
            throw;
        }
    }

    /// <summary>What the doors over HTTP begin with: the whole body, then the model; the caller disposes both.</summary>
    public async ValueTask<(BodyEncoding.RequestBytes Body, ModelLease Lease, Problem? Problem)> ReadAndLeaseAsync(HttpContext context, Route route, CancellationToken cancellationToken)
    {
        // In this order: a model is not held in memory for as long as a client takes to send.
        var (body, problem) = await BodyEncoding.ReadAsync(context, cancellationToken);
        if (problem is not null) return (default, default, problem);
        try
        {
            (var lease, problem) = await LeaseAsync(route, cancellationToken);
            if (problem is null) return (body, lease, null);
        }
        catch
        {
            body.Dispose();
            throw;
        }
        body.Dispose();
        return (default, default, problem);
    }

    /// <summary>Runs the model when its turn has come; null when that went well.</summary>
    /// <param name="timeout">How long the caller waits for its turn and the run; null for as long as it takes.</param>
    /// <param name="isBegun">A further step of a request that has run before.</param>
    public async ValueTask<Problem?> RunAsync(string tenantId, InferTensors tensors, TimeSpan? timeout, CancellationToken cancellationToken, bool isBegun = false)
    {
        if (timeout is not { } most) return await RunInTimeAsync(tenantId, tensors, Timeout.InfiniteTimeSpan, cancellationToken, isBegun);
        using var deadline = new CancellationTokenSource(most, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await RunInTimeAsync(tenantId, tensors, most, either.Token, isBegun);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return OpenInferenceProblems.TimedOut();
        }
    }

    /// <summary>The same for a caller whose token is cancelled when the time is over; refused at once when it would be in vain.</summary>
    public async ValueTask<Problem?> RunInTimeAsync(string tenantId, InferTensors tensors, TimeSpan timeout, CancellationToken cancellationToken, bool isBegun = false)
    {
        try
        {
            return await runner.RunAsync(tenantId, tensors.Call, timeout, cancellationToken, isBegun) ?? tensors.Classify() ?? tensors.Shared?.Write(tensors);
        }
        catch (OnnxException failure) when (PredictionRunner.IsAboutData(failure))
        {
            return OpenInferenceProblems.Invalid($"model '{tensors.Model}' could not be run on these inputs: {failure.Message}");
        }
    }
}
