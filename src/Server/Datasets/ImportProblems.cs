using Atoll.Contracts;

namespace Atoll.Datasets;

/// <summary>Collects what an import finds, up to a limit; counts everything.</summary>
internal sealed class ImportProblems(int listedMax)
{
    private readonly List<ImportProblem> _errors = [];
    private readonly List<ImportProblem> _warnings = [];

    /// <summary>What makes samples, or all of the upload, unusable.</summary>
    public IReadOnlyList<ImportProblem> Errors => _errors;

    /// <summary>What a person should know, though the samples are usable.</summary>
    public IReadOnlyList<ImportProblem> Warnings => _warnings;

    public long ErrorCount { get; private set; }

    public long WarningCount { get; private set; }

    /// <summary>Samples that cannot be used.</summary>
    public long BadSamples { get; private set; }

    /// <summary>Leaving bad samples out does not help.</summary>
    public bool IsFatal { get; private set; }

    /// <summary>A sample cannot be used.</summary>
    public void Bad(ImportProblem problem)
    {
        BadSamples++;
        Add(_errors, problem);
        ErrorCount++;
    }

    /// <summary>The upload as a whole cannot be used.</summary>
    public void Fatal(ImportProblem problem)
    {
        IsFatal = true;
        ErrorCount++;

        // The reason for everything must not drown in a flood of bad rows.
        _errors.Insert(0, problem with { Fatal = true });
        if (_errors.Count > listedMax) _errors.RemoveAt(listedMax);
    }

    public void Warn(ImportProblem problem)
    {
        WarningCount++;
        Add(_warnings, problem);
    }

    private void Add(List<ImportProblem> list, ImportProblem problem)
    {
        if (list.Count < listedMax) list.Add(problem);
    }
}
