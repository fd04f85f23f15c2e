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
[JsonSerializable(typeof(ModelSignature))]
[JsonSerializable(typeof(Page<TenantResponse>))]
[JsonSerializable(typeof(TenantResponse))]
public sealed partial class AtollJson : JsonSerializerContext;
