using System.Text.Json.Serialization;

namespace Atoll.Contracts;

/// <summary>How wire records are written and read: camel case, nulls left out, unknown members skipped.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(CallerResponse))]
[JsonSerializable(typeof(CreatedApiKeyResponse))]
[JsonSerializable(typeof(CreatedTenantResponse))]
[JsonSerializable(typeof(CreateTenantRequest))]
[JsonSerializable(typeof(CreateRunRequest))]
[JsonSerializable(typeof(DatasetManifest))]
[JsonSerializable(typeof(Dictionary<string, double>))]
[JsonSerializable(typeof(Dictionary<string, string>))]
[JsonSerializable(typeof(List<GateResult>))]
[JsonSerializable(typeof(EndpointResponse))]
[JsonSerializable(typeof(EvaluationReport))]
[JsonSerializable(typeof(ModelReportResponse))]
[JsonSerializable(typeof(ModelResponse))]
[JsonSerializable(typeof(ModelSignature))]
[JsonSerializable(typeof(ModelVersionResponse))]
[JsonSerializable(typeof(MoveAliasRequest))]
[JsonSerializable(typeof(Page<EndpointResponse>))]
[JsonSerializable(typeof(Page<ModelResponse>))]
[JsonSerializable(typeof(Page<ModelVersionResponse>))]
[JsonSerializable(typeof(Page<PromotionResponse>))]
[JsonSerializable(typeof(Page<RunLogResponse>))]
[JsonSerializable(typeof(Page<RunMetricResponse>))]
[JsonSerializable(typeof(Page<RunResponse>))]
[JsonSerializable(typeof(Page<TenantResponse>))]
[JsonSerializable(typeof(PredictRequest))]
[JsonSerializable(typeof(PredictResponse))]
[JsonSerializable(typeof(PromoteRequest))]
[JsonSerializable(typeof(PromotionResponse))]
[JsonSerializable(typeof(RunEvent))]
[JsonSerializable(typeof(RunResponse))]
[JsonSerializable(typeof(TenantResponse))]
public sealed partial class AtollJson : JsonSerializerContext;
