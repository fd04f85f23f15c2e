using System.Globalization;
using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Grpc;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Prediction.OpenInference.Grpc.Messages;
using Microsoft.Extensions.Options;

namespace Atoll.Prediction.OpenInference.Grpc;

/// <summary>The Open Inference Protocol's service <c>inference.GRPCInferenceService</c>. A model is an endpoint of the caller's tenant.</summary>
internal sealed class GrpcInference(InferenceRunner runner, ICallerCheck check, IOptions<PredictionOptions> options)
{
    // Grows with what is there over gRPC.
    private static readonly string[] Extensions = ["parameters"];

    public static Serializer<InferAnswer> Answers { get; } = new(static answer => answer.Size(), static (answer, bytes) => answer.WriteTo(bytes));

    public static Serializer<StreamAnswer> StreamAnswers { get; } = new(static answer => answer.Size(), static (answer, bytes) => answer.WriteTo(bytes));

    public ServerMetadataResponse DescribeServer() =>
        new() { Name = options.Value.ServerName, Version = OpenInference.DescribeServer.Version, Extensions = { Extensions } };

    /// <summary>A model that is known is ready; it is loaded when it is first asked. One that is not known is not an error here.</summary>
    public async Task<ModelReadyResponse> ModelReady(ModelReadyRequest request, ServerCallContext context)
    {
        var (route, _) = await runner.FindAsync(TenantOf(context), request.Name, VersionOf(request.Version), context.CancellationToken);
        return new ModelReadyResponse { Ready = route is not null };
    }

    public async Task<ModelMetadataResponse> ModelMetadata(ModelMetadataRequest request, ServerCallContext context)
    {
        var (route, missing) = await runner.FindAsync(TenantOf(context), request.Name, VersionOf(request.Version), context.CancellationToken);
        if (route is null) throw new RpcException(missing!);
        var db = context.GetHttpContext().RequestServices.GetRequiredService<PlatformDb>();
        var versions = await DescribeModel.VersionsAsync(db, route, context.CancellationToken);
        return new ModelMetadataResponse
        {
            Name = route.Endpoint,
            Versions = { versions.Select(version => version.ToString(CultureInfo.InvariantCulture)) },
            Platform = DescribeModel.Platform,
            Inputs = { route.Signature.Inputs.Select(Describe) },
            Outputs = { route.Signature.Outputs.Select(Describe) },
        };
    }

    public async Task<InferAnswer> ModelInfer(InferMessage request, ServerCallContext context)
    {
        var (answer, problem) = await InferAsync(request, context, isStream: false);
        return answer ?? throw new RpcException(problem!);
    }

    /// <summary>One answer for each request, in their order. What is wrong with a request is an answer too, unless the client wants errors of gRPC.</summary>
    public async Task ModelStreamInfer(IAsyncStreamReader<InferMessage> requests, IServerStreamWriter<StreamAnswer> answers, ServerCallContext context)
    {
        var endsAtErrors = string.Equals(context.RequestHeaders["triton_grpc_error"], "true", StringComparison.OrdinalIgnoreCase);
        while (await requests.MoveNext(context.CancellationToken))
        {
            // The credential was looked at when the stream was opened, which may be long ago.
            if (!await check.IsStillGoodAsync(context.GetHttpContext(), context.CancellationToken))
                throw new RpcException(new Status(StatusCode.Unauthenticated, "The credential of this stream was revoked, has expired, or has lost the permission."));
            var (answer, problem) = await InferAsync(requests.Current, context, isStream: true);
            if (problem is not null && endsAtErrors) throw new RpcException(problem);
            using var sent = new StreamAnswer(answer, problem is null ? "" : Status.Of(problem).Detail, requests.Current.Id);
            await answers.WriteAsync(sent, context.CancellationToken);
        }
    }

    private async ValueTask<Outcome<InferAnswer>> InferAsync(InferMessage request, ServerCallContext context, bool isStream)
    {
        var (tenantId, cancellationToken) = (TenantOf(context), context.CancellationToken);
        var (route, missing) = await runner.FindAsync(tenantId, request.ModelName, VersionOf(request.ModelVersion), cancellationToken);
        if (route is null) return missing!;
        var (lease, full) = await runner.LeaseAsync(route, cancellationToken);
        if (full is not null) return full;
        using var leased = lease;
        var tensors = new InferTensors().Begin(route.Endpoint, lease.Session);
        InferAnswer? answer = null;
        try
        {
            if (InferMessageTensors.Read(request, tensors) is { } problem) return problem;
            if (await runner.RunInTimeAsync(tenantId, tensors, context.TimeLeft, cancellationToken) is { } failure) return failure;
            LoggedPrediction.Keep(context.GetHttpContext(), route, tensors);
            return answer = new InferAnswer { IsFinalOfStream = isStream }.Begin(route.Endpoint, route.VersionText, request.Id, tensors);
        }
        finally
        {
            if (answer is null) tensors.Dispose();
        }
    }

    private static string TenantOf(ServerCallContext context) => Caller.Of(context.GetHttpContext()).TenantId;

    private static string? VersionOf(string version) => version.Length == 0 ? null : version;

    private static ModelMetadataResponse.Types.TensorMetadata Describe(TensorSpec tensor) => new() { Name = tensor.Name, Datatype = tensor.Datatype, Shape = { tensor.Shape } };
}
