using System.Diagnostics;
using Atoll.Platform.Database;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Platform.Jobs;

/// <summary>Claims jobs and runs their handlers, one loop per slot of each lane.</summary>
internal sealed partial class JobWorker(
    IServiceScopeFactory scopes, JobQueue queue, IEnumerable<JobKind> kinds, IEnumerable<JobLane> lanes, TimeProvider clock, ILogger<JobWorker> logger)
    : BackgroundService
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly Dictionary<string, JobKind> _kinds = kinds.ToDictionary(kind => kind.Kind);
    private readonly string _owner = $"{Environment.MachineName}/{Environment.ProcessId}";

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await RecoverAsync(all: true, stoppingToken);
        var loops = lanes.SelectMany(lane => Enumerable.Range(0, lane.Slots).Select(_ => RunSlotAsync(lane.Name, stoppingToken)));
        await Task.WhenAll(loops.Append(RecoverRepeatedlyAsync(stoppingToken)));
    }

    private async Task RecoverRepeatedlyAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(JobQueue.Lease, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken)) await RecoverAsync(all: false, stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    private async Task RecoverAsync(bool all, CancellationToken cancellationToken)
    {
        IReadOnlyList<Job> exhausted;
        await using (var scope = scopes.CreateAsyncScope())
            exhausted = await queue.RecoverAsync(scope.ServiceProvider.GetRequiredService<PlatformDb>(), all, cancellationToken);
        foreach (var job in exhausted)
            await EndAsync(job, JobState.Parked, $"The process died at each of {job.AttemptsMax} attempts.", cancellationToken);
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
            catch (Exception exception) when (exception is DbUpdateException or System.Data.Common.DbException or IOException)
            {
                Log.SlotFailed(logger, exception, lane);
                await Task.Delay(Patience, clock, CancellationToken.None);
            }
        }
    }

    private async Task RunAttemptAsync(Job job, CancellationToken stoppingToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        queue.Started(job.Id, stop);
        var attempt = AttemptOf(job);
        var started = Stopwatch.GetTimestamp();
        using var heartbeatStop = new CancellationTokenSource();
        var heartbeat = RenewRepeatedlyAsync(job.Id, stop, heartbeatStop.Token);
        var (state, error) = (JobState.Succeeded, (string?)null);
        try
        {
            // A cancellation that came between the claim and Started is in the row.
            if (await IsCancelRequestedAsync(job.Id, stoppingToken)) await stop.CancelAsync();
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
        catch (JobRefusedException refusal)
        {
            (state, error) = (JobState.Failed, refusal.Message);
        }
        catch (Exception exception)
        {
            // Whatever broke, the worker lives on; the job is tried again or parked with this reason.
            Log.AttemptFailed(logger, exception, job.Id, job.Kind, attempt.Number);
            (state, error) = (attempt.Number < attempt.AttemptsMax ? JobState.Queued : JobState.Parked, exception.Message);
        }
        finally
        {
            queue.Ended(job.Id);
            await heartbeatStop.CancelAsync();
        }

        // Somebody else works on the job now, and it is theirs to end.
        if (!await heartbeat) return;

        await using (var scope = scopes.CreateAsyncScope())
        {
            var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
            await queue.BookAsync(db, job.TenantId, job.Lane, Stopwatch.GetElapsedTime(started), CancellationToken.None);
        }
        if (state == JobState.Queued) await RequeueAsync(job, error, stoppingToken.IsCancellationRequested);
        else await EndAsync(job, state, error, CancellationToken.None);
    }

    private async Task RequeueAsync(Job job, string? error, bool stopping)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        var now = clock.GetUtcNow().UtcDateTime;

        // A stop of the server is not the job's fault: the attempt does not count.
        var attempt = stopping ? job.Attempt - 1 : job.Attempt;
        var notBefore = stopping ? now : now + JobQueue.Backoff(job.Attempt);
        await db.Jobs().IgnoreQueryFilters([PlatformDb.TenantFilter]).Where(row => row.Id == job.Id && row.LeaseOwner == _owner)
            .ExecuteUpdateAsync(set => set
                .SetProperty(row => row.State, JobState.Queued)
                .SetProperty(row => row.Attempt, attempt)
                .SetProperty(row => row.NotBeforeUtc, notBefore)
                .SetProperty(row => row.LeaseOwner, (string?)null)
                .SetProperty(row => row.LeaseUntilUtc, (DateTime?)null)
                .SetProperty(row => row.Error, error), CancellationToken.None);
    }

    private async Task EndAsync(Job job, JobState state, string? error, CancellationToken cancellationToken)
    {
        // The subject's row first: should we die in between, the job is recovered and ends again.
        await using (var scope = scopes.CreateAsyncScope())
            await HandlerOf(scope, job).EndAsync(AttemptOf(job), state, error, cancellationToken);
        await using (var scope = scopes.CreateAsyncScope())
        {
            var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
            var now = clock.GetUtcNow().UtcDateTime;
            await db.Jobs().IgnoreQueryFilters([PlatformDb.TenantFilter]).Where(row => row.Id == job.Id)
                .ExecuteUpdateAsync(set => set
                    .SetProperty(row => row.State, state)
                    .SetProperty(row => row.EndedUtc, now)
                    .SetProperty(row => row.LeaseOwner, (string?)null)
                    .SetProperty(row => row.LeaseUntilUtc, (DateTime?)null)
                    .SetProperty(row => row.Error, error), cancellationToken);
        }
        Log.Ended(logger, job.Id, job.Kind, state);
    }

    /// <summary>Renews the lease until told to end. False: the lease was lost, and the attempt was stopped.</summary>
    private async Task<bool> RenewRepeatedlyAsync(string jobId, CancellationTokenSource attempt, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(JobQueue.Lease / 3, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                await using var scope = scopes.CreateAsyncScope();
                var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
                if (await queue.RenewAsync(db, jobId, _owner, cancellationToken)) continue;
                Log.LeaseLost(logger, jobId);
                await attempt.CancelAsync();
                return false;
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The attempt has ended.
        }
        return true;
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

    private static JobAttempt AttemptOf(Job job) => new(job.Id, job.TenantId, job.Kind, job.Subject, job.Attempt, job.AttemptsMax);

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "Attempt {Attempt} of job {Job} ({Kind}) failed.")]
        public static partial void AttemptFailed(ILogger logger, Exception exception, string job, string kind, int attempt);

        [LoggerMessage(LogLevel.Information, "Job {Job} ({Kind}) ended: {State}.")]
        public static partial void Ended(ILogger logger, string job, string kind, JobState state);

        [LoggerMessage(LogLevel.Warning, "The lease of job {Job} was lost; its attempt is stopped.")]
        public static partial void LeaseLost(ILogger logger, string job);

        [LoggerMessage(LogLevel.Error, "A worker of lane {Lane} could not claim or end a job; it goes on.")]
        public static partial void SlotFailed(ILogger logger, Exception exception, string lane);
    }
}
