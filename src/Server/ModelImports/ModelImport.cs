using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Jobs;

namespace Atoll.ModelImports;

/// <summary>A model file on its way to becoming a version; afterwards the record of what came of it.</summary>
internal sealed class ModelImport : ITenantOwned, IRevised, IJobSubject
{
    public required string Id { get; set; }

    public string TenantId { get; set; } = "";

    /// <summary>Name of the model that gets the version.</summary>
    public required string Model { get; set; }

    /// <summary>The file as its uploader calls it.</summary>
    public required string File { get; set; }

    /// <summary>SHA-256 of the file in the blob store.</summary>
    public required string FileDigest { get; set; }

    public required long FileBytes { get; set; }

    public required ModelImportRequest Request { get; set; }

    /// <summary>One of <see cref="ImportStates"/>.</summary>
    public required string State { get; set; }

    public string? Stage { get; set; }

    public int? Version { get; set; }

    public string? Error { get; set; }

    public required DateTime CreatedUtc { get; set; }

    public DateTime? EndedUtc { get; set; }

    public int Revision { get; set; }

    public ModelImportResponse ToWire() => new()
    {
        Id = Id, Model = Model, File = File, State = State, Stage = Stage, Version = Version, Error = Error, CreatedUtc = CreatedUtc, EndedUtc = EndedUtc,
    };

    public bool IsEnded => ImportStates.IsEnded(State);

    public void Cancel(DateTime nowUtc)
    {
        State = ImportStates.Cancelled;
        EndedUtc = nowUtc;
    }
}
