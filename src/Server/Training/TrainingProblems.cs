using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Http;

namespace Atoll.Training;

/// <summary>Every refusal of this module.</summary>
internal static class TrainingProblems
{
    public static Problem RunNotFound(string run) => HttpProblems.NotFound("run", run, "List them with: atoll runs list.");

    public static Problem DatasetNotFound(string dataset) => HttpProblems.NotFound("dataset", dataset, "List them with: atoll datasets list.");

    public static Problem DatasetNotReady(string dataset) => new(
        409, ProblemCodes.DatasetNotReady, $"The dataset '{dataset}' has no version yet.", "Wait for its import to succeed: atoll datasets show " + dataset + ".");

    public static Problem SplitMissing(string dataset, int version, string split) => new(
        409, ProblemCodes.SplitMissing, $"Version {version} of the dataset '{dataset}' has no samples in the split '{split}'.",
        "Upload the samples as 'file', which splits them, or add a file for that split: atoll datasets add.");

    public static Problem TargetMissing(string dataset, IEnumerable<string> columns) => HttpProblems.InvalidField(
        "target", "is missing: the dataset names no label column", $"Name the column to learn; {dataset} has {string.Join(", ", columns.Take(30))}.");

    public static Problem TargetUnknown(string target, IEnumerable<string> columns) => HttpProblems.InvalidField(
        "target", $"names no column: '{target}'", $"{Spelling.Ask(target, columns)}Use one of {string.Join(", ", columns.Take(30))}.");

    public static Problem TargetNotForTables(string type) => HttpProblems.InvalidField(
        "target", $"is for tables; this dataset holds {type} samples with their labels", "Leave it out.");

    /// <summary>Null when the trainer can use the parameters; it would refuse them too, but only once the run began.</summary>
    public static Problem? WrongParameter(IReadOnlyDictionary<string, string> parameters, ParameterTable table, DatasetManifest manifest, string? target)
    {
        var columns = manifest.Schema.Columns.Select(column => column.Name).Where(column => column != target).ToList();
        var mistake = table.Check(parameters, columns);
        return mistake is null ? null : new Problem(400, ProblemCodes.InvalidField, mistake.What, mistake.Remedy) { Field = $"parameters.{mistake.Name}" };
    }

    /// <summary>Versions of one model answer at one endpoint, so they must read and predict the same. Null when they do.</summary>
    /// <param name="has">The newest version.</param>
    /// <param name="task">Null when only the training will tell.</param>
    public static Problem? ModelOfOtherKind(string model, ModelSignature has, string sampleType, string? task, string? target)
    {
        var difference = has.SampleType != sampleType ? $"reads {has.SampleType}; this run would make a version that reads {sampleType}"
            : has.Target != target ? $"predicts '{has.Target}'; this run would make a version that predicts '{target}'"
            : task is not null && has.Task != task ? $"does {has.Task}; this run would make a version that does {task}"
            : null;
        return difference is null ? null : new Problem(409, ProblemCodes.ModelOfOtherKind, $"The model '{model}' {difference}.", "Give the run another model name.");
    }

    public static Problem RunEnded(string run, string state) => new(
        409, ProblemCodes.RunEnded, $"The run {run} has ended: {state}.", "Nothing is left to cancel.");
}
