using Atoll.Contracts;
using Atoll.Platform.Http;

namespace Atoll.Deployments;

/// <summary>Every refusal of this module.</summary>
internal static class DeploymentProblems
{
    public static Problem EndpointNotFound(string endpoint) => HttpProblems.NotFound("endpoint", endpoint, "List them with: atoll endpoints list.");

    public static Problem PinsFull(string endpoint) => new(
        409, ProblemCodes.LimitReached, $"Pinned models of all tenants leave no room to pin what '{endpoint}' serves.",
        "Unpin another endpoint, or raise the setting 'Deployments:PinnedShareMax' or 'Deployments:CacheBytesMax'.");

    public static Problem NoRoomToPin(string endpoint) => new(
        503, ProblemCodes.Busy, $"There is no memory for what '{endpoint}' serves now.", "Try again in a moment, or raise the setting 'Deployments:CacheBytesMax'.");

    /// <param name="forgotten">When it is tried again; until then every request is told the same.</param>
    public static Problem NotLoadable(Route route, string reason, TimeSpan forgotten) => new(
        503, ProblemCodes.ModelNotLoadable, $"Version {route.Version} of the model '{route.Model}' could not be loaded: {reason.TrimEnd('.')}.",
        "Serve another version, or import the model again.")
    {
        RetryAfter = forgotten,
    };
}
