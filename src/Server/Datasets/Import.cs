using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Jobs;

namespace Atoll.Datasets;

/// <summary>Data on its way to becoming a dataset version; afterwards the record of what came of it.</summary>
internal sealed class Import : ITenantOwned, IRevised, IJobSubject
{
    public required string Id { get; set; }

    public string TenantId { get; set; } = "";

    /// <summary>Name of the dataset that gets the version.</summary>
    public required string Dataset { get; set; }

    /// <summary>The dataset that must exist; null when the import makes it.</summary>
    public string? DatasetId { get; set; }

    public required string Type { get; set; }

    /// <summary>One of <see cref="ImportStates"/>.</summary>
    public required string State { get; set; }

    public double Progress { get; set; }

    public required ImportRequest Request { get; set; }

    /// <summary>The uploaded bytes, in the blob store; empty until an address was loaded.</summary>
    public required IReadOnlyList<ImportFile> Files { get; set; }

    public int? Version { get; set; }

    public long? Samples { get; set; }

    public long? Skipped { get; set; }

    public string? Error { get; set; }

    public IReadOnlyList<ImportProblem> Problems { get; set; } = [];

    public long ProblemCount { get; set; }

    public IReadOnlyList<ImportProblem> Warnings { get; set; } = [];

    public long WarningCount { get; set; }

    public required DateTime CreatedUtc { get; set; }

    public DateTime? EndedUtc { get; set; }

    public int Revision { get; set; }

    public ImportResponse ToWire() => new()
    {
        Id = Id,
        Dataset = Dataset,
        Type = Type,
        State = State,
        Progress = Progress,
        Version = Version,
        Samples = Samples,
        Skipped = Skipped,
        Error = Error,
        Problems = Problems,
        ProblemCount = ProblemCount,
        Warnings = Warnings,
        WarningCount = WarningCount,
        CreatedUtc = CreatedUtc,
        EndedUtc = EndedUtc,
    };

    public bool IsEnded => ImportStates.IsEnded(State);

    public void Cancel(DateTime nowUtc)
    {
        State = ImportStates.Cancelled;
        EndedUtc = nowUtc;
    }
}

/// <summary>One uploaded file.</summary>
internal sealed record ImportFile(string Name, string Digest, string? Split);
