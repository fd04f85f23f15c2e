using System.Globalization;
using Atoll.Contracts;

namespace Atoll.Deployments;

/// <summary>Where a prediction goes: the version that an endpoint serves. Immutable.</summary>
/// <param name="ServingDigest">Of the version's serving form in the blob store.</param>
/// <param name="Sampling">Null when no prediction is kept.</param>
/// <param name="Alias">Alias by which the version was found; null when the caller named the version's number.</param>
internal sealed record Route(
    string TenantId, string Endpoint, string Model, int Version, string? Alias, string Digest, string ServingDigest, long Bytes, ModelSignature Signature,
    PredictionSampling? Sampling = null)
{
    /// <summary>The version's number as the protocols write it.</summary>
    public string VersionText { get; } = Version.ToString(CultureInfo.InvariantCulture);
}

/// <summary>Predictions of an endpoint are kept in its log.</summary>
/// <param name="Rate">Share of them, above 0.</param>
internal sealed record PredictionSampling(string EndpointId, double Rate);
