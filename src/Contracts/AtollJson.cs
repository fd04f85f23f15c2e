using System.Text.Json.Serialization;

namespace Atoll.Contracts;

/// <summary>How wire records are written and read: camel case, nulls left out, unknown members skipped.</summary>
/// <remarks>As nulls are left out, parameters of positional records cannot be demanded when reading.</remarks>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip,
    RespectNullableAnnotations = true)]
[JsonSerializable(typeof(ApiKeyResponse))]
[JsonSerializable(typeof(AuthorizationServerResponse))]
[JsonSerializable(typeof(CallerResponse))]
[JsonSerializable(typeof(CreateApiKeyRequest))]
[JsonSerializable(typeof(CreatedApiKeyResponse))]
[JsonSerializable(typeof(CreatedKeyPairResponse))]
[JsonSerializable(typeof(CreatedTenantResponse))]
[JsonSerializable(typeof(CreatePrincipalRequest))]
[JsonSerializable(typeof(CreateRunRequest))]
[JsonSerializable(typeof(CreateTenantRequest))]
[JsonSerializable(typeof(DatasetManifest))]
[JsonSerializable(typeof(Dictionary<string, double>))]
[JsonSerializable(typeof(Dictionary<string, string>))]
[JsonSerializable(typeof(EinsteinErrorResponse))]
[JsonSerializable(typeof(EinsteinTokenResponse))]
[JsonSerializable(typeof(EndpointResponse))]
[JsonSerializable(typeof(EvaluationReport))]
[JsonSerializable(typeof(GrantResponse))]
[JsonSerializable(typeof(JsonWebKeySetResponse))]
[JsonSerializable(typeof(List<GateResult>))]
[JsonSerializable(typeof(ModelReportResponse))]
[JsonSerializable(typeof(ModelResponse))]
[JsonSerializable(typeof(ModelSignature))]
[JsonSerializable(typeof(ModelVersionResponse))]
[JsonSerializable(typeof(MoveAliasRequest))]
[JsonSerializable(typeof(OAuthErrorResponse))]
[JsonSerializable(typeof(Page<ApiKeyResponse>))]
[JsonSerializable(typeof(Page<EndpointResponse>))]
[JsonSerializable(typeof(Page<GrantResponse>))]
[JsonSerializable(typeof(Page<ModelResponse>))]
[JsonSerializable(typeof(Page<ModelVersionResponse>))]
[JsonSerializable(typeof(Page<PrincipalResponse>))]
[JsonSerializable(typeof(Page<PromotionResponse>))]
[JsonSerializable(typeof(Page<RefreshTokenResponse>))]
[JsonSerializable(typeof(Page<RunLogResponse>))]
[JsonSerializable(typeof(Page<RunMetricResponse>))]
[JsonSerializable(typeof(Page<RunResponse>))]
[JsonSerializable(typeof(Page<TenantResponse>))]
[JsonSerializable(typeof(PredictRequest))]
[JsonSerializable(typeof(PredictResponse))]
[JsonSerializable(typeof(PrincipalResponse))]
[JsonSerializable(typeof(PromoteRequest))]
[JsonSerializable(typeof(PromotionResponse))]
[JsonSerializable(typeof(RefreshTokenResponse))]
[JsonSerializable(typeof(RunEvent))]
[JsonSerializable(typeof(RunResponse))]
[JsonSerializable(typeof(SetPublicKeyRequest))]
[JsonSerializable(typeof(TenantResponse))]
[JsonSerializable(typeof(TokenResponse))]
public sealed partial class AtollJson : JsonSerializerContext;
