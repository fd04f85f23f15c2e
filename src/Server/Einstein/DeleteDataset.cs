using System.Globalization;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Jobs;
using Atoll.Platform.Security;
using Atoll.Training;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Einstein;

/// <summary>Deletes a dataset. Models that learned from it go on predicting.</summary>
internal static class DeleteDataset
{
    public static async Task<Results<Ok<EinsteinDeletionResponse>, EinsteinRefusal>> HandleAsync(
        string datasetId, Caller caller, PlatformDb db, BlobStore blobs, JobQueue jobs, TimeProvider clock, ILogger<Dataset> logger, CancellationToken cancellationToken)
    {
        if (await DescribeDataset.FindAsync(datasetId, db, blobs, cancellationToken) is not { } known) return (EinsteinRefusal)EinsteinProblems.NotFound("dataset", datasetId);
        if (await IsTrainingAsync(known.Row, db, cancellationToken)) return (EinsteinRefusal)EinsteinProblems.DatasetTraining();

        // An upload that is on its way has nothing to become any more.
        if (known.IsBusy && await db.Imports().SingleAsync(import => import.Id == known.Import!.Id, cancellationToken) is { IsEnded: false } open) await jobs.CancelAsync(db, open, clock);

        var deletion = Record(db, "DATASET", known.Row.Number.ToString(CultureInfo.InvariantCulture), clock);
        known.Row.DeletedUtc = deletion.AtUtc;
        db.EinsteinExamples().RemoveRange(await db.EinsteinExamples().Where(example => example.DatasetNumber == known.Row.Number).ToListAsync(cancellationToken));
        await Datasets.DeleteDataset.HandleAsync(known.Row.Dataset, db, logger, cancellationToken);

        // Where the platform had no dataset yet, it saved nothing.
        await db.SaveChangesAsync(cancellationToken);
        return TypedResults.Ok(ToWire(deletion, caller));
    }

    public static async Task<Results<Ok<EinsteinDeletionResponse>, EinsteinRefusal>> HandleStatusAsync(string deletionId, Caller caller, PlatformDb db, CancellationToken cancellationToken) =>
        await db.EinsteinDeletions().AsNoTracking().SingleOrDefaultAsync(row => row.Id == deletionId, cancellationToken) is { } deletion
            ? TypedResults.Ok(ToWire(deletion, caller))
            : (EinsteinRefusal)EinsteinProblems.NotFound("deletion", deletionId);

    /// <summary>A training of the dataset waits or runs.</summary>
    public static Task<bool> IsTrainingAsync(EinsteinDataset dataset, PlatformDb db, CancellationToken cancellationToken) => db.Runs()
        .AnyAsync(run => (run.State == RunStates.Queued || run.State == RunStates.Running) && run.Dataset == dataset.Dataset, cancellationToken);

    /// <summary>Adds the record to the caller's unit of work.</summary>
    public static EinsteinDeletion Record(PlatformDb db, string type, string id, TimeProvider clock)
    {
        var deletion = new EinsteinDeletion { Id = EinsteinText.NewId(), Type = type, DeletedObjectId = id, AtUtc = clock.GetUtcNow().UtcDateTime };
        db.EinsteinDeletions().Add(deletion);
        return deletion;
    }

    /// <summary>What is deleted is gone before the answer is sent, from memory too.</summary>
    public static EinsteinDeletionResponse ToWire(EinsteinDeletion deletion, Caller caller) => new()
    {
        Id = deletion.Id,
        Type = deletion.Type,
        Status = "SUCCEEDED",
        Progress = 1,
        OrganizationId = EinsteinText.OrganizationOf(caller.TenantId),
        DeletedObjectId = deletion.DeletedObjectId,
    };
}
