using Atoll.Contracts;
using Atoll.Deployments;
using Atoll.Platform.Database;
using Atoll.Platform.Grpc;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Prediction.OpenInference.Grpc.Messages;
using Google.Protobuf.Collections;
using Microsoft.Extensions.Options;
using ParameterKind = Atoll.Prediction.OpenInference.Grpc.Messages.ModelRepositoryParameter.ParameterChoiceOneofCase;

namespace Atoll.Prediction.OpenInference.Grpc;

/// <summary>The Open Inference Protocol's service <c>inference.GRPCInferenceService</c>. A model is an endpoint of the caller's tenant.</summary>
internal sealed class GrpcInference(InferenceRunner runner, ModelAnswers modelAnswers, ServedModels models, ICallerCheck check, IOptions<PredictionOptions> options)
{
    /// <summary>Versions that a message lists at the most; clients take 4 MiB unless they are told otherwise.</summary>
    public const int ListMax = 50_000;

    public static Serializer<InferAnswer> Answers { get; } = new(static answer => answer.Size(), static (answer, bytes) => answer.WriteTo(bytes));

    public static Serializer<StreamAnswer> StreamAnswers { get; } = new(static answer => answer.Size(), static (answer, bytes) => answer.WriteTo(bytes));

    public ServerMetadataResponse DescribeServer() =>
        new() { Name = options.Value.ServerName, Version = OpenInference.DescribeServer.Version, Extensions = { OpenInference.DescribeServer.ExtensionsOf(runner.Shared) } };

    /// <summary>A model that is known and whole is ready; it is loaded when it is first asked. One that is not known is not an error here.</summary>
    public async Task<ModelReadyResponse> ModelReady(ModelReadyRequest request, ServerCallContext context) => new()
    {
        Ready = await DescribeModel.IsReadyAsync(TenantOf(context), request.Name, VersionOf(request.Version), runner, models, context.CancellationToken),
    };

    public async Task<ModelMetadataResponse> ModelMetadata(ModelMetadataRequest request, ServerCallContext context)
    {
        var (route, missing) = await runner.FindAsync(TenantOf(context), request.Name, VersionOf(request.Version), context.CancellationToken);
        return route is null ? throw new RpcException(missing!) : await DescribeModel.DescribeAsync(Part<PlatformDb>(context), route, context.CancellationToken);
    }

    public async Task<ModelConfigResponse> ModelConfig(ModelConfigRequest request, ServerCallContext context)
    {
        var (route, missing) = await runner.FindAsync(TenantOf(context), request.Name, VersionOf(request.Version), context.CancellationToken);
        return route is null ? throw new RpcException(missing!) : new ModelConfigResponse { Config = OpenInference.ModelConfig.Of(route, options.Value.SamplesMax) };
    }

    /// <summary>Of one model; without a name of all that are in memory.</summary>
    public async Task<ModelStatisticsResponse> ModelStatistics(ModelStatisticsRequest request, ServerCallContext context)
    {
        var response = new ModelStatisticsResponse();
        if (request.Name.Length == 0)
        {
            await AddAllAsync(response.ModelStats, OpenInference.ModelStatistics.ListAsync(TenantOf(context), Part<PlatformDb>(context), models, context.CancellationToken), "GET /v2/models/stats");
            return response;
        }
        var (route, missing) = await runner.FindAsync(TenantOf(context), request.Name, VersionOf(request.Version), context.CancellationToken);
        response.ModelStats.Add(route is null ? throw new RpcException(missing!) : OpenInference.ModelStatistics.Of(route, models));
        return response;
    }

    public async Task<RepositoryIndexResponse> RepositoryIndex(RepositoryIndexRequest request, ServerCallContext context)
    {
        CheckRepository(request.RepositoryName);
        var response = new RepositoryIndexResponse();
        await AddAllAsync(response.Models, ModelRepository.ListAsync(Part<PlatformDb>(context), context.CancellationToken), "POST /v2/repository/index");
        return response;
    }

    public async Task<RepositoryModelLoadResponse> RepositoryModelLoad(RepositoryModelLoadRequest request, ServerCallContext context)
    {
        CheckRepository(request.RepositoryName);
        var load = new LoadRequest(request.ModelName);
        foreach (var (name, value) in request.Parameters)
        {
            var wrong = name == "config" ? value.ParameterChoiceCase == ParameterKind.StringParam ? load.TakeConfig(value.StringParam) : load.NotText(name)
                : !LoadRequest.IsFile(name) ? load.Unrecognized(name)
                : value.ParameterChoiceCase == ParameterKind.BytesParam ? load.TakeFile(name, value.BytesParam.Memory) : load.NotBytes(name);
            if (wrong is not null) throw new RpcException(wrong);
        }
        return await Part<LoadModel>(context).RunAsync(TenantOf(context), load, context.CancellationToken) is { } problem ? throw new RpcException(problem) : new RepositoryModelLoadResponse();
    }

    public async Task<RepositoryModelUnloadResponse> RepositoryModelUnload(RepositoryModelUnloadRequest request, ServerCallContext context)
    {
        CheckRepository(request.RepositoryName);
        foreach (var (name, value) in request.Parameters)
            if (ModelRepository.CheckUnload(name, value.ParameterChoiceCase == ParameterKind.BoolParam) is { } wrong) throw new RpcException(wrong);
        return await ModelRepository.UnloadAsync(TenantOf(context), request.ModelName, runner, models, context.CancellationToken) is { } problem
            ? throw new RpcException(problem)
            : new RepositoryModelUnloadResponse();
    }

    public Task<SystemSharedMemoryStatusResponse> SystemSharedMemoryStatus(SystemSharedMemoryStatusRequest request, ServerCallContext context)
    {
        var (regions, problem) = runner.Shared.List(TenantOf(context), NameOf(request.Name));
        if (regions is null) throw new RpcException(problem!);
        var response = new SystemSharedMemoryStatusResponse();
        foreach (var region in regions)
            response.Regions[region.Name] = new() { Name = region.Name, Key = region.Key, Offset = region.Offset, ByteSize = region.ByteSize };
        return Task.FromResult(response);
    }

    public Task<SystemSharedMemoryRegisterResponse> SystemSharedMemoryRegister(SystemSharedMemoryRegisterRequest request, ServerCallContext context)
    {
        var problem = runner.Shared.Register(Caller.Of(context.GetHttpContext()), request.Name, request.Key, request.Offset, request.ByteSize);
        if (problem is { Code: ProblemCodes.AlreadyExists }) throw new RpcException(new Status(StatusCode.AlreadyExists, problem.Detail));
        return problem is null ? Task.FromResult(new SystemSharedMemoryRegisterResponse()) : throw new RpcException(problem);
    }

    public Task<SystemSharedMemoryUnregisterResponse> SystemSharedMemoryUnregister(SystemSharedMemoryUnregisterRequest request, ServerCallContext context) =>
        runner.Shared.Unregister(TenantOf(context), NameOf(request.Name)) is { } problem ? throw new RpcException(problem) : Task.FromResult(new SystemSharedMemoryUnregisterResponse());

    public async Task<InferAnswer> ModelInfer(InferMessage request, ServerCallContext context)
    {
        var (tenantId, cancellationToken) = (TenantOf(context), context.CancellationToken);
        var (route, missing) = await runner.FindAsync(tenantId, request.ModelName, VersionOf(request.ModelVersion), cancellationToken);
        if (route is null) throw new RpcException(missing!);
        if (ModelAnswers.RefuseMany(route, "ModelInfer RPC") is { } many) throw new RpcException(many);
        var (lease, full) = await runner.LeaseAsync(route, cancellationToken);
        if (full is not null) throw new RpcException(full);
        using var leased = lease;
        var tensors = new InferTensors().Begin(route.Endpoint, lease.Session, route.Signature.Labels, runner.Shared.Of(tenantId));
        InferAnswer? answer = null;
        try
        {
            if (InferMessageTensors.Read(request, tensors) is { } problem) throw new RpcException(problem);
            var failure = InferParameters.TimeoutOf(request) is { } timeout
                ? await runner.RunAsync(tenantId, tensors, timeout, cancellationToken)
                : await runner.RunInTimeAsync(tenantId, tensors, context.TimeLeft, cancellationToken);
            if (failure is not null) throw new RpcException(failure);
            LoggedPrediction.Keep(context.GetHttpContext(), route, tensors);
            return answer = new InferAnswer().Begin(route.Endpoint, route.VersionText, request.Id, tensors);
        }
        finally
        {
            if (answer is null) tensors.Dispose();
        }
    }

    /// <summary>Answers for each request: one, or many where the model gives many.</summary>
    public async Task ModelStreamInfer(IAsyncStreamReader<InferMessage> requests, IServerStreamWriter<StreamAnswer> answers, ServerCallContext context)
    {
        using var stream = new InferStream(runner, modelAnswers, check, answers, context);
        await stream.RunAsync(requests);
    }

    public static string TenantOf(ServerCallContext context) => Caller.Of(context.GetHttpContext()).TenantId;

    public static string? VersionOf(string version) => version.Length == 0 ? null : version;

    /// <summary>Puts a list into a message, which is in memory whole before it is sent.</summary>
    private static async Task AddAllAsync<T>(RepeatedField<T> list, IAsyncEnumerable<T> all, string route)
    {
        await foreach (var one in all)
        {
            if (list.Count == ListMax)
                throw new RpcException(new Status(StatusCode.ResourceExhausted, $"There are more than {ListMax} versions, too many for one message. Over HTTP {route} sends all of them."));
            list.Add(one);
        }
    }

    private static string? NameOf(string name) => name.Length == 0 ? null : name;

    private static T Part<T>(ServerCallContext context) where T : notnull => context.GetHttpContext().RequestServices.GetRequiredService<T>();

    private static void CheckRepository(string name)
    {
        if (name.Length > 0) throw new RpcException(OpenInferenceProblems.Unsupported("'repository_name' specification is not supported"));
    }
}
