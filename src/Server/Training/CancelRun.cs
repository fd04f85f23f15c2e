using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Jobs;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Training;

/// <summary>Stops a run: at once when it waits, within moments when it trains. What it reported stays.</summary>
internal static class CancelRun
{
    public static async Task<Results<Accepted<RunResponse>, ProblemHttpResult>> HandleAsync(
        string run, PlatformDb db, JobQueue jobs, RunSignals signals, TimeProvider clock, CancellationToken cancellationToken)
    {
        var found = await db.Runs().SingleOrDefaultAsync(r => r.Id == run, cancellationToken);
        if (found is null) return TrainingProblems.RunNotFound(run).ToResult();
        if (RunStates.IsEnded(found.State)) return TrainingProblems.RunEnded(run, found.State).ToResult();

        // Whole or not at all, even if the caller hangs up meanwhile.
        string? ended = null;
        if (await jobs.CancelAsync(db, run, EndAsync, CancellationToken.None) == JobState.Cancelled) signals.Notify(run);
        if (ended is not null) return TrainingProblems.RunEnded(run, ended).ToResult();
        return TypedResults.Accepted($"/api/v1/runs/{run}", ListRuns.ToWire(found));

        async Task EndAsync(CancellationToken saving)
        {
            await db.Entry(found).ReloadAsync(saving);
            if (RunStates.IsEnded(found.State))
            {
                ended = found.State;
                return;
            }
            found.State = RunStates.Cancelled;
            found.EndedUtc = clock.GetUtcNow().UtcDateTime;
            await db.SaveChangesAsync(saving);
        }
    }
}
