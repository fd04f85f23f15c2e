using System.Collections.Frozen;
using Atoll.Contracts;
using Atoll.Platform.Grpc.Messages;
using Atoll.Platform.Http;
using ServingStatus = Atoll.Platform.Grpc.Messages.HealthCheckResponse.Types.ServingStatus;

namespace Atoll.Platform.Grpc;

/// <summary>Tells load balancers whether a service is there: from when the server is warm until it begins to stop.</summary>
internal sealed class GrpcHealth(EndpointDataSource routes, IHostApplicationLifetime lifetime, Readiness readiness)
{
    private readonly Lazy<FrozenSet<string>> _services = new(() =>
        routes.Endpoints.Select(route => route.Metadata.GetMetadata<GrpcRoute>()?.ServiceName).OfType<string>().Append("").ToFrozenSet());

    public Task<HealthCheckResponse> Check(HealthCheckRequest request, ServerCallContext context) => _services.Value.Contains(request.Service)
        ? Task.FromResult(new HealthCheckResponse { Status = StatusNow() })
        : throw new RpcException(new Status(StatusCode.NotFound, $"There is no service '{request.Service}'."));

    /// <summary>The status now, and again when it changes.</summary>
    public async Task Watch(HealthCheckRequest request, IServerStreamWriter<HealthCheckResponse> responses, ServerCallContext context)
    {
        var isKnown = _services.Value.Contains(request.Service);
        var status = isKnown ? StatusNow() : ServingStatus.ServiceUnknown;
        await responses.WriteAsync(new HealthCheckResponse { Status = status }, context.CancellationToken);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        if (isKnown && status == ServingStatus.NotServing)
        {
            await readiness.Reached.WaitAsync(either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (StatusNow() is ServingStatus.Serving)
                await responses.WriteAsync(new HealthCheckResponse { Status = status = ServingStatus.Serving }, context.CancellationToken);
        }
        await Task.Delay(Timeout.Infinite, either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        context.CancellationToken.ThrowIfCancellationRequested();
        if (isKnown && status != ServingStatus.NotServing) await responses.WriteAsync(new HealthCheckResponse { Status = ServingStatus.NotServing }, context.CancellationToken);
        throw new RpcException(new Problem(503, ProblemCodes.ShuttingDown, "The server stops."));
    }

    private ServingStatus StatusNow() =>
        lifetime.ApplicationStopping.IsCancellationRequested || !readiness.IsReached ? ServingStatus.NotServing : ServingStatus.Serving;
}
