using Atoll.Contracts;
using Atoll.Platform.Http;

namespace Atoll.Datasets;

/// <summary>Every refusal of this module, besides the problems inside of files.</summary>
internal static class DatasetsProblems
{
    public static Problem DatasetNotFound(string dataset) => HttpProblems.NotFound("dataset", dataset, "List them with: atoll datasets list.");

    public static Problem DatasetExists(string dataset) =>
        HttpProblems.AlreadyExists("dataset", dataset, $"Choose another name, or add a version to it: atoll datasets add {dataset} <file>.");

    public static Problem ImportRunning(string dataset, string import) =>
        HttpProblems.AlreadyExists("import for the dataset", dataset, $"Wait for it: GET /api/v1/imports/{import}.");

    public static Problem VersionNotFound(string dataset, string version) =>
        new(404, ProblemCodes.NotFound, $"There is no version '{version}' of dataset {dataset}.", $"List them with: atoll datasets versions {dataset}.");

    public static Problem SampleNotFound(string sample, long count) => HttpProblems.NotFound("sample", sample, $"The version has samples 1 to {count}.");

    public static Problem ImportNotFound(string import) => HttpProblems.NotFound("import", import, "Imports are named in the answer to an upload.");

    public static Problem ImportEnded(string import, string state) =>
        new(409, ProblemCodes.ImportEnded, $"The import '{import}' has ended: {state}.", "There is nothing to cancel.");

    public static Problem TypeMissing() => HttpProblems.InvalidField("type", "is missing", $"Use {Types}.");

    public static Problem TypeUnknown(string type) => HttpProblems.InvalidField("type", $"is '{type}'", $"Use {Types}.");

    public static Problem FileMissing() =>
        HttpProblems.InvalidField("file", "is missing", "Send a multipart form with one or more files as 'file', or as 'train' and 'test'; or JSON with a 'url'.");

    public static Problem Refused(Import import) =>
        new(422, ProblemCodes.ImportRefused, import.Error ?? "The data cannot be used.", import.Problems.Any(problem => problem.Fatal == true) ? "Correct the request or the data." : "Correct the data, or send skipBad=true to leave bad samples out.")
        {
            Extensions = new Dictionary<string, object?>
            {
                ["import"] = import.Id, ["problems"] = import.Problems, ["problemCount"] = import.ProblemCount, ["warnings"] = import.Warnings, ["warningCount"] = import.WarningCount,
            },
        };

    private static string Types => string.Join(", ", DatasetFormats.Types);
}
