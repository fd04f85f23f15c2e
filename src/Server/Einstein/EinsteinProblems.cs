using Atoll.Contracts;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Atoll.Einstein;

/// <summary>Every refusal of this module, in the documented words where there are some.</summary>
internal static class EinsteinProblems
{
    public static Problem Invalid(string message) => new(400, ProblemCodes.InvalidField, message);

    public static Problem Missing(string field, string purpose) => Invalid($"The {field} parameter is required to {purpose}.");

    public static Problem DataMissing() => Invalid("Uploading a dataset requires either the data field or the path field.");

    public static Problem DataTwice() => Invalid("The data parameter cannot be duplicated, nor sent along with the path parameter.");

    public static Problem NameTooLong(int most) => Invalid($"The name has more than {most} characters.");

    public static Problem DownloadFailed(string? why) => Invalid("Failed to download the dataset from the public URL." + (why is null ? "" : $" {why}"));

    public static Problem DatasetBusy() => Invalid("The dataset is not yet available for update, try again once the dataset is ready.");

    public static Problem DatasetTraining() => Invalid("A training of the dataset is queued or running. Try again when it has ended.");

    public static Problem DatasetNotReady() => Invalid("The dataset is not yet available for training, try again once the dataset is ready.");

    public static Problem NotFound(string what, string? id) => new(404, ProblemCodes.NotFound, $"There is no {what} '{Shorten(id ?? "")}'.");

    public static Problem NotTrained(string status) => Invalid($"The model is not trained: its status is {status}.");

    public static Problem PreparationTakesLong() => new(503, ProblemCodes.Busy, "The examples are still being put together. Try again in a minute.") { RetryAfter = TimeSpan.FromMinutes(1) };

    public static Problem LabelUnknown(string label) => Invalid($"The dataset of the model has no label '{Shorten(label)}'.");

    public static Problem QuotaReached(long most, TimeSpan wait) =>
        new(429, ProblemCodes.LimitReached, $"You've reached the maximum number of predictions of this month, {most}.") { RetryAfter = wait };

    public static string Shorten(string text) => text.Length <= 80 ? text : text[..80];
}

/// <summary>A refusal of any module, told to a client of the Einstein API, which knows fewer statuses.</summary>
internal sealed class EinsteinRefusal(Problem problem) : IResult
{
    public static implicit operator EinsteinRefusal(Problem problem) => new(problem);

    public static implicit operator EinsteinRefusal(ProblemHttpResult result) =>
        new(new Problem(result.StatusCode, result.ProblemDetails.Extensions["code"] as string ?? "", result.ProblemDetails.Detail ?? ""));

    public Task ExecuteAsync(HttpContext httpContext) =>
        ProblemWriter.WriteAsync(httpContext, problem.Status is 409 or 415 or 422 ? problem with { Status = 400 } : problem);
}
