using System.Diagnostics;
using Atoll.Platform.Database;
using Atoll.Platform.Limits;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Platform.Jobs;

/// <summary>Claims jobs and runs their handlers, one loop per slot of each lane.</summary>
internal sealed partial class JobWorker(
    IServiceScopeFactory scopes, JobQueue queue, IEnumerable<JobKind> kinds, IEnumerable<JobLane> lanes, JobMetrics metrics, TimeProvider clock, ILogger<JobWorker> logger)
    : BackgroundService
{
    private const string DiedMessage = "The process that worked on it died.";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly Dictionary<string, JobKind> _kinds = kinds.ToDictionary(kind => kind.Kind);

    // The random part matters in containers, where a restarted process has the name and number of the dead one.
    private readonly string _owner = $"{Environment.MachineName}/{Environment.ProcessId}/{Guid.NewGuid():N}";

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await RecoverAsync(all: true, stoppingToken);
        var loops = lanes.SelectMany(lane => Enumerable.Range(0, lane.Slots).Select(_ => RunSlotAsync(lane.Name, stoppingToken)));
        await Task.WhenAll(loops.Append(RecoverRepeatedlyAsync(stoppingToken)));
    }

    private async Task RecoverRepeatedlyAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(JobQueue.Lease, clock);
        while (true)
        {
            try
            {
                if (!await timer.WaitForNextTickAsync(stoppingToken)) return;
                await RecoverAsync(all: false, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception) when (IsStorageFailure(exception))
            {
                Log.RecoveryFailed(logger, exception);
            }
        }
    }

    private async Task RecoverAsync(bool all, CancellationToken cancellationToken)
    {
        IReadOnlyList<Job> lost;
        await using (var scope = scopes.CreateAsyncScope())
            lost = await queue.FindLostAsync(scope.ServiceProvider.GetRequiredService<PlatformDb>(), all, cancellationToken);
        foreach (var job in lost)
        {
            try
            {
                Log.Recovered(logger, job.Id, job.Kind, job.Subject, job.Attempt, job.AttemptsMax);
                if (job.Attempt < job.AttemptsMax) await RequeueAsync(job, job.LeaseOwner, DiedMessage, stopping: false, cancellationToken);
                else await EndAsync(job, job.LeaseOwner, JobState.Parked, $"The process died at each of {job.AttemptsMax} attempts.", cancellationToken);
            }
            catch (Exception exception) when (exception is not OperationCanceledException)
            {
                // A handler that cannot let go of one job must not keep the others from being recovered.
                Log.EndFailed(logger, exception, job.Id, job.Kind);
            }
        }
    }

    private async Task RunSlotAsync(string lane, CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                Job? job;
                await using (var scope = scopes.CreateAsyncScope())
                    job = await queue.ClaimAsync(scope.ServiceProvider.GetRequiredService<PlatformDb>(), lane, _owner, stoppingToken);
                if (job is null) await queue.WaitAsync(lane, Patience, stoppingToken);
                else await RunAttemptAsync(job, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                // The slot lives on, whatever broke; a job that could not be ended is recovered when its lease has run out.
                Log.SlotFailed(logger, exception, lane);
                await Task.WhenAny(Task.Delay(Patience, clock, stoppingToken));
            }
        }
    }

    private async Task RunAttemptAsync(Job job, CancellationToken stoppingToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        queue.Started(job, stop);
        var attempt = AttemptOf(job);
        var started = Stopwatch.GetTimestamp();
        using var heartbeatStop = new CancellationTokenSource();
        var heartbeat = RenewRepeatedlyAsync(job, stop, heartbeatStop.Token);
        var (state, error) = (JobState.Succeeded, (string?)null);
        try
        {
            // A cancellation that came between the claim and Started is in the row.
            if (await IsCancelRequestedAsync(job.Id, stop.Token)) await stop.CancelAsync();
            stop.Token.ThrowIfCancellationRequested();
            await using var scope = scopes.CreateAsyncScope();
            await HandlerOf(scope, job).RunAsync(attempt, stop.Token);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            state = JobState.Queued;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            state = JobState.Cancelled;
        }
        catch (Exception refusal) when (refusal is JobRefusedException or LimitReachedException)
        {
            (state, error) = (JobState.Failed, refusal.Message);
        }
        catch (Exception exception)
        {
            // Whatever broke, the worker lives on; the job is tried again or parked. Details may hold paths and
            // output of processes: they are for the operator's log, the tenant gets what leads the operator there.
            Log.AttemptFailed(logger, exception, job.Id, job.Kind, attempt.Number);
            (state, error) = (attempt.Number < attempt.AttemptsMax ? JobState.Queued : JobState.Parked, $"The work failed for a reason inside the platform; tell the operator the job {job.Id}.");
        }
        finally
        {
            queue.Ended(job.Id);
            await heartbeatStop.CancelAsync();
        }

        // Without the lease somebody else works on the job, or its tenant is gone: it is not ours to end.
        if (!await heartbeat) return;
        await using (var scope = scopes.CreateAsyncScope())
        {
            var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
            if (!await queue.BookAsync(db, job, _owner, Stopwatch.GetElapsedTime(started), CancellationToken.None))
            {
                Log.LeaseLost(logger, job.Id);
                return;
            }
        }
        if (state == JobState.Queued) await RequeueAsync(job, _owner, error, stoppingToken.IsCancellationRequested, CancellationToken.None);
        else await EndAsync(job, _owner, state, error, CancellationToken.None);
    }

    private async Task RequeueAsync(Job job, string? owner, string? error, bool stopping, CancellationToken cancellationToken)
    {
        // The subject's row first: once the job waits, the next attempt may begin at any moment and write the row itself.
        await using (var scope = scopes.CreateAsyncScope())
            await HandlerOf(scope, job).RequeueAsync(AttemptOf(job), error, cancellationToken);
        await using (var scope = scopes.CreateAsyncScope())
        {
            var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
            if (!await queue.RequeueAsync(db, job, owner, error, stopping, cancellationToken)) Log.LeaseLost(logger, job.Id);
            else if (stopping) Log.GivenBack(logger, job.Id, job.Kind, job.Subject);
        }
    }

    private async Task EndAsync(Job job, string? owner, JobState state, string? error, CancellationToken cancellationToken)
    {
        // The subject's row first: should we die in between, the job is recovered and ends again.
        await using (var scope = scopes.CreateAsyncScope())
            await HandlerOf(scope, job).EndAsync(AttemptOf(job), state, error, cancellationToken);
        await using (var scope = scopes.CreateAsyncScope())
        {
            var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
            if (await queue.EndAsync(db, job.Id, owner, state, error, cancellationToken))
            {
                Log.Ended(logger, job.Id, job.Kind, state);
                metrics.CountEnd(job.Kind, state);
            }
            else
            {
                Log.LeaseLost(logger, job.Id);
            }
        }
    }

    /// <summary>Renews the lease until told to end. False: the lease was lost, and the attempt was stopped.</summary>
    private async Task<bool> RenewRepeatedlyAsync(Job job, CancellationTokenSource attempt, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(JobQueue.Lease / 3, clock);
        var until = clock.GetUtcNow() + JobQueue.Lease;
        while (true)
        {
            try
            {
                if (!await timer.WaitForNextTickAsync(cancellationToken)) return true;
                var now = clock.GetUtcNow();
                await using var scope = scopes.CreateAsyncScope();
                var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
                if (!await queue.RenewAsync(db, job.Id, _owner, cancellationToken)) break;
                until = now + JobQueue.Lease;
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                // The attempt has ended.
                return true;
            }
            catch (Exception exception) when (IsStorageFailure(exception))
            {
                // One missed renewal harms nothing, a lease that ran out does.
                Log.RenewalFailed(logger, exception, job.Id);
                if (clock.GetUtcNow() >= until) break;
            }
        }
        Log.LeaseLost(logger, job.Id);
        await attempt.CancelAsync();
        return false;
    }

    private async Task<bool> IsCancelRequestedAsync(string jobId, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        return await scope.ServiceProvider.GetRequiredService<PlatformDb>().Jobs().IgnoreQueryFilters([PlatformDb.TenantFilter])
            .AnyAsync(job => job.Id == jobId && job.CancelRequested, cancellationToken);
    }

    private IJobHandler HandlerOf(AsyncServiceScope scope, Job job)
    {
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(job.TenantId);
        return (IJobHandler)scope.ServiceProvider.GetRequiredService(_kinds[job.Kind].Handler);
    }

    /// <summary>The disk or the database failed, which may pass.</summary>
    internal static bool IsStorageFailure(Exception exception) =>
        exception is DbUpdateException or System.Data.Common.DbException or IOException;

    private static JobAttempt AttemptOf(Job job) => new(job.Id, job.TenantId, job.Kind, job.Subject, job.Attempt, job.AttemptsMax);

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "Attempt {Attempt} of job {Job} ({Kind}) failed.")]
        public static partial void AttemptFailed(ILogger logger, Exception exception, string job, string kind, int attempt);

        [LoggerMessage(LogLevel.Error, "Job {Job} ({Kind}) could not be ended or given back; it is tried again later.")]
        public static partial void EndFailed(ILogger logger, Exception exception, string job, string kind);

        [LoggerMessage(LogLevel.Information, "Job {Job} ({Kind}) ended: {State}.")]
        public static partial void Ended(ILogger logger, string job, string kind, JobState state);

        [LoggerMessage(LogLevel.Warning, "The lease of job {Job} was lost or its tenant deleted; what its attempt did is dropped.")]
        public static partial void LeaseLost(ILogger logger, string job);

        [LoggerMessage(LogLevel.Information, "The server stops: job {Job} ({Kind} of {Subject}) is back in line.")]
        public static partial void GivenBack(ILogger logger, string job, string kind, string subject);

        [LoggerMessage(LogLevel.Warning, "The process that worked on job {Job} ({Kind} of {Subject}) died at attempt {Attempt} of {AttemptsMax}.")]
        public static partial void Recovered(ILogger logger, string job, string kind, string subject, int attempt, int attemptsMax);

        [LoggerMessage(LogLevel.Error, "Jobs of dead workers could not be recovered; it is tried again later.")]
        public static partial void RecoveryFailed(ILogger logger, Exception exception);

        [LoggerMessage(LogLevel.Warning, "The lease of job {Job} could not be renewed; it is tried again.")]
        public static partial void RenewalFailed(ILogger logger, Exception exception, string job);

        [LoggerMessage(LogLevel.Error, "A worker of lane {Lane} could not claim or end a job; it goes on.")]
        public static partial void SlotFailed(ILogger logger, Exception exception, string lane);
    }
}
