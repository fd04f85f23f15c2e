using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Database;
using Atoll.Platform.Grpc;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Platform.Telemetry;
using Atoll.Prediction.OpenInference;
using Atoll.Prediction.OpenInference.Grpc;
using Atoll.Prediction.OpenInference.Grpc.Messages;
using ServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;

namespace Atoll.Prediction;

/// <summary>Predictions: raw samples over the platform's own API, tensors over the Open Inference Protocol.</summary>
internal static class PredictionModule
{
    public static void AddPrediction(this IServiceCollection services)
    {
        services.AddSettings<PredictionOptions>("Prediction");
        services.AddSingleton<PredictionRunner>();
        services.AddSingleton<SharedMemory>();
        services.AddSingleton<ITenantMemory>(provider => provider.GetRequiredService<SharedMemory>());
        services.AddSingleton<InferenceRunner>();
        services.AddSingleton<AnswersInProgress>();
        services.AddSingleton<ModelAnswers>();
        services.AddSingleton<GrpcInference>();
        services.AddSingleton<IMetrics, PredictionMetrics>();
        services.AddScoped<LoadModel>();
    }

    public static void MapPrediction(this RouteGroupBuilder api)
    {
        api.MapAction("/endpoints/{endpoint}:predict", Predict.HandleAsync).Needs(Permissions.Predict).WithTags("Endpoints")
            .WithName("predict").WithSummary("Predict rows, texts, images or sounds: JSON, csv or a form with files.")
            .Produces<PredictResponse>(StatusCodes.Status200OK, "application/json", "text/csv")
            .ProducesProblem(StatusCodes.Status413PayloadTooLarge).ProducesProblem(StatusCodes.Status415UnsupportedMediaType)
            .WithMetadata(new RunsModel(), new QueryParameters([.. PredictDescription.Query.Select(parameter => parameter.Name)]))
            .AddOpenApiOperationTransformer(PredictDescription.AddAsync);
        api.MapAction("/endpoints/{endpoint}:compare", CheckDrift.HandleAsync).Needs(Permissions.Predict).WithTags("Endpoints")
            .WithName("checkDrift").WithSummary("How rows differ from those that the version was trained on: JSON, csv or a form with a file; nothing is predicted.")
            .Produces<DriftResponse>()
            .ProducesProblem(StatusCodes.Status409Conflict).ProducesProblem(StatusCodes.Status413PayloadTooLarge).ProducesProblem(StatusCodes.Status415UnsupportedMediaType)
            .WithMetadata(new QueryParameters([.. PredictDescription.VersionQuery.Select(parameter => parameter.Name)]))
            .AddOpenApiOperationTransformer(PredictDescription.AddRowsAsync);
    }

    /// <summary>The Open Inference Protocol, at the addresses where its clients look for it.</summary>
    private const string StatisticsExample =
        """{"model_stats":[{"name":"churn","version":"1","last_inference":1769851800000,"inference_count":12,"execution_count":4,"inference_stats":{"success":{"count":4,"ns":812000}}}]}""";

    public static void MapOpenInference(this IEndpointRouteBuilder app)
    {
        var v2 = app.MapGroup("/v2").WithTags("Open Inference Protocol");
        v2.MapGet("", DescribeServer.HandleAsync).WithName("describeInferenceServer").WithSummary("Name and version of the server, and the extensions it speaks.")
            .WithAnswer("""{"name":"atoll","version":"0.1.0","extensions":["binary_tensor_data","classification"]}""")
            .ForAnybody("names only the product");
        v2.MapGet("/health/live", (Delegate)DescribeServer.HandleHealth).WithName("isInferenceServerLive").WithSummary("200 while the process lives.")
            .ForAnybody("says only that the process lives");
        v2.MapGet("/health/ready", (Delegate)ReadyAnswer.HandleInferenceAsync).WithName("isInferenceServerReady").WithSummary("200 when predictions can be asked for.")
            .ForAnybody("says only that the process answers");
        foreach (var (path, suffix) in (ReadOnlySpan<(string, string)>)[("/models/{model}", ""), ("/models/{model}/versions/{version}", "Version")])
        {
            v2.MapGet(path, DescribeModel.HandleAsync).WithName($"describeInferenceModel{suffix}").WithSummary("Inputs and outputs of a model; its name is that of an endpoint.")
                .WithAnswer("""{"name":"churn","versions":["1"],"platform":"onnxruntime_onnx","inputs":[{"name":"tenure","datatype":"FP32","shape":[-1,1]}],"outputs":[{"name":"label","datatype":"BYTES","shape":[-1]}]}""")
                .Needs(Permissions.Predict);
            v2.MapGet(path + "/ready", DescribeModel.HandleReadyAsync).WithName($"isInferenceModel{suffix}Ready").WithSummary("200 when the model answers.")
                .Needs(Permissions.Predict);
            v2.MapGet(path + "/config", OpenInference.ModelConfig.HandleAsync).WithName($"describeInferenceModel{suffix}Config").WithSummary("How a model is served, as Triton's ModelConfig.")
                .WithAnswer("""{"name":"churn","platform":"onnxruntime_onnx","backend":"onnxruntime","version_policy":{"all":{}},"max_batch_size":1000}""")
                .Needs(Permissions.Predict);
            v2.MapGet(path + "/stats", OpenInference.ModelStatistics.HandleAsync).WithName($"countInferenceModel{suffix}").WithSummary("What was asked of a model since it came into memory.")
                .WithAnswer(StatisticsExample)
                .Needs(Permissions.Predict);
            v2.MapPost(path + "/infer", Infer.HandleAsync).WithName($"inferModel{suffix}").WithSummary("Run a model on tensors.")
                .WithExample("""{"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["I lost my card"]}],"outputs":[{"name":"label"}]}""")
                .WithAnswer("""{"model_name":"banking77","model_version":"1","outputs":[{"name":"label","datatype":"BYTES","shape":[1],"data":["lost_or_stolen_card"]}]}""").WithMetadata(new RunsModel()).Needs(Permissions.Predict);
            v2.MapPost(path + "/generate", Generate.HandleAsync).WithName($"generate{suffix}").WithSummary("Run a model on inputs by name, in plain JSON.")
                .WithExample("""{"text_input":"I lost my card"}""").WithAnswer("""{"model_name":"banking77","model_version":"1","text_output":"lost_or_stolen_card"}""")
                .WithMetadata(new RunsModel()).Needs(Permissions.Predict);
            v2.MapPost(path + "/generate_stream", Generate.HandleStreamAsync).WithName($"generateStream{suffix}").WithSummary("Run a model that answers many times; each answer is an event.")
                .WithExample("""{"text_input":"Once","parameters":{"steps_max":16}}""").WithAnswer("""{"model_name":"story","model_version":"1","text_output":" upon"}""")
                .WithMetadata(new RunsModel()).Needs(Permissions.Predict);
        }

        v2.MapGet("/models/stats", OpenInference.ModelStatistics.HandleAllAsync).WithName("countInferenceModels").WithSummary("What was asked of each model that is in memory.")
            .WithAnswer(StatisticsExample)
            .Needs(Permissions.Predict);
        v2.MapPost("/repository/index", ModelRepository.HandleIndexAsync).WithName("listInferenceModels").WithSummary("Every version of every model, as the protocol lists them.")
            .WithExample("""{"ready":true}""").WithAnswer("""[{"name":"churn","version":"1","state":"READY","reason":""}]""").Needs(Permissions.Predict);
        v2.MapPost("/repository/models/{model}/load", ModelRepository.HandleLoadAsync).WithName("loadInferenceModel").WithSummary("Bring a model into memory before it is asked.")
            .WithExample("""{"parameters":{}}""").Needs(Permissions.ModelsWrite);
        v2.MapPost("/repository/models/{model}/unload", ModelRepository.HandleUnloadAsync).WithName("unloadInferenceModel").WithSummary("Take a model out of memory; its next request loads it again.")
            .WithExample("""{"parameters":{"unload_dependents":false}}""").Needs(Permissions.ModelsWrite);

        foreach (var (path, suffix) in (ReadOnlySpan<(string, string)>)[("/systemsharedmemory", "s"), ("/systemsharedmemory/region/{region}", "")])
        {
            v2.MapGet(path + "/status", SharedMemoryRegions.HandleStatusAsync).WithName($"describeSharedMemoryRegion{suffix}").WithSummary("Files of shared memory that are registered, where the operator allows them.")
                .WithAnswer("""[{"name":"input","key":"/acme.input","offset":0,"byte_size":4096}]""").WithMetadata(new OptionalPart()).Needs(Permissions.Predict);
            v2.MapPost(path + "/unregister", SharedMemoryRegions.HandleUnregisterAsync).WithName($"unregisterSharedMemoryRegion{suffix}").WithSummary("Forget a file of shared memory, or all.")
                .Needs(Permissions.ModelsWrite);
        }
        v2.MapPost("/systemsharedmemory/region/{region}/register", SharedMemoryRegions.HandleRegisterAsync).WithName("registerSharedMemoryRegion").WithSummary("Let requests name tensors in a file of shared memory.")
            .WithExample("""{"key":"/acme.input","offset":0,"byte_size":4096}""").Needs(Permissions.ModelsWrite);

        // What nothing above takes: other paths, and other methods. After all others, so that only these come here.
        foreach (var path in (ReadOnlySpan<string>)["", "/health/{**rest}", "/models/{**rest}", "/repository/{**rest}", "/systemsharedmemory/{**rest}"])
            v2.Map(path, OpenInferenceProblems.RefuseAsync).ForAnybody("holds no data").ExcludeFromDescription().WithOrder(1);
    }

    /// <summary>The same protocol over gRPC.</summary>
    public static void MapOpenInferenceGrpc(this IEndpointRouteBuilder app)
    {
        const string Reason = "says only that the process answers";
        var grpc = app.MapGrpcService<GrpcInference>(OpenInferenceGrpcReflection.Descriptor.FindTypeByName<ServiceDescriptor>("GRPCInferenceService"));
        grpc.Unary<ServerLiveRequest, ServerLiveResponse>("ServerLive", (_, _, _) => Task.FromResult(new ServerLiveResponse { Live = true })).ForAnybody(Reason);
        grpc.Unary<ServerReadyRequest, ServerReadyResponse>("ServerReady", (_, _, call) => Task.FromResult(new ServerReadyResponse { Ready = call.GetHttpContext().RequestServices.GetRequiredService<Readiness>().IsReached })).ForAnybody(Reason);
        grpc.Unary<ServerMetadataRequest, ServerMetadataResponse>("ServerMetadata", (service, _, _) => Task.FromResult(service.DescribeServer())).ForAnybody("names only the product");
        grpc.Unary<ModelReadyRequest, ModelReadyResponse>("ModelReady", (service, request, call) => service.ModelReady(request, call)).Needs(Permissions.Predict);
        grpc.Unary<ModelMetadataRequest, ModelMetadataResponse>("ModelMetadata", (service, request, call) => service.ModelMetadata(request, call)).Needs(Permissions.Predict);
        grpc.Unary("ModelInfer", InferMessage.Read, GrpcInference.Answers, (service, request, call) => service.ModelInfer(request, call)).Needs(Permissions.Predict);
        grpc.DuplexStreaming("ModelStreamInfer", InferMessage.Read, GrpcInference.StreamAnswers, (service, requests, answers, call) =>
            service.ModelStreamInfer(requests, answers, call)).Needs(Permissions.Predict);
        grpc.Unary<ModelConfigRequest, ModelConfigResponse>("ModelConfig", (service, request, call) => service.ModelConfig(request, call)).Needs(Permissions.Predict);
        grpc.Unary<ModelStatisticsRequest, ModelStatisticsResponse>("ModelStatistics", (service, request, call) => service.ModelStatistics(request, call)).Needs(Permissions.Predict);
        grpc.Unary<RepositoryIndexRequest, RepositoryIndexResponse>("RepositoryIndex", (service, request, call) => service.RepositoryIndex(request, call)).Needs(Permissions.Predict);
        grpc.Unary<SystemSharedMemoryStatusRequest, SystemSharedMemoryStatusResponse>("SystemSharedMemoryStatus", (service, request, call) => service.SystemSharedMemoryStatus(request, call))
            .Needs(Permissions.Predict);
        grpc.Unary<SystemSharedMemoryRegisterRequest, SystemSharedMemoryRegisterResponse>("SystemSharedMemoryRegister", (service, request, call) =>
            service.SystemSharedMemoryRegister(request, call)).Needs(Permissions.ModelsWrite);
        grpc.Unary<SystemSharedMemoryUnregisterRequest, SystemSharedMemoryUnregisterResponse>("SystemSharedMemoryUnregister", (service, request, call) =>
            service.SystemSharedMemoryUnregister(request, call)).Needs(Permissions.ModelsWrite);
        grpc.Unary<RepositoryModelLoadRequest, RepositoryModelLoadResponse>("RepositoryModelLoad", (service, request, call) => service.RepositoryModelLoad(request, call))
            .Needs(Permissions.ModelsWrite);
        grpc.Unary<RepositoryModelUnloadRequest, RepositoryModelUnloadResponse>("RepositoryModelUnload", (service, request, call) => service.RepositoryModelUnload(request, call))
            .Needs(Permissions.ModelsWrite);
    }
}
