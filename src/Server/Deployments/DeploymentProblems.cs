using Atoll.Platform.Http;

namespace Atoll.Deployments;

/// <summary>Every refusal of this module.</summary>
internal static class DeploymentProblems
{
    public static Problem EndpointNotFound(string endpoint) => HttpProblems.NotFound("endpoint", endpoint, "List them with: atoll endpoints list.");
}
