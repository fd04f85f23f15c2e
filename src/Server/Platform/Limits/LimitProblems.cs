using System.Globalization;
using Atoll.Contracts;
using Atoll.Platform.Http;

namespace Atoll.Platform.Limits;

/// <summary>Every refusal for a limit of the tenant: it names the limit, its value, and who can do something about it.</summary>
internal static class LimitProblems
{
    public static Problem DiskFull(TenantLimits limits) => Reached(
        413, limits, nameof(TenantLimits.DiskBytesMax), "The tenant's data and models would take more bytes than it may keep.",
        "Delete datasets or models; their bytes are free about a day later.");

    public static Problem TooManyDatasets(TenantLimits limits) => Reached(
        409, limits, nameof(TenantLimits.DatasetsMax), "The tenant has as many datasets as it may have.", "Delete one, or add a version to one.");

    public static Problem TooManyVersions(TenantLimits limits, string model) => Reached(
        409, limits, nameof(TenantLimits.VersionsMax), $"The model '{model}' has as many versions as a model may have.",
        $"Delete some: atoll models delete {model} --version <number>.");

    public static Problem TooManyQueuedJobs(TenantLimits limits) => Reached(
        429, limits, nameof(TenantLimits.QueuedJobsMax), "As many imports and trainings of the tenant wait as may.",
        "Wait until some of them run, or cancel some.") with { RetryAfter = TimeSpan.FromSeconds(10) };

    public static Problem TooManyWaitingPredictions(TenantLimits limits) => Reached(
        429, limits, nameof(TenantLimits.WaitingPredictionsMax), "As many predictions of the tenant wait as may.",
        "Try again in a moment, or send several samples in one request.") with { RetryAfter = TimeSpan.FromSeconds(1) };

    public static Problem TooManyPredictions(TenantLimits limits, TimeSpan retryAfter) => Reached(
        429, limits, nameof(TenantLimits.PredictionsPerSecondMax), "The tenant asks for more predictions a second than it may.",
        "Ask less often, or send several samples in one request.") with { RetryAfter = retryAfter };

    public static Problem ModelCacheShareFull(TenantLimits limits) => Reached(
        429, limits, nameof(TenantLimits.ModelCacheShare), "The tenant's models that are in use leave no room for this one in its share of the memory.",
        "Try again when they are not.") with { RetryAfter = TimeSpan.FromSeconds(1) };

    public static Problem TooManyWaitingModelLoads(TenantLimits limits) => Reached(
        429, limits, nameof(TenantLimits.WaitingModelLoadsMax), "As many models of the tenant wait to be loaded as may.", "Try again in a moment.");

    public static Problem TooManyModelLoads(TenantLimits limits, TimeSpan retryAfter) => Reached(
        429, limits, nameof(TenantLimits.ModelLoadsPerSecondMax), "The tenant asks for more models a second that are not in memory than it may.",
        "Ask for them more slowly; models in memory answer meanwhile.") with { RetryAfter = retryAfter };

    public static Problem PinnedModelsFull(TenantLimits limits) => Reached(
        409, limits, nameof(TenantLimits.PinnedModelShare), "What the tenant's endpoints have pinned leaves no room for this one in its share of the memory.",
        "Unpin another endpoint.");

    private static Problem Reached(int status, TenantLimits limits, string property, string what, string remedy)
    {
        var name = System.Text.Json.JsonNamingPolicy.CamelCase.ConvertName(property);
        var value = limits.ValueOf(name);
        return new Problem(
            status, ProblemCodes.LimitReached, string.Create(CultureInfo.InvariantCulture, $"{what} The limit '{name}' is {value}."),
            $"{remedy} The platform's administrator can raise it: atoll tenants limit <tenant> {name} <value>.")
        {
            Extensions = new Dictionary<string, object?> { ["limit"] = name, ["value"] = value },
        };
    }
}

/// <summary>A limit was reached where no refusal can be returned, such as in the midst of a stream.</summary>
internal sealed class LimitReachedException(Problem problem) : Exception($"{problem.Detail} {problem.Remedy}")
{
    public Problem Problem => problem;
}
