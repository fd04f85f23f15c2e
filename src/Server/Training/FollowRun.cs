using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Security;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Training;

/// <summary>Sends what happens to a run while it happens, from its beginning, until it has ended.</summary>
internal static class FollowRun
{
    // Other processes may work on the run; then nobody notifies us.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    public static async Task<Results<ServerSentEventsResult<RunEvent>, ProblemHttpResult>> HandleAsync(
        string run, HttpContext context, ICallerCheck check, PlatformDb db, RunSignals signals, TimeProvider clock, IHostApplicationLifetime lifetime, CancellationToken cancellationToken)
    {
        if (!await db.Runs().AnyAsync(r => r.Id == run, cancellationToken)) return TrainingProblems.RunNotFound(run).ToResult();
        return TypedResults.ServerSentEvents(ReadAsync(run, token => check.IsStillGoodAsync(context, token), db, signals, clock, lifetime.ApplicationStopping, cancellationToken), "run");
    }

    private static async IAsyncEnumerable<RunEvent> ReadAsync(
        string id, Func<CancellationToken, ValueTask<bool>> mayFollowAsync, PlatformDb db, RunSignals signals, TimeProvider clock, CancellationToken stopping,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // A stop of the server ends the stream; a follower connects again to the next one.
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(stopping, cancellationToken);
        long lastLog = 0;
        var told = new Dictionary<(string Name, int Step), double>();
        RunResponse? last = null;
        try
        {
            while (true)
            {
                var change = signals.NextChange(id);

                // A key that was revoked, or lost the permission, hears nothing more.
                if (!await mayFollowAsync(cancellationToken)) yield break;
                var run = await db.Runs().AsNoTracking().SingleOrDefaultAsync(r => r.Id == id, cancellationToken);
                if (run is null) yield break;
                var logs = await db.RunLogs().Where(log => log.RunId == id && log.Number > lastLog).OrderBy(log => log.Number)
                    .Select(log => new RunLogResponse(log.Number, log.AtUtc, log.Message)).ToListAsync(cancellationToken);
                var metrics = (await db.RunMetrics().Where(metric => metric.RunId == id).OrderBy(metric => metric.Step).ThenBy(metric => metric.Name)
                        .Select(metric => new RunMetricResponse(metric.Name, metric.Step, metric.Value)).ToListAsync(cancellationToken))
                    .Where(metric => !told.TryGetValue((metric.Name, metric.Step), out var value) || value != metric.Value).ToList();
                foreach (var metric in metrics) told[(metric.Name, metric.Step)] = metric.Value;
                if (logs.Count > 0) lastLog = logs[^1].Number;

                var wire = ListRuns.ToWire(run);
                if (logs.Count > 0 || metrics.Count > 0 || last is null || last.State != wire.State || last.Stage != wire.Stage || last.Progress != wire.Progress)
                {
                    yield return new RunEvent { Run = wire, Logs = logs.Count > 0 ? logs : null, Metrics = metrics.Count > 0 ? metrics : null };
                    last = wire;
                }
                if (RunStates.IsEnded(run.State)) yield break;
                await Task.WhenAny(change, Task.Delay(Patience, clock, patience.Token));
                cancellationToken.ThrowIfCancellationRequested();
                if (stopping.IsCancellationRequested) yield break;
            }
        }
        finally
        {
            // Nothing of an ended run may stay behind; others who follow only look once more.
            signals.Notify(id);
        }
    }
}
