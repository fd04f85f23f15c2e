using System.Text.Json;
using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Http;

namespace Atoll.Prediction;

/// <summary>Every refusal of <c>:predict</c>. Those of <c>/v2</c> are in <see cref="OpenInference.OpenInferenceProblems"/>.</summary>
internal static class PredictionProblems
{
    private const int ColumnsShownMax = 20;

    public static Problem Invalid(SamplePlan plan, string field, string what, string remedy) =>
        HttpProblems.InvalidField(field, what, remedy) with { Extensions = ExampleOf(plan) };

    /// <summary>A value that its column cannot take.</summary>
    public static Problem WrongValue(SamplePlan plan, string field, string what, SampleColumn column) =>
        Invalid(plan, field, what, $"Expected {column.Describe()}.") with
        {
            Extensions = new Dictionary<string, object?>(ExampleOf(plan)) { ["expected"] = column.Describe() },
        };

    public static Problem UnknownColumn(SamplePlan plan, string field, string name)
    {
        var nearest = plan.NearestColumn(name);
        var remedy = nearest is not null
            ? $"Did you mean '{nearest}'?"
            : $"The model reads {string.Join(", ", plan.Columns.Take(ColumnsShownMax).Select(column => $"'{column.Name}'"))}"
              + (plan.Columns.Count > ColumnsShownMax ? $" and {plan.Columns.Count - ColumnsShownMax} more." : ".");
        return Invalid(plan, field, "is not a column that this model reads", $"{remedy} To skip columns that the model does not read, add ?unknown=ignore.");
    }

    public static Problem ColumnTwice(SamplePlan plan, string field) => Invalid(plan, field, "is there twice", "Give each column once.");

    public static Problem NothingKnown(SamplePlan plan, string field) =>
        Invalid(plan, field, "has no value in any column that this model reads", "Give at least one; columns that are left out count as missing.");

    public static Problem WrongList(SamplePlan plan, string given) => Invalid(
        plan, given, $"cannot be used: the model behind '{plan.Route.Endpoint}' reads {plan.ListName}, not {given}", $"Send {plan.ExampleBody().ToJsonString()}.");

    public static Problem NoList(SamplePlan plan) =>
        Invalid(plan, plan.ListName, "is missing", $"Send {plan.ExampleBody().ToJsonString()}.");

    public static Problem Empty(SamplePlan plan, string field) =>
        Invalid(plan, field, "holds no samples", $"Send at least one, as in {plan.ExampleBody().ToJsonString()}.");

    public static Problem UnknownMember(SamplePlan plan, string name) =>
        Spelling.Nearest(name, ["rows", "texts", "images", "sounds", "top", "explain"]) is { } nearest
            ? Invalid(plan, name, "is not part of a request", $"Did you mean '{nearest}'?")
            : Invalid(plan, name, "is not part of a request", $"Send {plan.ExampleBody().ToJsonString()}.");

    public static Problem NotExplainable(SamplePlan plan, string why, string remedy) =>
        new(400, ProblemCodes.InvalidField, $"The predictions of '{plan.Route.Endpoint}' cannot be explained: {why}.", remedy) { Field = "explain" };

    public static Problem NoDrift(SamplePlan plan, string why, string remedy) =>
        new(409, ProblemCodes.NotComparable, $"Rows cannot be compared with the training data of '{plan.Route.Endpoint}': {why}.", remedy);

    public static Problem TooManyToExplain(int rowsMax) => new(
        413, ProblemCodes.TooLarge, $"A request can explain {rowsMax} rows at most: each is predicted twice for every column.",
        "Send fewer rows, or leave 'explain' out. The operator's setting is Prediction:ExplainedRowsMax.") { Field = "explain" };

    public static Problem NotJson(SamplePlan plan, JsonException failure)
    {
        var place = failure.LineNumber is { } line ? $" at line {line + 1}, byte {failure.BytePositionInLine + 1}" : "";
        return new Problem(400, ProblemCodes.InvalidBody, $"The request body is not valid JSON{place}.", $"Send {plan.ExampleBody().ToJsonString()}.")
        {
            Extensions = ExampleOf(plan),
        };
    }

    public static Problem InvalidBody(SamplePlan plan, string what, string remedy) =>
        new(400, ProblemCodes.InvalidBody, what, remedy) { Extensions = ExampleOf(plan) };

    public static Problem UnknownContentType(SamplePlan plan, string? contentType) => new(
        415, ProblemCodes.InvalidBody,
        contentType is null ? "The request has no Content-Type." : $"The Content-Type '{JsonText.Shorten(contentType)}' is not one of those that predictions take.",
        plan.ListName switch
        {
            "images" => "Use application/json, multipart/form-data, or the image's own type such as image/jpeg.",
            "sounds" => "Use application/json, multipart/form-data, or audio/wav.",
            _ => "Use application/json, text/csv or multipart/form-data.",
        })
    {
        Extensions = ExampleOf(plan),
    };

    public static Problem UnknownCharset(string charset) => new(
        415, ProblemCodes.InvalidBody, $"The charset '{JsonText.Shorten(charset)}' is not known.", "Use utf-8, utf-16, iso-8859-1 or windows-1252, or leave it out.");

    public static Problem TooMany(SamplePlan plan, string field, int samplesMax, string setting) => new(
        413, ProblemCodes.TooLarge, $"The list '{field}' has more than {samplesMax} entries.", $"Send several requests, or raise the setting '{setting}'.")
    {
        Field = field,
    };

    public static Problem TooManyValues(SamplePlan plan, int valuesMax) => new(
        413, ProblemCodes.TooLarge,
        $"The rows have more than {valuesMax} values in the {plan.Columns.Count} columns that the model reads.",
        "Send several requests, or raise the setting 'Prediction:ValuesMax'.")
    {
        Field = plan.ListName,
    };

    public static Problem NotReadable(SamplePlan plan) => new(
        400, ProblemCodes.ModelOfOtherKind, $"The model behind '{plan.Route.Endpoint}' takes tensors, not rows, texts, images or sounds.",
        $"Use POST /v2/models/{plan.Route.Endpoint}/{(plan.Route.Signature.Steps is null ? "infer" : "generate_stream")}.");

    /// <summary>The model computed no number. Its own data never led there, so the sample is far from it.</summary>
    public static Problem NoNumber(SamplePlan plan, string field) =>
        Invalid(plan, field, "has values for which the model gives no number", "Check for values that are far too large.");

    public static Problem Failed(SamplePlan plan, string message) =>
        new(400, ProblemCodes.InvalidField, $"The model could not be run on these samples: {message}", "Check that they are like those that it was trained on.")
        {
            Field = plan.ListName,
            Extensions = ExampleOf(plan),
        };

    public static Problem Busy() =>
        new(503, ProblemCodes.Busy, "Exceeds maximum queue size: too many predictions wait already.", "Try again in a moment.") { RetryAfter = TimeSpan.FromSeconds(1) };

    /// <summary>The tenant itself takes what it may have of <see cref="AnswersInProgress"/>: the server may have room.</summary>
    public static Problem TooManyAnswers(int most) => new(
        429, ProblemCodes.LimitReached, $"The tenant has {most} requests that are answered step by step, as many as one tenant may have at a time.",
        "Read or end some of them, or ask the operator to raise the setting 'Prediction:WaitingMax', of which one tenant has a quarter.");

    public static Problem TooLate() =>
        new(503, ProblemCodes.Busy, "The prediction could not begin before its timeout.", "Try again in a moment, or give it more time.") { RetryAfter = TimeSpan.FromSeconds(1) };

    /// <summary>No "try again": the same samples would take as long again.</summary>
    public static Problem TookTooLong(int secondsMax) => new(
        504, ProblemCodes.TookTooLong, $"The model took more than {secondsMax} seconds for these samples and was stopped.",
        "Send fewer or smaller samples, or ask the operator to raise the setting 'Prediction:RunSecondsMax'.");

    public static Problem NoRoom() => new(
        503, ProblemCodes.Busy, "There is no memory for this model now.", "Try again in a moment, or raise the setting 'Deployments:CacheBytesMax'.")
    {
        RetryAfter = TimeSpan.FromSeconds(1),
    };

    private static Dictionary<string, object?> ExampleOf(SamplePlan plan) =>
        plan.CanRead ? new Dictionary<string, object?> { ["example"] = plan.ExampleBody() } : [];
}
