using Microsoft.AspNetCore.Http.Metadata;

namespace Atoll.Platform.Http;

/// <summary>Lets a route take more bytes than others. Routing applies it, so it holds for whoever reads the body first.</summary>
internal sealed record UploadLimit(long? MaxRequestBodySize) : IRequestSizeLimitMetadata;
