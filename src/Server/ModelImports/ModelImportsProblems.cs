using Atoll.Contracts;
using Atoll.Platform.Http;

namespace Atoll.ModelImports;

/// <summary>Every refusal of this module, besides those of the model itself.</summary>
internal static class ModelImportsProblems
{
    public static Problem ImportNotFound(string import) => HttpProblems.NotFound("import of a model", import, "Imports are named in the answer to an upload.");

    public static Problem ImportEnded(string import, string state) =>
        new(409, ProblemCodes.ImportEnded, $"The import '{import}' has ended: {state}.", "There is nothing to cancel.");

    public static Problem FileMissing() => HttpProblems.InvalidField("file", "is missing", "Send a multipart form with the model as 'file'.");

    public static Problem OneFile(string field) => HttpProblems.InvalidField(field, "is a second file", "Send one file, as 'file'.");

    public static Problem FieldUnknown(string field) => HttpProblems.InvalidField(field, "is not known", "Known fields are file, labels and steps.");

    public static Problem LabelsInvalid() =>
        HttpProblems.InvalidField("labels", "is not a list of different texts", """Give a JSON list of at least two, such as ["no","yes"].""");

    public static Problem StepsInvalid() =>
        HttpProblems.InvalidField("steps", "cannot be read", """Give JSON such as {"states":[{"output":"next","input":"token"}],"done":"done"}.""");

    /// <summary>Steps that do not fit a model that is there.</summary>
    public static Problem StepsMisfit(string why) => new(400, ProblemCodes.InvalidField, why);

    public static Problem Refused(ModelImport import) =>
        new(422, ProblemCodes.ImportRefused, import.Error ?? "The model cannot be used.", null) { Extensions = new Dictionary<string, object?> { ["import"] = import.Id } };
}
