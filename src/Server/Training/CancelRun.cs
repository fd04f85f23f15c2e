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

        var state = await jobs.CancelAsync(db, found, clock);
        if (state != JobState.Running) signals.Notify(run);
        if (state is null) return TrainingProblems.RunEnded(run, found.State).ToResult();
        return TypedResults.Accepted($"/api/v1/runs/{run}", ListRuns.ToWire(found));
    }
}
